"""Little data sets: a packed one of one size, a folder of pictures of many sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.datasets.image_sources import PackedSource
from repr_probe.datasets.open import open_dataset
from repr_probe.datasets.transform import build_transform
from repr_probe.preprocessing import InputSpec

RGB = InputSpec((16, 16), (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


def packed_set(n: int = 23, channels: int = 3) -> ImageDataset:
    shape = (n, 14, 14, 3) if channels == 3 else (n, 14, 14)
    pixels = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    spec = RGB if channels == 3 else InputSpec((16, 16), (0.5,), (0.25,))
    labels, ids = np.arange(n) % 4, tuple(f"train/{row:05d}" for row in range(n))
    return ImageDataset(
        "packed", "train", spec, labels, tuple("abcd"), ids, "0" * 64, PackedSource(lambda: pixels, n, pixels), build_transform(spec)
    )


@pytest.fixture
def packed() -> ImageDataset:
    return packed_set()


@pytest.fixture
def grey() -> ImageDataset:
    return packed_set(channels=1)


@pytest.fixture
def unlabelled(packed: ImageDataset) -> ImageDataset:
    return replace(packed, labels=None, class_names=())


@pytest.fixture
def photographs(tmp_path: Path) -> ImageDataset:
    """Ten JPEGs of two classes; widths 30, 34, 38 ..., one of them grey."""
    generator = np.random.default_rng(0)
    for number in range(10):
        path = tmp_path / "photographs" / f"class{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(generator.integers(256, size=(24, 30 + 4 * number, 3), dtype=np.uint8))
        (image.convert("L") if number == 3 else image).save(path)
    return open_dataset(tmp_path / "photographs", RGB)
