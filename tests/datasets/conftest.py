"""Tiny data sets in their official raw layouts, written from a seed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repr_probe.preprocessing import InputSpec


@pytest.fixture
def rgb() -> InputSpec:
    return InputSpec(size=(16, 16), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


@pytest.fixture
def image_tree(tmp_path: Path) -> Callable[..., Path]:
    """image_tree("a/1.png", "b/2.JPG") writes these images (each of its own colour) and gives the folder they are in."""

    def write(*paths: str, root: Path = tmp_path / "tree") -> Path:
        for number, name in enumerate(paths):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (6, 5), (number % 256, 40, 200)).save(path, format="PNG")
        return root

    return write


@pytest.fixture
def cifar_root(tmp_path: Path) -> Callable[[str, int], Path]:
    """A data root with a CIFAR set of `count` images per file, and the pixels and labels beside it in truth.npz."""

    def write(name: str, count: int) -> Path:
        generator = np.random.default_rng(0)
        hundred = name == "cifar100"
        folder = tmp_path / ("cifar-100-python" if hundred else "cifar-10-batches-py")
        folder.mkdir()
        n_classes = 100 if hundred else 10
        files = ("train", "test") if hundred else (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
        for file in files:
            labels = [int(label) for label in generator.integers(n_classes, size=count)]
            batch = {"data": generator.integers(256, size=(count, 3072), dtype=np.uint8), "filenames": [f"{i}.png" for i in range(count)]}
            batch["fine_labels" if hundred else "labels"] = labels
            (folder / file).write_bytes(pickle.dumps(batch, protocol=2))  # the protocol of the official files
        names = {"fine_label_names" if hundred else "label_names": [f"class_{i}" for i in range(n_classes)]}
        (folder / ("meta" if hundred else "batches.meta")).write_bytes(pickle.dumps(names, protocol=2))
        return tmp_path

    return write


@pytest.fixture
def stl10_root(tmp_path: Path) -> Path:
    generator = np.random.default_rng(1)
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for split, count in (("train", 3), ("test", 4), ("unlabeled", 5)):
        (folder / f"{split}_X.bin").write_bytes(generator.integers(256, size=(count, 3, 96, 96), dtype=np.uint8).tobytes())
        if split != "unlabeled":
            (folder / f"{split}_y.bin").write_bytes(bytes(range(1, count + 1)))
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n")
    (folder / "fold_indices.txt").write_text("0 1 2\n")
    return tmp_path


@pytest.fixture
def fashion_root(tmp_path: Path) -> Path:
    generator = np.random.default_rng(2)
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for split, count in (("train", 6), ("t10k", 4)):
        header = bytes((0, 0, 8, 3)) + np.array([count, 28, 28], dtype=">u4").tobytes()
        (folder / f"{split}-images-idx3-ubyte").write_bytes(header + generator.integers(256, size=count * 784, dtype=np.uint8).tobytes())
        header = bytes((0, 0, 8, 1)) + np.array([count], dtype=">u4").tobytes()
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(header + generator.integers(10, size=count, dtype=np.uint8).tobytes())
    return tmp_path


@pytest.fixture
def food_root(tmp_path: Path) -> Path:
    folder = tmp_path / "food-101"
    listed: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    for number, (class_name, split) in enumerate((c, s) for c in ("waffles", "apple_pie") for s in ("train", "test", "test")):
        name = f"{class_name}/{100 + number}"
        listed[split].setdefault(class_name, []).append(name)
        path = folder / "images" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 12), (number * 20, 10, 90)).save(path)
    (folder / "meta").mkdir()
    for split, content in listed.items():
        (folder / "meta" / f"{split}.json").write_text(json.dumps(content))
    return tmp_path
