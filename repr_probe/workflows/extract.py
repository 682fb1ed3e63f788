"""extract: a checkpoint and a data set, by name or path, to feature stores (the command `repro-probe extract`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from repr_probe import progress
from repr_probe.errors import UsageError
from repr_probe.features.export import check_export, export_features
from repr_probe.files.home import using_home
from repr_probe.ranks import ALONE, Ranks
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options
from repr_probe.workflows.short_form import short_form

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.features.store import FeatureStore


def extract(
    checkpoint: str | Path | ImageEncoder,
    *,
    dataset: str | Path,
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
    fresh: bool = False,
    verify_data: bool = False,
    store: str | Path | None = None,
    export: str | Path | None = None,
    ranks: Ranks = ALONE,
    **encoder: Unpack[EncoderOptions],
) -> list[FeatureStore]:
    """Features of every image of a data set, one store per layer; what is stored already comes from the store without building the network.

    checkpoint: a file or folder of weights, `timm:NAME`, `torchvision:NAME`, an embedded name, or an encoder (`load_encoder`,
    `as_encoder`).  dataset: a known name or a folder.
    layer: one name or several, read in one pass; default the encoder's own.
    views: so many augmented views (DINO recipe) are stored beside every image.
    fresh: compute anew.  verify_data: tell data sets apart by contents.
    ranks: the processes of a job that share the work, each calling this with the same arguments and the same home.
    store: the home folder.  export: also write one file (.npz .safetensors .pt .npy .parquet .h5 .csv); with several layers the layer's
    name is added to the file's.  encoder: options of `load_encoder` (arch, key, prefix, role, heads, stem, map, allow_missing, image_size,
    mean, std, interp, crop_pct, channels, pool, pretrained, allow_code).  The others are those of `open_dataset` and `extract_features`.

    Raises CheckpointError, DatasetError, FileFormatError, UsageError, InputError or StoreError, each with one line that says what to do.
    """
    layers = None if layer is None else [layer] if isinstance(layer, str) else list(layer)
    network, pool = checked_options(encoder), encoder.get("pool")
    images: dict[str, Any] = {"split": split, "data_root": data_root, "limit": limit, "seed": seed, "verify": verify_data}
    what: dict[str, Any] = {"layers": layers, "pool": pool, "dtype": dtype, "limit": limit, "seed": seed, "views": views}
    how: dict[str, Any] = {"batch_size": batch_size, "workers": workers, "fresh": fresh, "ranks": ranks}
    if export is not None:
        check_export(export)
    with using_home(store):
        from repr_probe.workflows.request_index import request_of

        # Where nothing is random another seed asks for the same features; it may be meant for a later step.
        drawn = {"seed": seed if limit is not None or views else None}
        asked = {"dataset": dataset, "network": network, "images": {**images, **drawn}, "what": {**what, **drawn}}
        # Somebody's code, or an encoder made of it, may change without being told from here.
        certain = isinstance(checkpoint, str | Path) and not network.get("allow_code")
        request = request_of(str(checkpoint), asked) if certain else None
        stores = None if fresh else ranks.first_does(lambda: _recalled(request, dataset, images))
        if stores is None:
            stores = _computed(checkpoint, dataset, {**network, "device": ranks.device_name(device)}, images, {**what, **how}, request)
        else:
            _say_what_was_loaded(stores[0].meta["provenance"])
    if export is not None:
        written = {extracted: export_path(export, extracted.layer, several=len(stores) > 1) for extracted in stores}
        ranks.first_does(lambda: [export_features(extracted.features(), path) for extracted, path in written.items()] and None)
    return stores


def export_path(export: str | Path, layer: str, *, several: bool) -> Path:
    """Where the features of `layer` go: `export` itself, or with the layer's name in it when there are several.

    >>> export_path("out/f.npz", "stage3", several=True).as_posix()
    'out/f-stage3.npz'
    """
    path = Path(export)
    return path.with_name(f"{path.stem}-{re.sub(r'[^0-9A-Za-z._-]', '_', layer)}{path.suffix}") if several else path


def _recalled(request: dict[str, Any] | None, dataset: str | Path, opening: dict[str, Any]) -> list[FeatureStore] | None:
    """The stores of an equal request made before, if the data set has not changed since."""
    from repr_probe.datasets.open import open_dataset
    from repr_probe.workflows.request_index import recall

    record = recall(request) if request is not None else None
    stores = record.stores_for(open_dataset(dataset, record.input, **opening)) if record is not None else None
    if stores is not None:
        progress.note("answered from the store; --fresh computes anew")
    return stores


def _computed(
    checkpoint: str | Path | ImageEncoder,
    dataset: str | Path,
    loading: dict[str, Any],
    opening: dict[str, Any],
    running: dict[str, Any],
    request: dict[str, Any] | None,
) -> list[FeatureStore]:
    from repr_probe.datasets.open import open_dataset
    from repr_probe.encoders.load import load_encoder
    from repr_probe.extraction import extract_features
    from repr_probe.workflows.request_index import remember

    ranks: Ranks = running["ranks"]
    with ranks.in_turn():
        encoder = load_encoder(checkpoint, **loading) if isinstance(checkpoint, str | Path) else _as_given(checkpoint, loading)
    _say_what_was_loaded({"encoder": encoder.name, "architecture": encoder.architecture, "facts": encoder.facts,
                           "input_sources": encoder.input.sources})
    with ranks.in_turn():
        images = open_dataset(dataset, encoder.input, **opening)
    stores = extract_features(encoder, images, **running)
    if request is not None and ranks.is_first:
        remember(request, images, stores)
    return stores


def _say_what_was_loaded(origin: Mapping[str, Any]) -> None:
    for line in short_form(str(origin["encoder"]), str(origin["architecture"]), origin["facts"], origin.get("input_sources")):
        progress.note(line)


def _as_given(encoder: ImageEncoder, loading: dict[str, Any]) -> ImageEncoder:
    """An encoder that is open already takes no options of opening."""
    given = [name for name in loading if name not in ("device", "pool")]
    if given:
        raise UsageError(f"{given[0]} must go with a checkpoint; got it beside an encoder that is open already; give it to load_encoder")
    return encoder
