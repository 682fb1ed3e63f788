"""digits: scikit-learn's 1,797 handwritten digits, 8 x 8 grey; the data set that is always there.

Values 0..16 become 8-bit pixels as round(value * 255 / 16) (16 -> 255, 8 -> 128), so that a pixel / 255 is value / 16 to within 1/510.
Test are 450 images, train the other 1,347. No random generator takes part, so the split is the same for ever: every class gives its
share of 450 (largest remainders), taken at even distances through its images in stored order.
"""

from __future__ import annotations

import hashlib

import numpy as np

from repr_probe.datasets.image_sources import PackedSource
from repr_probe.datasets.split_contents import SplitContents

N_TEST = 450
CLASS_NAMES = tuple("0123456789")


def read_digits(split: str) -> SplitContents:
    """The images of "train" or "test"; ids keep the row number in scikit-learn's `load_digits`."""
    pixels, labels = _load()
    in_test = rows_for_test(labels)
    rows = np.flatnonzero(in_test if split == "test" else ~in_test)
    digest = hashlib.sha256(pixels[rows].tobytes() + labels[rows].astype("<i8").tobytes()).hexdigest()
    return SplitContents(
        split=split,
        source=PackedSource(_Rows(split), rows.size),
        ids=tuple(f"{split}/{row:05d}" for row in rows),
        labels=labels[rows],
        class_names=CLASS_NAMES,
        constant_fingerprint=digest,
    )


def rows_for_test(labels: np.ndarray) -> np.ndarray:
    """(n,) bool: which rows are test images."""
    counts = np.bincount(labels)
    exact = counts * N_TEST / labels.size
    share = np.floor(exact).astype(int)
    largest = np.argsort(share - exact, kind="stable")[: N_TEST - share.sum()]
    share[largest] += 1
    chosen = np.zeros(labels.size, dtype=bool)
    for label, (count, wanted) in enumerate(zip(counts, share, strict=True)):
        steps = (2 * np.arange(wanted) + 1) * count // (2 * wanted)  # the middles of `wanted` equal stretches, in integers
        chosen[np.flatnonzero(labels == label)[steps]] = True
    return chosen


class _Rows:
    """Loads the pixels of one split; as a class it pickles as a name."""

    def __init__(self, split: str) -> None:
        self.split = split

    def __call__(self) -> np.ndarray:
        pixels, labels = _load()
        in_test = rows_for_test(labels)
        return pixels[in_test if self.split == "test" else ~in_test]


def _load() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.floor(digits.images * 255 / 16 + 0.5).astype(np.uint8), digits.target.astype(np.int64)
