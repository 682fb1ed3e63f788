"""repro-probe extract: the first half of geometry alone, features into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from .display import shown
from .options import (
    DATA,
    OUTPUT,
    Arch,
    BatchSize,
    Checkpoint,
    DataRoot,
    Debug,
    Device,
    Dtype,
    Fresh,
    ImageSize,
    Layer,
    Limit,
    Mean,
    Pool,
    Pretrained,
    Quiet,
    Seed,
    Split,
    Std,
    Store,
    StoredDtype,
    VerifyData,
    Views,
    Workers,
    option,
)
from .output import say
from .values import parse_channels, parse_image_size

if TYPE_CHECKING:
    from repr_probe.features.store import FeatureStore

Export = Annotated[
    Path | None,
    option("Also write the features to a file: .npz .safetensors .pt .npy .parquet .h5 .csv; one per layer.", OUTPUT, show_default="none"),
]


def extract_command(
    checkpoint: Checkpoint,
    dataset: Annotated[str, option("Known name (see repro-probe datasets) or a folder of images.", DATA)],
    split: Split = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    verify_data: VerifyData = False,
    arch: Arch = None,
    layer: Layer = None,
    pool: Pool = None,
    image_size: ImageSize = None,
    mean: Mean = None,
    std: Std = None,
    pretrained: Pretrained = False,
    views: Views = 0,
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
    """Store the features of every image, all layers in one pass; prints a line per layer: key, layer, shape, folder.

    Example: repro-probe extract timm:resnet18 --dataset cifar10 --layer stage3 --layer stage4
    """
    size, means, stds = parse_image_size(image_size), parse_channels(mean, option="--mean"), parse_channels(std, option="--std")
    from repr_probe.workflows.extract import extract

    with shown(quiet):
        stores = extract(
            checkpoint,
            dataset=dataset,
            split=split,
            data_root=data_root,
            arch=arch,
            layer=layer or None,
            pool=pool,
            image_size=size,
            mean=means,
            std=stds,
            device=device,
            dtype=dtype.value,
            batch_size=batch_size,
            workers=workers,
            limit=limit,
            seed=seed,
            views=views,
            pretrained=pretrained,
            fresh=fresh,
            verify_data=verify_data,
            store=store,
            export=export,
        )
    for extracted in stores:
        say(_line(extracted))


def _line(store: FeatureStore) -> str:
    views = f"  {store.n_views} views" if store.n_views else ""
    return f"{store.key[:12]}  {store.layer}  {store.n_samples} x {store.n_features}{views}  {store.path}"
