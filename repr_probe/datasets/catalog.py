"""The data sets known by name: splits, sizes, places, home pages. Numbers as published by their authors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repr_probe.datasets.names import nearest
from repr_probe.errors import DatasetError


@dataclass(frozen=True)
class CatalogEntry:
    """What is known about a data set without looking at the disk.

    splits: images per split, None where no number is published.  image_size: height x width, colours.  place: folder below the data root
    (torchvision's own layout, so that a root filled by torchvision works), empty for embedded data.  files: what must lie there to read a
    split (sets of single images: what lists them).
    torchvision_name: the class in `torchvision.datasets` that holds the official address and md5 and does the download; None: not fetched.
    archive_bytes and unpacked_bytes: the download and what it becomes on disk.  terms: licence or conditions of use, as far as stated.
    """

    name: str
    splits: Mapping[str, int | None]
    default_split: str
    n_classes: int
    image_size: str
    place: str
    files: Mapping[str, tuple[str, ...]]
    homepage: str
    terms: str
    torchvision_name: str | None = None
    archive_bytes: int = 0
    unpacked_bytes: int = 0


CATALOG: dict[str, CatalogEntry] = {
    entry.name: entry
    for entry in (
        CatalogEntry(
            name="digits",
            splits={"train": 1347, "test": 450},
            default_split="test",
            n_classes=10,
            image_size="8 x 8 grey",
            place="",
            files={"train": (), "test": ()},
            homepage="https://archive.ics.uci.edu/dataset/80",
            terms="CC BY 4.0; comes with scikit-learn",
        ),
        CatalogEntry(
            name="cifar10",
            splits={"train": 50_000, "test": 10_000},
            default_split="test",
            n_classes=10,
            image_size="32 x 32 RGB",
            place="cifar-10-batches-py",
            files={"train": (*(f"data_batch_{i}" for i in range(1, 6)), "batches.meta"), "test": ("test_batch", "batches.meta")},
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            terms="none stated",
            torchvision_name="CIFAR10",
            archive_bytes=170_498_071,
            unpacked_bytes=186_000_000,
        ),
        CatalogEntry(
            name="cifar100",
            splits={"train": 50_000, "test": 10_000},
            default_split="test",
            n_classes=100,
            image_size="32 x 32 RGB",
            place="cifar-100-python",
            files={"train": ("train", "meta"), "test": ("test", "meta")},
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            terms="none stated",
            torchvision_name="CIFAR100",
            archive_bytes=169_001_437,
            unpacked_bytes=187_000_000,
        ),
        CatalogEntry(
            name="stl10",
            splits={"train": 5_000, "test": 8_000, "unlabeled": 100_000},
            default_split="test",
            n_classes=10,
            image_size="96 x 96 RGB",
            place="stl10_binary",
            files={
                "train": ("train_X.bin", "train_y.bin", "class_names.txt"),
                "test": ("test_X.bin", "test_y.bin", "class_names.txt"),
                "unlabeled": ("unlabeled_X.bin",),
            },
            homepage="https://cs.stanford.edu/~acoates/stl10/",
            terms="images from ImageNet: its terms apply",
            torchvision_name="STL10",
            archive_bytes=2_640_397_119,
            unpacked_bytes=3_130_000_000,
        ),
        CatalogEntry(
            name="food101",
            splits={"train": 75_750, "test": 25_250},
            default_split="test",
            n_classes=101,
            image_size="up to 512 x 512 RGB",
            place="food-101",
            files={"train": ("meta/train.json",), "test": ("meta/test.json",)},
            homepage="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
            terms="scientific fair use; the images belong to their photographers (Foodspotting)",
            torchvision_name="Food101",
            archive_bytes=4_996_278_331,
            unpacked_bytes=5_100_000_000,
        ),
        CatalogEntry(
            name="fashion-mnist",
            splits={"train": 60_000, "test": 10_000},
            default_split="test",
            n_classes=10,
            image_size="28 x 28 grey",
            place="FashionMNIST/raw",
            files={
                "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
                "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
            },
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            terms="MIT",
            torchvision_name="FashionMNIST",
            archive_bytes=30_878_645,
            unpacked_bytes=55_000_000,
        ),
        CatalogEntry(
            name="imagenet",
            splits={"train": 1_281_167, "val": 50_000},
            default_split="val",
            n_classes=1000,
            image_size="any, about 400 x 350 RGB",
            place="imagenet",
            files={"train": (), "val": ()},
            homepage="https://image-net.org/download.php",
            terms="non-commercial research; asks for an account",
        ),
        CatalogEntry(
            name="imagenet100",
            splits={"train": 126_689, "val": 5_000},
            default_split="val",
            n_classes=100,
            image_size="any, about 400 x 350 RGB",
            place="imagenet",
            files={"train": (), "val": ()},
            homepage="https://image-net.org/download.php",
            terms="non-commercial research; asks for an account",
        ),
    )
}


def find_entry(name: str) -> CatalogEntry:
    """The entry of a known data set; an unknown name is a DatasetError with the nearest known names."""
    entry = CATALOG.get(name.lower())
    if entry is None:
        raise DatasetError(f"dataset must be a known name or a folder; got {name!r}; nearest known: {nearest(name, CATALOG)}")
    return entry
