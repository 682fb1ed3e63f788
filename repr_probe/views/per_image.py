"""Augmented views of an image: the global-view recipe of DINO (Caron et al. 2021, arXiv 2104.14294, appendix), at the encoder's input size.

For every view: a crop of 0.4 to 1 of the area with aspect ratio 3/4 to 4/3, resized bicubically; mirrored with probability 0.5; with
probability 0.8 brightness, contrast (each x 0.6-1.4), saturation (x 0.8-1.2) and hue (+-0.1 of the circle) changed in random order; grey
with probability 0.2; Gaussian blur with sigma 0.1 to 2 pixels; solarised above 128. Blur and solarising alternate as DINO's two global
views do: even views are always blurred and never solarised, odd views are blurred with probability 0.1 and solarised with 0.2.
DINO's small local crops are left out: every view has the encoder's own input size. Last comes the encoder's normalisation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter

from repr_probe.datasets.transform import build_transform, convert, normalise
from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec

AREA = (0.4, 1.0)
ASPECT_RATIO = (3 / 4, 4 / 3)
MIRROR_PROBABILITY = 0.5
JITTER_PROBABILITY = 0.8
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.4, 0.4, 0.2, 0.1
GREY_PROBABILITY = 0.2
BLUR_PROBABILITY = (1.0, 0.1)  # even views, odd views
BLUR_SIGMA = (0.1, 2.0)
SOLARISE_PROBABILITY = (0.0, 0.2)
SOLARISE_THRESHOLD = 128


@dataclass(frozen=True)
class ViewTransform:
    """Called with a PIL image, the row of the image and the number of the view: float32 (channels, height, width), normalised.

    The randomness is a function of (seed, row, view) alone: no global generator is read or moved, and a view is the same whatever the batch
    size, the number of workers or the order in which rows are asked for.
    """

    input: InputSpec
    seed: int

    def __call__(self, image: Image.Image, row: int, view: int) -> torch.Tensor:
        from torchvision.transforms.v2 import functional

        generator = np.random.default_rng((self.seed, row, view))
        image = convert(image, self.input.channels)
        top, left, crop_height, crop_width = draw_crop(image.height, image.width, generator)
        image = functional.resized_crop(
            image, top, left, crop_height, crop_width, list(self.input.size), functional.InterpolationMode.BICUBIC, antialias=True
        )
        if generator.random() < MIRROR_PROBABILITY:
            image = functional.horizontal_flip(image)
        if generator.random() < JITTER_PROBABILITY:
            image = _jitter(image, generator)
        if generator.random() < GREY_PROBABILITY:
            image = functional.rgb_to_grayscale(image, num_output_channels=self.input.channels)
        if generator.random() < BLUR_PROBABILITY[view % 2]:
            image = image.filter(ImageFilter.GaussianBlur(radius=generator.uniform(*BLUR_SIGMA)))
        if generator.random() < SOLARISE_PROBABILITY[view % 2]:
            image = functional.solarize(image, SOLARISE_THRESHOLD)
        return normalise(image, self.input)


def make_view_transform(input: InputSpec, *, seed: int) -> ViewTransform:
    """The view transform for an encoder's input specification. Raises UsageError for a negative seed or an impossible specification."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise UsageError(f"seed must be a non-negative integer; got {seed!r}")
    build_transform(input)  # raises for a specification nothing can obey
    return ViewTransform(input, int(seed))


def draw_crop(height: int, width: int, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a random crop: area and log aspect ratio uniform, ten tries, else the largest allowed centre crop.

    The rule of torchvision's RandomResizedCrop, with a generator of our own.
    """
    for _ in range(10):
        area = height * width * generator.uniform(*AREA)
        ratio = math.exp(generator.uniform(math.log(ASPECT_RATIO[0]), math.log(ASPECT_RATIO[1])))
        crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            top = int(generator.integers(height - crop_height + 1))
            left = int(generator.integers(width - crop_width + 1))
            return top, left, crop_height, crop_width
    crop_width = min(width, max(1, round(height * ASPECT_RATIO[1])))
    crop_height = min(height, max(1, round(width / ASPECT_RATIO[0])))
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def _jitter(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Colour jitter; saturation and hue leave a grey image as it is."""
    from torchvision.transforms.v2 import functional

    factors = [generator.uniform(1 - width, 1 + width) for width in (BRIGHTNESS, CONTRAST, SATURATION)] + [generator.uniform(-HUE, HUE)]
    changes = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue)
    for number in generator.permutation(4):
        image = changes[number](image, factors[number])
    return image
