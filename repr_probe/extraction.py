"""Extraction: an encoder and a data set go in, one feature store a layer comes out; what is stored already is not computed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe import progress
from repr_probe.errors import InputError, StoreError, UsageError
from repr_probe.exact_pass import module_device
from repr_probe.extraction_parts import in_parts
from repr_probe.extraction_pass import ExtractionPass
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_key import SCHEMA, rows_hash, store_key
from repr_probe.features.store_listing import sweep_leftovers
from repr_probe.files.home import features_folder
from repr_probe.loading import choose_workers
from repr_probe.ranks import ALONE, Ranks
from repr_probe.run_facts import run_facts

if TYPE_CHECKING:
    from repr_probe.datasets.image_dataset import ImageDataset
    from repr_probe.encoders.adapters.protocol import ImageEncoder

DTYPES = ("float32", "float16", "float64")


def extract_features(
    encoder: ImageEncoder,
    dataset: ImageDataset,
    *,
    layers: Sequence[str] | None = None,
    pool: str | None = None,
    batch_size: int = 64,
    workers: int | None = None,
    device: str = "auto",
    dtype: str = "float32",
    limit: int | None = None,
    seed: int = 0,
    views: int = 0,
    fresh: bool = False,
    store: str | Path | None = None,
    ranks: Ranks = ALONE,
) -> list[FeatureStore]:
    """Features of every image of `dataset` at each of `layers`, from the store or by one pass of the network over the images.

    The network computes in float32 (no autocast, no TF32) and is left as it was; `dtype` says how the result is stored. Killed or
    interrupted at any point, the next call goes on where the last safe batch ended and gives the same bytes.

    layers: names from `encoder.layers()`; default the encoder's own.  pool: how a map becomes a vector; default the encoder's own.
    device: "auto" is where the encoder is.  workers: processes that decode; default by number of cores and images.
    limit: the draw that `dataset` was opened with, for the record.  seed: of that draw and of the views.
    views: augmented views stored beside every plain image.  fresh: compute even what is stored.  store: the home folder.
    ranks: the processes of a job that share the images, each calling this with the same arguments and the same home (`in_parts`).

    Returns one FeatureStore per layer, in the order of `layers`. Raises UsageError for an option, InputError when the network gives
    NaN or infinity (nothing is stored then), DatasetError for a damaged image, StoreError when the disk refuses.
    """
    wanted = _checked_layers(encoder, layers)
    _check_options(dataset, batch_size=batch_size, dtype=dtype, views=views)
    fields = {layer: key_fields(encoder, dataset, layer, pool=pool, dtype=dtype, limit=limit, seed=seed, views=views) for layer in wanted}
    folder = features_folder(store)
    stores = {} if fresh else ranks.first_does(lambda: stored(folder, fields))
    missing = {layer: content for layer, content in fields.items() if layer not in stores}
    if missing:
        where = module_device(encoder.module, ranks.device_name(device))
        facts = run_facts(where, batch_size=batch_size, workers=choose_workers(workers, dataset, n_views=views))
        work = ExtractionPass(encoder, dataset, missing, folder, facts, where, pool=pool, dtype=dtype, n_views=views, seed=seed, fresh=fresh)
        stores.update(_alone(work) if ranks.world_size == 1 else in_parts(work, ranks))
    return [stores[layer] for layer in wanted]


def _alone(work: ExtractionPass) -> dict[str, FeatureStore]:
    """By this process, into the stores' own partial folders."""
    with work.writing() as writers:
        found = {}
        if not work.fresh:  # another process may have finished one while we waited for nothing but our turn
            found = stored(work.folder, work.fields, remark=False)
        left = {layer: writer for layer, writer in writers.items() if layer not in found}
        work.run(left)
        return found | {layer: work.finish(layer, writer) for layer, writer in left.items()}


def key_fields(
    encoder: ImageEncoder, dataset: ImageDataset, layer: str, *, pool: str | None, dtype: str, limit: int | None, seed: int, views: int
) -> dict[str, Any]:
    """Everything that changes the numbers of one store; its hash is the store's key."""
    return {
        "schema": SCHEMA,
        "architecture": encoder.architecture,
        "identity": encoder.identity,
        "layer": layer,
        "pool": pool if pool is not None else encoder.pool,
        "input": dataset.input.to_dict(),  # what the images went through: the encoder's, with which the data set was opened
        "dataset": dataset.name,
        "split": dataset.split,
        "fingerprint": dataset.fingerprint,
        "rows": rows_hash(dataset.ids, dataset.labels, dataset.class_names),
        "limit": limit,
        # Without a draw and without views nothing is random: then the seed of some later step must not ask for a second extraction.
        "seed": seed if limit is not None or views else None,
        "dtype": dtype,
        "views": views,
    }


def stored(folder: Path, fields: Mapping[str, Mapping[str, Any]], *, remark: bool = True) -> dict[str, FeatureStore]:
    """The layers among `fields` whose store is there and whole; a damaged one counts as absent (and is noted, with `remark`)."""
    found = {}
    for layer, content in fields.items():
        path = folder / store_key(content)
        if path.exists():
            try:
                found[layer] = FeatureStore.open(path)
            except StoreError as damage:
                if remark:
                    progress.note(f"the stored features of layer {layer} cannot be used ({damage}); extracting them again")
            else:
                sweep_leftovers(folder, path.name)
    return found


def _checked_layers(encoder: ImageEncoder, layers: Sequence[str] | None) -> list[str]:
    if layers is None:
        return [encoder.default_layer]
    if isinstance(layers, str) or not layers or not all(isinstance(layer, str) for layer in layers):
        raise UsageError(f"layers must be a list of layer names; got {layers!r}")
    return list(layers)


def _check_options(dataset: ImageDataset, *, batch_size: int, dtype: str, views: int) -> None:
    if len(dataset) == 0:
        raise InputError(f"dataset must hold at least one image; {dataset.name} ({dataset.split}) holds none")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"batch_size must be a positive integer; got {batch_size!r}")
    if isinstance(views, bool) or not isinstance(views, int) or views < 0:
        raise UsageError(f"views must be an integer of 0 or more; got {views!r}")
    if dtype not in DTYPES:
        raise UsageError(f"dtype must be one of {', '.join(DTYPES)}; got {dtype!r}")
