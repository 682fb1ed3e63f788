"""The rows of a checkpoint's classifier as class prototypes: one weight vector a class, and the names of the classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.classes.synset_table import curated
from repr_probe.classes.wnids import class_names_of, imagenet100_wnids, imagenet_names
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.files.printable import listed, printable

# Where classifiers stand, whatever the family: fc, _fc (EfficientNet), head.fc (timm), heads.head (torchvision), classifier.1, module.linear.
_CLASSIFIER = re.compile(r"(^|\.)(_?fc|heads?|heads?\.(fc|head|l)|classifier(\.(\d+|fc))?|last_linear|linear|logits)\.(weight|kernel)$")
_IMAGENET = 1000


@dataclass(frozen=True, eq=False)
class ClassifierRows:
    """rows (n_classes, n_features) float32, one a class; names, and wnids where the classes are ImageNet's; tensor: its name in the file.

    dataset: what the classes are; "" with no names where nobody said.
    """

    rows: np.ndarray
    names: tuple[str, ...]
    wnids: tuple[str, ...] | None
    tensor: str
    dataset: str
    notes: tuple[str, ...]


def read_classifier_rows(checkpoint: str | Path, *, dataset: str | None = None, key: str | None = None) -> ClassifierRows:
    """The weight matrix of the classifier in a checkpoint file or folder; nothing in it is run and no network is built.

    dataset: what the classes are; None: ImageNet, for 1,000 rows in the order of wnids (1,001: the first is the background and is dropped).
    key: path of the weights inside the file, as --key.
    Raises CheckpointError for a file without a classifier (E_CLASSIFIER) or with several that differ (E_AMBIGUOUS), UsageError for what is no
    file and for classes whose names are not known.
    """
    name, matrix, path = _found(checkpoint, dataset, key)
    return _named(name, matrix, dataset, path)


def read_classifier(checkpoint: str | Path, *, key: str | None = None) -> ClassifierRows:
    """As `read_classifier_rows`, of any data set: without names where there are neither 1,000 rows nor 1,001, which are ImageNet's."""
    name, matrix, path = _found(checkpoint, None, key)
    if len(matrix) in (_IMAGENET, _IMAGENET + 1):
        return _named(name, matrix, None, path)
    return ClassifierRows(matrix, (), None, name, "", ())


def _found(checkpoint: str | Path, dataset: str | None, key: str | None) -> tuple[str, np.ndarray, Path]:
    """(name of the tensor, the matrix, the file)."""
    path = Path(checkpoint)
    if not path.exists():
        raise UsageError(f"--source classifier must have a file or folder of weights; got {str(checkpoint)!r}, which is not there")
    from repr_probe.encoders.checkpoint_file import read_checkpoint

    file = read_checkpoint(path)
    return *_one_matrix(_matrices(file.content, key, dense=file.layout == "HWIO"), path, dataset), path


def _matrices(content: Any, key: str | None, *, dense: bool) -> dict[str, np.ndarray]:
    """Full name -> (n_classes, n_features) of every tensor that stands where classifiers do."""
    from repr_probe.encoders.containers import find_containers

    found: dict[str, np.ndarray] = {}
    for container in find_containers(content):
        if key is not None and container.path != key:
            continue
        for name, tensor in container.tensors.items():
            one_by_one = tensor.ndim >= 2 and tensor.numel() == tensor.shape[0] * tensor.shape[1] > 0  # a matrix, or convolution of one pixel
            if _CLASSIFIER.search(name) and one_by_one and tensor.is_floating_point():
                matrix = tensor.detach().float().cpu().numpy().reshape(tensor.shape[0], -1)
                full = f"{container.path}.{name}" if container.path else name
                found[full] = np.ascontiguousarray(matrix.T) if dense else matrix
    return found


def _one_matrix(found: Mapping[str, np.ndarray], path: Path, dataset: str | None) -> tuple[str, np.ndarray]:
    """Heads of a transformer's layers are no classifiers: of several matrices those with as many rows as the data set has classes count."""
    expected = len(_classes_of(dataset)[0]) if dataset is not None else 0
    fitting = {name: matrix for name, matrix in found.items() if len(matrix) in ({expected} if expected else {_IMAGENET, _IMAGENET + 1})}
    fitting = fitting or dict(found)
    if not fitting:
        raise CheckpointError(
            f"--source classifier must have a classifier (fc, head, classifier ... .weight); got none in {path.name}; use --source centroids",
            code="E_CLASSIFIER",
        )
    (name, matrix), *others = fitting.items()
    if any(other.shape != matrix.shape or not np.array_equal(other, matrix) for _, other in others):
        raise CheckpointError(f"checkpoint must have one classifier; got {listed(fitting)} in {path.name}; choose with --key", code="E_AMBIGUOUS")
    return name, matrix


def _named(tensor: str, matrix: np.ndarray, dataset: str | None, path: Path) -> ClassifierRows:
    notes: list[str] = [f"prototypes are the {len(matrix):,} rows of {printable(tensor)}; biases play no part"]
    if dataset is None and len(matrix) in (_IMAGENET, _IMAGENET + 1):
        dataset = "imagenet"
        notes.append(f"classes: ImageNet's in the order of wnids, since there are {len(matrix):,}")
    if dataset == "imagenet" and len(matrix) == _IMAGENET + 1:
        matrix = matrix[1:]
        notes.append("the first of 1,001 rows is the background class: dropped")
    if dataset is None:
        raise UsageError(f"--dataset must say what the {len(matrix):,} classes of {path.name} are; got none (only 1,000 are taken for ImageNet's)")
    names, wnids = _classes_of(dataset)
    if not names:
        raise UsageError(f"--dataset must be one whose class order is known ({', '.join(known_orders())}); got {dataset!r}")
    if len(names) != len(matrix):
        raise UsageError(f"--dataset must have the {len(matrix):,} classes of the classifier in {path.name}; got {dataset!r} with {len(names):,}")
    return ClassifierRows(matrix, names, wnids, tensor, dataset, tuple(notes))


def known_orders() -> tuple[str, ...]:
    """Data sets whose classes have a fixed order that classifiers follow."""
    from repr_probe.classes.synset_table import curated_datasets

    return ("imagenet", "imagenet100", *curated_datasets())


def _classes_of(dataset: str | None) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Class names and wnids of a data set in class order; () for one that is not known here."""
    wnids: Sequence[str] = ()
    if dataset == "imagenet":
        wnids = tuple(imagenet_names())
    elif dataset == "imagenet100":
        wnids = imagenet100_wnids()
    if wnids:
        return class_names_of(wnids), tuple(wnids)
    return tuple(curated(dataset or "")), None
