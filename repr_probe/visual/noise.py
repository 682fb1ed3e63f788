"""Noise of SmoothGrad that belongs to an image and a sample number: no batch size, no order and no other image changes it."""

from __future__ import annotations

import hashlib
import math

import torch

from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec

LARGEST_SIGMA = 1.0


def image_key(image: torch.Tensor, input: InputSpec) -> bytes:
    """32 bytes that name the picture in a normalised (C, H, W) tensor: the hash of its 8-bit pixels, the same under any mean and std."""
    mean, std = (torch.tensor(values, dtype=torch.float64).view(-1, 1, 1) for values in (input.mean, input.std))
    pixels = (image.detach().cpu().double() * std + mean).mul(255).round().clamp(0, 255).to(torch.uint8).contiguous()
    return hashlib.sha256(f"{tuple(pixels.shape)}".encode() + pixels.numpy().tobytes()).digest()


def unit_noise(key: bytes, sample: int, shape: tuple[int, ...], *, seed: int = 0) -> torch.Tensor:
    """Independent standard normal float32 numbers of this shape, a function of (key, sample, seed) alone; torch's own state stays as it was."""
    digest = hashlib.sha256(key + f"{seed},{sample}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    return torch.randn(shape, generator=generator)


def noise_scale(sigma: float, input: InputSpec) -> torch.Tensor:
    """(C, 1, 1): the SD of the noise in normalised units, for `sigma` as a share of the pixels' range 0 to 1.

    The SmoothGrad paper uses 0.1 to 0.2 of the range. After division by the encoder's std (0.5, say) 0.15 of the range is 0.3.

    >>> noise_scale(0.15, InputSpec(size=(8, 8), mean=(0.5,), std=(0.5,))).flatten()
    tensor([0.3000])
    """
    if isinstance(sigma, bool) or not math.isfinite(sigma) or not 0 <= sigma <= LARGEST_SIGMA:
        raise UsageError(f"sigma must be a share of the pixel range from 0 to {LARGEST_SIGMA:g}; got {sigma!r}")
    return sigma / torch.tensor(input.std, dtype=torch.float32).view(-1, 1, 1)
