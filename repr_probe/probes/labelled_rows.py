"""Two sets of labelled features with one list of classes: what every probe starts from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features
from repr_probe.metrics.rows import Rows

TOP5_CLASSES = 5
_LOOKED_AT = 64  # rows that stand for all when processes compare what they have read


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """rows: the usable rows of a matrix.  codes: (n,) class of each.  kept: (n,) their row numbers in the matrix as it came."""

    rows: Rows
    codes: np.ndarray
    kept: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def mark(self) -> str:
        """Size and a short hash of classes and of rows from all over, by which processes tell that they have read the same."""
        digest = hashlib.sha256(np.ascontiguousarray(self.codes).tobytes())
        digest.update(np.ascontiguousarray(self.rows.values[self.kept[:: -(-len(self) // _LOOKED_AT)]]).tobytes())
        return f"{len(self)} x {self.rows.n_features} ({digest.hexdigest()[:8]})"


@dataclass(frozen=True, eq=False)
class Split:
    """Training rows, test rows and the classes of both.

    class_names: those of the training rows first, in their own order, then those that only test rows have.
    n_classes: distinct classes among the training rows.  absent: (n_test,) bool, test rows of a class without a training row.
    """

    train: LabelledRows
    test: LabelledRows
    class_names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def n_classes(self) -> int:
        return int(np.unique(self.train.codes).size)

    @property
    def absent(self) -> np.ndarray:
        return ~np.isin(self.test.codes, self.train.codes)

    @property
    def top5_reason(self) -> str | None:
        """Why there is no top-5, or None."""
        if self.n_classes > TOP5_CLASSES:
            return None
        return f"top-5 needs more than {TOP5_CLASSES} classes among the training rows; got {self.n_classes}"


def open_split(train: Any, train_labels: Any, test: Any, test_labels: Any, names: tuple[str, str], *, unit: bool) -> Split:
    """Both sets through the door, unlabelled rows left out and counted; with `unit` also zero rows, which have no direction.

    test None: the training rows are the test rows.  names: what the two arguments are called, for messages.
    Raises InputError for rows that are not finite, of another width, without labels, or without a class in common.
    """
    opened = _open(train, train_labels, names[0])
    notes: list[str] = []
    left = _usable(opened, names[0], notes, unit)
    if test is None:
        if test_labels is not None:
            raise InputError(f"labels of {names[1]} must come with {names[1]}; got labels alone")
        return Split(left, left, opened.class_names, (*opened.notes, *notes))
    other = _open(test, test_labels, names[1])
    if other.n_features != opened.n_features:
        raise InputError(f"{names[1]} must be as wide as {names[0]}; got {other.n_features} features for {opened.n_features}")
    codes, class_names = _one_list(opened, other)
    other = Features(other.values, codes, class_names, notes=other.notes)
    right = _usable(other, names[1], notes, unit)
    split = Split(left, right, class_names, tuple(dict.fromkeys([*opened.notes, *other.notes, *notes])))
    n_absent = int(split.absent.sum())
    if n_absent == len(right):
        shown = [", ".join(repr(name) for name in part.class_names[:3]) for part in (opened, other)]
        raise InputError(f"{names[1]} must share a class with {names[0]}; got none of {shown[0]}")
    if n_absent:
        note = f"{n_absent} of {len(right)} rows of {names[1]} have a class without a row in {names[0]}: misses"
        split = Split(left, right, class_names, (*split.notes, note))
    return split


def _open(features: Any, labels: Any, name: str) -> Features:
    try:
        found = as_features(features, labels)
    except InputError as error:
        raise InputError(str(error).replace("features must", f"{name} must", 1).replace("labels must", f"labels of {name} must", 1)) from None
    if found.labels is None:
        raise InputError(f"{name} must have labels; got none")
    return found


def _one_list(train: Features, test: Features) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes of the test rows in the training rows' list of classes, which grows by the classes that only test rows have."""
    codes = np.asarray(test.labels)
    if train.class_names == test.class_names:
        return codes, train.class_names
    for part in (train, test):
        if len(set(part.class_names)) < len(part.class_names):
            raise InputError("class names must be distinct to be matched; got two classes of one name")
    names = [*train.class_names, *(name for name in test.class_names if name not in set(train.class_names))]
    place = {name: code for code, name in enumerate(names)}
    table = np.array([*(place[name] for name in test.class_names), -1], dtype=np.int64)
    return table[codes], tuple(names)


def _usable(features: Features, name: str, notes: list[str], unit: bool) -> LabelledRows:
    codes = np.asarray(features.labels)
    good = codes >= 0
    if not good.all():
        notes.append(f"{int((~good).sum())} unlabelled rows of {name} are left out")
    lengths = None
    if unit:
        lengths = Rows(features.values).norms()
        if (good & (lengths == 0)).any():
            notes.append(f"{int((good & (lengths == 0)).sum())} zero rows of {name} have no direction and are left out")
        good &= lengths > 0
    kept = np.flatnonzero(good)
    if not len(kept):
        raise InputError(f"{name} must have a labelled row that is not zero; got none of {len(codes)}")
    index = None if len(kept) == len(codes) else kept
    return LabelledRows(Rows(features.values, index, unit=unit, lengths=lengths), codes[kept], kept)


