"""One confusion matrix for a whole data set of masks: the only thing from which a mean IoU may be computed."""

from __future__ import annotations

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure


class Confusion:
    """Counts of (true class, predicted class) over all pixels; void pixels are not counted at all.

    Averages over images or over batches are other numbers (0.67 and 0.43 where this one gives 0.44), and so is a void counted as
    background: here every pixel of the data set has one vote, and a class that is in no mask and no prediction is left out of means.
    counts: (n_classes, n_classes) int64, true classes in rows.

    >>> confusion = Confusion(2, ignore_index=255)
    >>> confusion.update(np.array([[0, 1, 1]]), np.array([[0, 0, 255]]))
    >>> confusion.counts.tolist(), confusion.pixel_accuracy()
    ([[1, 1], [0, 0]], 0.5)
    """

    def __init__(self, n_classes: int, *, ignore_index: int | None = 255) -> None:
        if n_classes < 1:
            raise InputError(f"n_classes must be 1 or more; got {n_classes}")
        self.n_classes = n_classes
        self.ignore_index = ignore_index
        self.counts = np.zeros((n_classes, n_classes), np.int64)

    def update(self, predicted: np.ndarray, masks: np.ndarray) -> None:
        """Count the pixels of integer arrays of one shape; raises InputError for other shapes and for ids that are no class."""
        predicted, masks = np.asarray(predicted), np.asarray(masks)
        if predicted.shape != masks.shape:
            raise InputError(f"predictions must have the shape of the masks {masks.shape}; got {predicted.shape}")
        valid = np.ones(masks.shape, bool) if self.ignore_index is None else masks != self.ignore_index
        truth, guess = masks[valid].astype(np.int64), predicted[valid].astype(np.int64)
        for name, ids in (("masks", truth), ("predictions", guess)):
            if ids.size and (ids.min() < 0 or ids.max() >= self.n_classes):
                wrong = ids[(ids < 0) | (ids >= self.n_classes)][0]
                raise InputError(f"{name} must hold class ids 0 to {self.n_classes - 1} (void {self.ignore_index}); got {wrong}")
        pairs = np.bincount(truth * self.n_classes + guess, minlength=self.n_classes**2)
        self.counts += pairs.reshape(self.n_classes, self.n_classes)

    def merge(self, other: Confusion) -> None:
        """Add the counts of other images."""
        if (other.n_classes, other.ignore_index) != (self.n_classes, self.ignore_index):
            raise InputError("confusions must have the same classes and void; got different ones")
        self.counts += other.counts

    def iou(self) -> np.ndarray:
        """(n_classes,) intersection over union in [0, 1]; NaN for a class that is in no mask and no prediction."""
        hits = np.diag(self.counts)
        return _ratio(hits, self.counts.sum(0) + self.counts.sum(1) - hits)

    def class_accuracy(self) -> np.ndarray:
        """(n_classes,) share of each class's own pixels that were found (recall); NaN for a class in no mask."""
        return _ratio(np.diag(self.counts), self.counts.sum(1))

    def mean_iou(self) -> float:
        """Mean of `iou` over the classes present in a mask or a prediction."""
        return self._mean(self.iou())

    def mean_class_accuracy(self) -> float:
        """Mean of `class_accuracy` over the classes present in a mask."""
        return self._mean(self.class_accuracy())

    def pixel_accuracy(self) -> float:
        """Share of pixels that are right. Says little where one class covers most: read it beside the majority class's line."""
        self._mean(self.class_accuracy())
        return float(np.trace(self.counts) / self.counts.sum())

    def _mean(self, values: np.ndarray) -> float:
        if not self.counts.any():
            raise UndefinedMeasure("masks must have a pixel that is not void; got none")
        return float(np.nanmean(values))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
