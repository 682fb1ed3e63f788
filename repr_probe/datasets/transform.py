"""Evaluation preprocessing: PIL image in, normalised tensor out.

Equal, bit for bit, to timm's `create_transform(is_training=False)` with centre crop and to torchvision's ImageClassification preset
(tests hold both beside it). Written on Pillow and torch alone so that a data-loading worker imports neither library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


@dataclass(frozen=True)
class EvaluationTransform:
    """Convert to RGB (grey for a one-channel encoder), resize, crop the centre, scale to [0, 1], normalise.

    Called with a PIL image of any mode and size; returns float32 (channels, height, width).
    """

    input: InputSpec

    def __call__(self, image: Image.Image) -> torch.Tensor:
        return normalise(self.cropped(image), self.input)

    def cropped(self, image: Image.Image) -> Image.Image:
        """The image as the encoder sees it, before it is normalised: RGB or grey, of the input's size."""
        height, width = self.input.size
        return _crop_centre(_resize(convert(image, self.input.channels), self.input), height, width)


def build_transform(input: InputSpec) -> EvaluationTransform:
    """The evaluation transform of an encoder's input specification; raises UsageError for one of other than 1 or 3 channels."""
    if input.channels not in (1, 3):
        raise UsageError(f"mean must have 1 (grey) or 3 (RGB) values; got {input.channels}")
    return EvaluationTransform(input)


def convert(image: Image.Image, channels: int) -> Image.Image:
    """RGB for three channels, 8-bit grey for one; transparency is dropped, as the usual loaders do."""
    mode = "RGB" if channels == 3 else "L"
    if image.mode == mode:
        return image
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # same colours; Pillow warns on the direct way
    return image.convert(mode)


def normalise(image: Image.Image, input: InputSpec) -> torch.Tensor:
    """uint8 PIL image -> float32 (channels, height, width), (pixel / 255 - mean) / std."""
    return normalise_pixels(pixels_of(image), input)


def pixels_of(image: Image.Image) -> torch.Tensor:
    """Grey or RGB image -> uint8 (channels, height, width)."""
    pixels = torch.from_numpy(np.array(image))  # (height, width) or (height, width, 3)
    return pixels.unsqueeze(0) if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def normalise_pixels(pixels: torch.Tensor, input: InputSpec) -> torch.Tensor:
    """uint8 (..., channels, height, width), red first -> float32 of the same shape, (pixel / 255 - mean) / std, in the input's order."""
    values = pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    if input.order == "bgr":
        values = values.flip(-3)
    mean, std = (torch.tensor(numbers, device=pixels.device).view(-1, 1, 1) for numbers in (input.mean, input.std))
    return values.sub_(mean).div_(std)


def _resize(image: Image.Image, input: InputSpec) -> Image.Image:
    scaled_height, scaled_width = (math.floor(side / input.crop_pct) for side in input.size)
    width, height = image.size
    if scaled_height == scaled_width:  # torchvision's rule: the shorter side exactly, the longer one cut to an integer
        longer = int(scaled_height * max(width, height) / min(width, height))
        size = (scaled_height, longer) if width <= height else (longer, scaled_height)
    else:  # timm's rule for targets that are not square: smallest size of the same shape that covers the target
        ratio = min(height / scaled_height, width / scaled_width)
        size = (round(width / ratio), round(height / ratio))
    return image if size == image.size else image.resize(size, INTERPOLATIONS[input.interpolation])


def _crop_centre(image: Image.Image, height: int, width: int) -> Image.Image:
    left, top = _offset(image.width, width), _offset(image.height, height)
    if (left, top) == (0, 0) and image.size == (width, height):
        return image
    return image.crop((left, top, left + width, top + height))  # outside the image Pillow fills with black


def _offset(available: int, wanted: int) -> int:
    # Rounding as in torchvision: half to even when cutting, the smaller part first when padding (crop_pct above 1).
    return round((available - wanted) / 2.0) if available >= wanted else -((wanted - available) // 2)
