from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from torchvision.models import ResNet50_Weights

from repr_probe.datasets.transform import build_transform
from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photo(width, height, mode="RGB", seed=0):
    """Smooth random colours with noise: resizing and rounding both matter."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(256, size=(5, 7, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(coarse).astype(int) + generator.integers(-20, 21, size=(height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest", "lanczos", "box"])
@pytest.mark.parametrize(
    ("size", "crop_pct"),
    [((224, 224), 0.875), ((224, 224), 0.95), ((32, 32), 1.0), ((96, 160), 0.9), ((160, 96), 1.0), ((97, 97), 0.8), ((64, 64), 1.3)],
)
@pytest.mark.parametrize("shape", [(301, 200), (200, 301), (128, 128), (31, 500)])
def test_equals_timm_bit_for_bit(interpolation, size, crop_pct, shape):
    ours = build_transform(InputSpec(size, MEAN, STD, interpolation, crop_pct))
    theirs = create_transform((3, *size), is_training=False, interpolation=interpolation, mean=MEAN, std=STD, crop_pct=crop_pct)
    image = photo(*shape)
    assert torch.equal(ours(image), theirs(image))


@pytest.mark.parametrize("shape", [(500, 375), (375, 500), (256, 256), (1000, 130)])
def test_equals_torchvisions_resnet50_preset(shape):
    ours = build_transform(InputSpec((224, 224), MEAN, STD, "bilinear", 224 / 256))
    image = photo(*shape)
    assert torch.equal(ours(image), ResNet50_Weights.IMAGENET1K_V1.transforms()(image))


def test_value_by_hand():
    values = build_transform(InputSpec((4, 4), (0.5, 0.0, 1.0), (0.5, 1.0, 2.0)))(Image.new("RGB", (9, 4), (255, 51, 0)))
    assert values.shape == (3, 4, 4)
    assert values.dtype == torch.float32
    assert values.is_contiguous()
    assert [round(float(channel.unique()), 6) for channel in values] == [1.0, 0.2, -0.5]


def test_unresized_image_keeps_its_pixels():
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    values = build_transform(InputSpec((8, 8), (0.0,), (1.0,)))(Image.fromarray(pixels))
    assert np.array_equal((values[0] * 255).round().numpy(), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_mode(mode, channels):
    image = photo(20, 30, mode)
    values = build_transform(InputSpec((16, 16), (0.5,) * channels, (0.5,) * channels))(image)
    assert values.shape == (channels, 16, 16)
    reference = build_transform(InputSpec((16, 16), (0.5,) * channels, (0.5,) * channels))(image.convert("RGB" if channels == 3 else "L"))
    assert torch.equal(values, reference)


def test_palette_with_transparency_is_read_without_a_warning():
    image = photo(20, 30).quantize(8)
    image.info["transparency"] = b"\x00\xff"
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        values = build_transform(InputSpec((16, 16), (0.0,) * 3, (1.0,) * 3))(image)
        image.info.pop("transparency")
    assert not seen
    assert torch.equal(values, build_transform(InputSpec((16, 16), (0.0,) * 3, (1.0,) * 3))(image))


def test_picklable():
    transform = build_transform(InputSpec((16, 16), (0.0,) * 3, (1.0,) * 3))
    assert torch.equal(pickle.loads(pickle.dumps(transform))(photo(30, 30)), transform(photo(30, 30)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (((8, 8), (0.0, 0.0), (1.0, 1.0)), r"mean must have 1 \(grey\) or 3 \(RGB\) values; got 2"),
        (((8, 8), (0.0,), (1.0,) * 3), "std must have as many values as mean; got 3 for 1"),
        (((8, 8), (0.0,), (1.0,), "cubic"), "interpolation must be one of nearest, bilinear, .*; got 'cubic'"),
        (((0, 8), (0.0,), (1.0,)), r"size must be positive: .*; got \(0, 8\)"),
        (((8, 8), (0.0,), (1.0,), "bilinear", 0.0), r"crop_pct must be between 0.01 and 2; got 0.0"),
    ],
)
def test_impossible_specification(values, message):
    with pytest.raises(UsageError, match=message):
        build_transform(InputSpec(*values))
