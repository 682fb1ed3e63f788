"""repro-probe extract: the first half of geometry alone, features into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from .encoder_options import NO_OPTIONS, takes_encoder_options
from .job import job
from .options import (
    DATA,
    OUTPUT,
    BatchSize,
    Checkpoint,
    DataRoot,
    Debug,
    Device,
    Dtype,
    Fresh,
    Layer,
    Limit,
    Quiet,
    Seed,
    Split,
    Store,
    StoredDtype,
    VerifyData,
    Views,
    Workers,
    option,
)
from .output import say

if TYPE_CHECKING:
    from repr_probe.features.store import FeatureStore

Export = Annotated[
    Path | None,
    option("Also write the features to a file: .npz .safetensors .pt .npy .parquet .h5 .csv; one per layer.", OUTPUT, show_default="none"),
]


@takes_encoder_options
def extract_command(
    checkpoint: Checkpoint,
    dataset: Annotated[str, option("Known name (see repro-probe datasets) or a folder of images.", DATA)],
    split: Split = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    verify_data: VerifyData = False,
    layer: Layer = None,
    views: Views = 0,
    encoder: dict[str, Any] = NO_OPTIONS,
    device: Device = "auto",
    dtype: StoredDtype = Dtype.float32,
    batch_size: BatchSize = 64,
    workers: Workers = None,
    seed: Seed = 0,
    fresh: Fresh = False,
    store: Store = None,
    export: Export = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Store the features of every image, all layers in one pass; prints a line per layer: key, layer, shape, folder. Works under torchrun.

    Example: repro-probe extract timm:resnet18 --dataset cifar10 --layer stage3 --layer stage4
    """
    from repr_probe.workflows.extract import extract

    with job(device, quiet) as ranks:
        stores = extract(
            checkpoint,
            dataset=dataset,
            split=split,
            data_root=data_root,
            layer=layer or None,
            device=device,
            dtype=dtype.value,
            batch_size=batch_size,
            workers=workers,
            limit=limit,
            seed=seed,
            views=views,
            fresh=fresh,
            verify_data=verify_data,
            store=store,
            export=export,
            ranks=ranks,
            **encoder,
        )
    for extracted in stores if ranks.is_first else ():
        say(_line(extracted))


def _line(store: FeatureStore) -> str:
    views = f"  {store.n_views} views" if store.n_views else ""
    return f"{store.key[:12]}  {store.layer}  {store.n_samples} x {store.n_features}{views}  {store.path}"
