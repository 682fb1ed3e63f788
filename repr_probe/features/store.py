"""FeatureStore: extracted features on disk, one folder a layer, complete or absent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import StoreError
from repr_probe.features.feature_set import Features
from repr_probe.features.store_key import SCHEMA
from repr_probe.features.watched import watched

KIND = "repr_probe feature store"


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """A finished extraction: `features.npy` (n_samples, n_features) of the plain images, `ids.json`, `labels.npy` unless the images are
    unlabelled, `views.npy` (n_samples, n_views, n_features) when augmented views were asked for, and `meta.json`, written last.

    The arrays are plain .npy files: `np.load(path / "features.npy", mmap_mode="r")` reads them without this package.
    Made by extraction or by `FeatureStore.open(path)`.
    """

    path: Path
    meta: Mapping[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> FeatureStore:
        """The store in the folder `path`; StoreError when something is missing, cut, or written by another schema."""
        path = Path(path)
        meta = _read_meta(path)
        for name, facts in meta["files"].items():
            _check_size(path / name, facts["bytes"])
        return cls(path, meta)

    @property
    def key(self) -> str:
        """SHA-256 of everything that made the numbers; the folder's name at home."""
        return str(self.meta["key"])

    @property
    def layer(self) -> str:
        return str(self.meta["layer"])

    @property
    def n_samples(self) -> int:
        return int(self.meta["n_samples"])

    @property
    def n_features(self) -> int:
        return int(self.meta["n_features"])

    @property
    def n_views(self) -> int:
        """Augmented views an image; 0 without `views.npy`."""
        return int(self.meta["n_views"])

    def features(self) -> Features:
        """The content as Features; `values` and `views` are memory-mapped and read-only, nothing is copied."""
        shape = (self.n_samples, self.n_features)
        labelled = "labels.npy" in self.meta["files"]
        return Features(
            values=self._array("features.npy", shape, mapped=True),
            labels=self._array("labels.npy", shape[:1], mapped=False) if labelled else None,
            class_names=tuple(self.meta["class_names"]),
            ids=self.ids(),
            views=self._array("views.npy", (shape[0], self.n_views, shape[1]), mapped=True) if self.n_views else None,
            provenance=self.meta["provenance"],
            notes=tuple(self.meta["notes"]),
        )

    def ids(self) -> tuple[str, ...]:
        """One name per row, in the order of the rows."""
        place = self.path / "ids.json"
        try:
            ids = json.loads(place.read_text(encoding="ascii"))
        except (OSError, ValueError) as failure:
            raise StoreError(_damaged(place, "readable JSON", "damaged JSON")) from failure
        if len(ids) != self.n_samples:
            raise StoreError(_damaged(place, f"{self.n_samples} names", f"{len(ids)}"))
        return tuple(ids)

    def _array(self, name: str, shape: tuple[int, ...], *, mapped: bool) -> np.ndarray:
        place = self.path / name
        try:
            array = np.load(place, mmap_mode="r" if mapped else None, allow_pickle=False)
        except (OSError, ValueError) as failure:
            raise StoreError(_damaged(place, "a .npy array", "a damaged file")) from failure
        if array.shape != shape:
            raise StoreError(_damaged(place, f"of shape {shape}", f"{array.shape}"))
        return watched(array)

    def __repr__(self) -> str:
        views = f", {self.n_views} views" if self.n_views else ""
        return f"FeatureStore({self.key[:12]}, {self.layer}: {self.n_samples} x {self.n_features} {self.meta['dtype']}{views})"


def _read_meta(path: Path) -> dict[str, Any]:
    place = path / "meta.json"
    if not path.is_dir():
        raise StoreError(f"store must be a folder; got {path}, which is {'a file' if path.exists() else 'absent'}")
    try:
        meta = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError as failure:
        raise StoreError(f"store must hold meta.json; {path} has none; remove the folder and extract again") from failure
    except OSError as failure:
        raise StoreError(f"{place} must be readable; got {failure.strerror!r}") from failure
    except ValueError as failure:
        raise StoreError(_damaged(place, "readable JSON", "damaged JSON")) from failure
    if not isinstance(meta, dict) or meta.get("kind") != KIND:
        raise StoreError(f"{place} must describe a feature store; got another kind of file")
    if meta.get("schema") != SCHEMA:
        raise StoreError(f"store schema must be {SCHEMA}; {path} has {meta.get('schema')!r}; extract again with this version")
    if not isinstance(meta.get("files"), dict):
        raise StoreError(f"{place} must name its files; got none; remove the store (repro-probe store rm) and extract again")
    return meta


def _check_size(place: Path, expected: int) -> None:
    try:
        size = place.stat().st_size
    except FileNotFoundError as failure:
        raise StoreError(_damaged(place, "present", "no such file")) from failure
    except OSError as failure:
        raise StoreError(f"{place} must be readable; got {failure.strerror!r}") from failure
    if size != expected:
        raise StoreError(_damaged(place, f"{expected} bytes long", f"{size} bytes"))


def _damaged(place: Path, what: str, got: str) -> str:
    return f"{place} must be {what}; got {got}; remove the store (repro-probe store rm) and extract again"
