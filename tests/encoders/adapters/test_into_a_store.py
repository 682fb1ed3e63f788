"""Adapters in front of the real extraction: the stored features are those of the function, and each function has a store of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from repr_probe.datasets.open import open_dataset
from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.extraction import extract_features


def folder_of_images(path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (path / name).mkdir(parents=True)
        for number in range(5):
            Image.fromarray(generator.integers(0, 255, (20, 18, 3), dtype=np.uint8)).save(path / name / f"{number}.png")
    return path


def extracted(encoder: Any, folder: Path) -> Any:
    images = open_dataset(folder, encoder.input)
    return images, extract_features(encoder, images, batch_size=4, workers=0, device="cpu")[0]


def test_a_function(tmp_path: Path) -> None:
    folder = folder_of_images(tmp_path / "images")
    encoder = as_encoder(lambda given: given.reshape(len(given), -1)[:, :9] / 3.0, image_size=8, layout="NHWC", range="uint8")
    images, store = extracted(encoder, folder)
    expected = torch.stack([images[row] for row in range(10)]).mul(255).round().permute(0, 2, 3, 1).flatten(1)[:, :9] / 3
    np.testing.assert_allclose(store.features().values, expected.numpy(), rtol=1e-6)
    assert store.features().n_classes == 2
    again = as_encoder(lambda other: other.reshape(len(other), -1)[:, :9] / 3.0, image_size=8, layout="NHWC", range="uint8")
    assert extracted(again, folder)[1].path == store.path
    changed = as_encoder(lambda given: given.reshape(len(given), -1)[:, :9] / 4.0, image_size=8, layout="NHWC", range="uint8")
    assert extracted(changed, folder)[1].path != store.path


def test_a_module(tmp_path: Path, small_net: Any) -> None:
    small_net.train()
    images, store = extracted(as_encoder(small_net, image_size=16), folder_of_images(tmp_path / "images"))
    assert small_net.training
    with torch.no_grad():
        expected = small_net.eval()(torch.stack([images[row] for row in range(10)]))
    np.testing.assert_allclose(store.features().values, expected.numpy(), rtol=1e-5, atol=1e-7)
