"""Augmented views of an image, one at a time: the global views of DINO's recipe (views/recipe.py), at the encoder's input size.

Blur and solarising alternate as DINO's two global views do: even views are always blurred and never solarised, odd views seldom and
sometimes. DINO's small local crops are left out: every view has the encoder's own input size. Last comes the encoder's normalisation.
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
from repr_probe.views.recipe import ASPECT_RATIO, GLOBAL_AREA, SOLARISE_THRESHOLD, ViewRecipe, dino_views

_GLOBAL_VIEWS = dino_views(n_local=0).views


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

        recipe = _GLOBAL_VIEWS[view % len(_GLOBAL_VIEWS)]
        generator = np.random.default_rng((self.seed, row, view))
        image = convert(image, self.input.channels)
        top, left, crop_height, crop_width = draw_crop(image.height, image.width, generator)
        image = functional.resized_crop(
            image, top, left, crop_height, crop_width, list(self.input.size), functional.InterpolationMode.BICUBIC, antialias=True
        )
        if generator.random() < recipe.flip:
            image = functional.horizontal_flip(image)
        if generator.random() < recipe.jitter_p:
            image = _jitter(image, recipe, generator)
        if generator.random() < recipe.grey:
            image = functional.rgb_to_grayscale(image, num_output_channels=self.input.channels)
        if generator.random() < recipe.blur_p:
            image = image.filter(ImageFilter.GaussianBlur(radius=generator.uniform(*recipe.blur_sigma)))
        if generator.random() < recipe.solarise_p:
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
        area = height * width * generator.uniform(*GLOBAL_AREA)
        ratio = math.exp(generator.uniform(math.log(ASPECT_RATIO[0]), math.log(ASPECT_RATIO[1])))
        crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            top = int(generator.integers(height - crop_height + 1))
            left = int(generator.integers(width - crop_width + 1))
            return top, left, crop_height, crop_width
    crop_width = min(width, max(1, round(height * ASPECT_RATIO[1])))
    crop_height = min(height, max(1, round(width / ASPECT_RATIO[0])))
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def _jitter(image: Image.Image, recipe: ViewRecipe, generator: np.random.Generator) -> Image.Image:
    """Colour jitter; saturation and hue leave a grey image as it is."""
    from torchvision.transforms.v2 import functional

    widths = (recipe.brightness, recipe.contrast, recipe.saturation)
    factors = [generator.uniform(1 - width, 1 + width) for width in widths] + [generator.uniform(-recipe.hue, recipe.hue)]
    changes = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue)
    for number in generator.permutation(4):
        image = changes[number](image, factors[number])
    return image
