"""A function tried out on a few images before it is trusted with a data set, and recognised again by what it gives for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch

from repr_probe.errors import CheckpointError
from repr_probe.preprocessing import InputSpec

TOLERANCE = 1e-3  # of the largest entry: far above rounding, far below what dropout or batch statistics do


def trial_images(spec: InputSpec) -> torch.Tensor:
    """Four images of random pixels, normalised as `spec` says: (4, channels, height, width). The global generator is not used."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (4, spec.channels, *spec.size), generator=generator) / 255
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
    return (pixels - mean) / std


def try_out(features_of: Callable[[torch.Tensor], torch.Tensor], spec: InputSpec, who: str) -> torch.Tensor:
    """Features of four trial images, (4, n_features), after proof that they are features of single images.

    Raises CheckpointError when two different images get the same features (E_DEGENERATE), or when those of an image depend on
    the images beside it or differ from one call to the next (E_OUTPUT): dropout or batch statistics still switched on.
    """
    images = trial_images(spec)
    features = features_of(images)
    if bool((features == features[:1]).all()):
        raise CheckpointError(f"{who} must tell images apart; four different images get the same features", code="E_DEGENERATE")
    again = features_of(images.flip(0)[:3]).flip(0)
    largest = float(features.abs().max())
    off = float((again - features[1:]).abs().max())
    if off > TOLERANCE * largest:
        raise CheckpointError(
            f"{who} must give an image the same features in every batch; they differ by {off / largest:.2g} of the largest; "
            "switch off dropout and batch statistics (evaluation mode)",
            code="E_OUTPUT",
        )
    return features


def fingerprint(features: torch.Tensor) -> str:
    """Hash of the features of the trial images: what stands for a function whose inside cannot be seen."""
    return "sha256:" + hashlib.sha256(features.cpu().contiguous().numpy().tobytes()).hexdigest()
