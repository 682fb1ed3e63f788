"""inspect: what a checkpoint holds, which encoder of it would be used, and what is assumed (the command `repro-probe inspect`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options

if TYPE_CHECKING:
    from repr_probe.encoders.inspection import Inspection

FEATURES = ("npy", "npz", "hdf5", "parquet", "csv", "numbers", "mat", "feature-folder", "store")
EITHER = ("torch-zip", "torch-legacy", "safetensors")


def inspect(checkpoint: str | Path, **encoder: Unpack[EncoderOptions]) -> Inspection:
    """Look into a checkpoint without running anything in it and without copying its weights; or into a file of features.

    checkpoint: a file or a folder of weights or of features, a store, an embedded name, `timm:NAME`, ...; encoder: options of
    `load_encoder`, of which the answer says what they change. What cannot be loaded is no exception here but `Inspection.error` with its
    `code`, beside what was found. UsageError for an option with an impossible value.

    >>> found = inspect("hydes-digits")
    >>> found.ok, found.facts["architecture"]
    (True, 'repr_probe:digits_net')
    """
    from repr_probe.encoders.inspect_file import inspect_checkpoint
    from repr_probe.encoders.inspection import failed

    options = checked_options(encoder)
    if not isinstance(checkpoint, str | Path):
        raise UsageError(f"checkpoint must be a path or a name; got a {type(checkpoint).__name__}; save it first, or use as_encoder")
    try:
        kind = _kind(Path(checkpoint))
        if kind in FEATURES:
            return _features(checkpoint, kind)
        found = inspect_checkpoint(checkpoint, options)
    except UsageError:
        raise
    except ReprProbeError as failure:
        return failed(str(checkpoint), {}, failure)
    if found.ok or kind not in EITHER or found.code not in ("E_NO_ENCODER", "E_LIST"):
        return found
    try:
        return _features(checkpoint, kind)
    except ReprProbeError:
        return found


def _kind(path: Path) -> str:
    """What lies at a path; "" for names of networks and for folders that are no features."""
    from repr_probe.errors import FileFormatError
    from repr_probe.files.arrays import feature_kind

    if not path.exists():
        return ""
    try:
        return feature_kind(path)
    except FileFormatError:
        if path.is_dir():
            return ""  # a folder with one checkpoint in it is for the reader of checkpoints
        raise


def _features(path: str | Path, kind: str) -> Inspection:
    """Features are told by their shape, their labels and where they came from."""
    from repr_probe.encoders.inspection import Inspection
    from repr_probe.features.door import as_features

    features = as_features(path)
    n_labelled = 0 if features.labels is None else int((features.labels >= 0).sum())
    origin = {name: value for name, value in features.provenance.items() if isinstance(value, str | int | float | Mapping)}
    return Inspection(str(path), {
        "format": kind, "n_samples": features.n_samples, "n_features": features.n_features, "n_labelled": n_labelled,
        "n_classes": len(features.class_names), "provenance": origin, "notes": list(features.notes),
    })  # fmt: skip
