"""CIFAR-10 and CIFAR-100 in their official Python layout (cifar-10-batches-py, cifar-100-python).

The official files are pickles. What lies on a disk is not trusted here, so they are not given to `pickle.load` (as torchvision does after
an md5 check of every file, on each opening): a reduced unpickler knows plain containers, numbers and text, and turns numpy's arrays into
an inert record of shape, type and bytes. Nothing a file names is ever imported or called.
"""

from __future__ import annotations

import io
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.datasets.catalog import CatalogEntry
from repr_probe.datasets.image_sources import PackedSource
from repr_probe.datasets.places import find_folder
from repr_probe.datasets.split_contents import SplitContents, packed_ids, stamp_of
from repr_probe.errors import DatasetError

_LABEL_KEYS = {"cifar10": ("labels", "label_names"), "cifar100": ("fine_labels", "fine_label_names")}
_IMAGE_BYTES = 3 * 32 * 32


def read_cifar(entry: CatalogEntry, split: str, root: Path) -> SplitContents:
    """One split of CIFAR-10 or, with its 100 fine classes, CIFAR-100."""
    label_key, names_key = _LABEL_KEYS[entry.name]
    folder = find_folder(entry, split, root)
    *batches, meta = entry.files[split]
    class_names = _class_names(folder / meta, names_key)
    paths = tuple(str(folder / name) for name in batches)
    contents = [read_pickle(path) for path in paths]
    labels = np.concatenate([_labels(path, batch, label_key, len(class_names)) for path, batch in zip(paths, contents)])
    pixels = np.concatenate([_pixels(path, batch) for path, batch in zip(paths, contents)])
    if len(labels) != len(pixels):
        raise DatasetError(f"{entry.name} must have one label per image; got {len(labels)} labels for {len(pixels)} images in {folder}")
    return SplitContents(
        split=split,
        source=PackedSource(partial(_load, paths), len(pixels), pixels),
        ids=packed_ids(split, len(pixels)),
        labels=labels,
        class_names=class_names,
        folder=str(folder),
        stamps=tuple(stamp_of(folder, name) for name in entry.files[split]),
    )


def read_pickle(path: str | Path) -> dict[str, Any]:
    """The dict in a CIFAR file, arrays as uint8 numpy arrays; a DatasetError for anything that is not of that kind."""
    try:
        content = _PlainUnpickler(io.BytesIO(Path(path).read_bytes()), encoding="latin1").load()
    except OSError as error:
        raise DatasetError(f"CIFAR file must be readable; got {path} ({error.strerror})") from error
    except Exception as error:  # damaged bytes make an unpickler raise nearly anything
        raise DatasetError(f"CIFAR file must be one of the official ones; got {path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"CIFAR file must hold a dict; got {type(content).__name__} in {path}")
    return {str(key): value.array() if isinstance(value, _Array) else value for key, value in content.items()}


class _Array:
    """What numpy's pickles say about an array, kept as plain data."""

    def __init__(self, *ignored: Any) -> None:
        self.state: tuple = ()

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        _, shape, dtype, in_columns, data = self.state
        if not isinstance(dtype, _Type) or dtype.code not in ("u1", "|u1") or in_columns:
            raise DatasetError("CIFAR images must be a row-major array of bytes; got another kind of array")
        raw = data.encode("latin1") if isinstance(data, str) else data
        return np.frombuffer(raw, dtype=np.uint8).reshape(shape)


class _Type:
    """What numpy's pickles say about a dtype."""

    def __init__(self, code: str = "", *ignored: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        pass


class _Bytes:
    """`_codecs.encode(text, "latin1")`, the way Python 3 writes bytes into pickles of the old kind."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:  # with it, a file cannot set attributes of this class
        pass


class _PlainUnpickler(pickle.Unpickler):
    _KNOWN = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
        ("_codecs", "encode"): _Bytes,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._KNOWN[module, name]
        except KeyError:
            raise DatasetError(f"it asks for {module}.{name}, which no official file does") from None


def _class_names(path: Path, key: str) -> tuple[str, ...]:
    names = read_pickle(path).get(key)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"CIFAR file must list the class names under {key!r}; got {path}")
    return tuple(names)


def _labels(path: str, batch: dict[str, Any], key: str, n_classes: int) -> np.ndarray:
    labels = batch.get(key)
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < n_classes for label in labels):
        raise DatasetError(f"CIFAR file must list labels 0 to {n_classes - 1} under {key!r}; got {path}")
    return np.array(labels, dtype=np.int64)


def _pixels(path: str, batch: dict[str, Any]) -> np.ndarray:
    data = batch.get("data")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != _IMAGE_BYTES:
        raise DatasetError(f"CIFAR file must hold images of {_IMAGE_BYTES} bytes under 'data'; got {path}")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (n, 32, 32, 3)


def _load(paths: tuple[str, ...]) -> np.ndarray:
    return np.concatenate([_pixels(path, read_pickle(path)) for path in paths])
