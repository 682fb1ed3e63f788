"""geometry: a checkpoint and a data set (or features that exist already), by name or path, to a report (`repro-probe geometry`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from repr_probe.errors import UsageError
from repr_probe.ranks import ALONE, Ranks
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.reports.geometry_report import GeometryReport

_EITHER = ("torch-zip", "torch-legacy", "safetensors")  # a checkpoint with --dataset, features without


def geometry(
    checkpoint: str | Path | ImageEncoder,
    *,
    dataset: str | Path | None = None,
    split: str | None = None,
    data_root: str | Path | None = None,
    layer: str | Sequence[str] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 64,
    workers: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    views: int = 0,
    preset: str = "default",
    pairs: str | int = "exact",
    population: str = "classes",
    matmul: str = "exact",
    fresh: bool = False,
    verify_data: bool = False,
    nan_policy: str = "raise",
    features_key: str | None = None,
    labels_key: str | None = None,
    store: str | Path | None = None,
    ranks: Ranks = ALONE,
    **encoder: Unpack[EncoderOptions],
) -> GeometryReport | list[GeometryReport]:
    """The geometry of an encoder's features on a data set; a list of reports when `layer` is a list.

    checkpoint: a file, `timm:NAME`, `torchvision:NAME` or an embedded name, with a `dataset`; or, without one, features that exist
    already: a file (.npy .npz .pt .safetensors .parquet .h5 .csv), a store, or a result file (.json), which is shown again.
    The options are those of `extract` (layer ... store) and of `geometry_report` (preset ... nan_policy); the numbers are those of
    `geometry_report` on the extracted features.
    ranks: the processes of a job that share the work, each calling this. A repeated call is answered from the store without building the network.

    Raises UsageError, CheckpointError, DatasetError, FileFormatError, InputError or StoreError, each with one line that says what to do.
    """
    measuring: dict[str, Any] = {
        "preset": preset, "pairs": pairs, "population": population, "matmul": matmul, "seed": seed, "nan_policy": nan_policy, "device": device,
        "ranks": ranks,
    }  # fmt: skip
    if dataset is None:
        if not isinstance(checkpoint, str | Path):
            raise UsageError(f"dataset must name the images for an encoder; got none beside {checkpoint.name}")
        images = {"split": split, "layer": layer, "limit": limit, "views": views or None, "data_root": data_root, **checked_options(encoder)}
        return _from_features(checkpoint, images, {**measuring, "features_key": features_key, "labels_key": labels_key})
    from repr_probe.workflows.extract import extract

    stores = extract(
        checkpoint, dataset=dataset, split=split, data_root=data_root, layer=layer, device=device, dtype=dtype, batch_size=batch_size,
        workers=workers, limit=limit, seed=seed, views=views, fresh=fresh, verify_data=verify_data, store=store, ranks=ranks, **encoder)  # fmt: skip
    from repr_probe.reports.geometry import geometry_report

    several = layer is not None and not isinstance(layer, str)
    reports = [geometry_report(found, name=_row_name(checkpoint, found.layer if several else None), **measuring) for found in stores]
    return reports if several else reports[0]


def _row_name(checkpoint: str | Path | ImageEncoder, layer: str | None) -> str:
    if not isinstance(checkpoint, str | Path):
        return checkpoint.name if layer is None else f"{checkpoint.name} {layer}"
    name = Path(checkpoint).name if Path(checkpoint).exists() else str(checkpoint)
    return name if layer is None else f"{name} {layer}"


def _from_features(source: str | Path, images: Mapping[str, Any], measuring: Mapping[str, Any]) -> GeometryReport | list[GeometryReport]:
    path = Path(source)
    if not path.exists() and path.suffix:
        raise UsageError(f"the checkpoint must be a file, a store or a known name; got {str(source)!r}, which is not there")
    if not path.exists():
        raise UsageError(f"--dataset must name a data set or a folder of images for {str(source)!r}; got none; see repro-probe datasets")
    kind = _kind(path)
    given = [name for name, value in images.items() if value is not None]
    if kind == "json":
        from repr_probe.reports.read import read_geometry

        reports = read_geometry(path)
        return reports if len(reports) > 1 else reports[0]
    if given:
        raise UsageError(f"--{given[0].replace('_', '-')} must go with --dataset; got it beside {path.name}, taken as precomputed features")
    from repr_probe.errors import FileFormatError
    from repr_probe.reports.geometry import geometry_report

    try:
        return geometry_report(path, name=path.name, **measuring)
    except FileFormatError as error:
        if kind not in _EITHER:
            raise
        wanted = f"{path.name} must come with --dataset NAME|FOLDER if it is a checkpoint, else hold features"
        raise FileFormatError(f"{wanted}; got a file of kind {kind} ({error})", code=error.code) from None


def _kind(path: Path) -> str:
    """What a path without --dataset is; UsageError for folders of weights and of images, which need one."""
    from repr_probe.errors import FileFormatError
    from repr_probe.files.arrays import feature_kind

    try:
        kind = feature_kind(path)
    except FileFormatError:
        if path.is_dir():
            raise UsageError(f"the checkpoint must be a file, a store or a known name; got the folder {path.name}; images go with --dataset") from None
        raise
    if path.is_dir() and kind not in ("store", "feature-folder"):
        raise UsageError(f"--dataset must name the images for {path.name}, a folder of weights (kind {kind}); got none")
    return kind
