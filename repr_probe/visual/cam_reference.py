"""The mean and the class centroids of stored features: what the centred, centroid and similar-to targets compare with."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.encoders.adapters.protocol import ImageEncoder
from repr_probe.encoders.encoder import POOLED
from repr_probe.errors import InputError, UsageError
from repr_probe.features.door import as_features
from repr_probe.files.printable import printable

ROWS = 8192  # read at a time


@dataclass(frozen=True, eq=False)
class Reference:
    """mean (n_features,), centroids (n_classes, n_features) float64 with NaN for classes without rows, class_names; source: for the record."""

    mean: np.ndarray
    centroids: np.ndarray
    class_names: tuple[str, ...]
    source: str

    def centroid(self, name: str) -> np.ndarray:
        """The centroid of a class by its name, or by its number where no class is called so."""
        if not self.class_names:
            raise UsageError(f"reference must have labels for a centroid target; got none in {self.source}")
        number = self.class_names.index(name) if name in self.class_names else int(name) if name.isdecimal() else -1
        if not 0 <= number < len(self.class_names):
            near = difflib.get_close_matches(name, self.class_names, n=3, cutoff=0.4)
            told = f"nearest: {', '.join(near)}" if near else f"there are {len(self.class_names)}: {', '.join(self.class_names[:5])}, ..."
            raise UsageError(f"centroid must be a class of the reference; got {printable(name)!r}; {told}")
        if not np.isfinite(self.centroids[number]).all():
            raise InputError(f"centroid must be of a class with images; the reference has none of {self.class_names[number]!r}")
        return np.asarray(self.centroids[number])


def read_reference(source: str | Path, encoder: ImageEncoder) -> Reference:
    """One pass over stored features (a feature store, or a file of features) of this very encoder's embeddings.

    Raises UsageError for a store of another checkpoint or of another layer: its mean would be a point of another space.
    """
    features = as_features(Path(source).expanduser())
    _check_origin(features.provenance, encoder, source)
    names, labels = features.class_names, features.labels
    sums, counts = np.zeros((len(names), features.n_features)), np.zeros(len(names), np.int64)
    total = np.zeros(features.n_features)
    for start in range(0, features.n_samples, ROWS):
        rows = np.asarray(features.values[start : start + ROWS], np.float64)
        total += rows.sum(0)
        if labels is not None:
            codes = labels[start : start + ROWS]
            for code in np.unique(codes[codes >= 0]):
                chosen = codes == code
                sums[code] += rows[chosen].sum(0)
                counts[code] += chosen.sum()
    centroids = np.divide(sums, counts[:, None], out=np.full_like(sums, np.nan), where=counts[:, None] > 0)
    return Reference(total / features.n_samples, centroids, names if labels is not None else (), str(source))


def _check_origin(provenance: Mapping[str, Any], encoder: ImageEncoder, source: str | Path) -> None:
    """What a store says of itself; plain files of features say nothing, and only their width can be compared."""
    layer = provenance.get("layer", POOLED)
    if layer != POOLED:
        raise UsageError(f"reference must hold the encoder's pooled output; got layer {layer!r} in {source}")
    if "identity" in provenance and _plain(provenance["identity"]) != _plain(dict(encoder.identity)):
        other = provenance.get("encoder") or provenance.get("architecture") or "another checkpoint"
        raise UsageError(f"reference must be features of {encoder.name}; got those of {other} in {source}; extract them from this checkpoint")


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
