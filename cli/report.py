"""repro-probe report: one page for people."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .geometry import MEASURES, ChosenPreset, Dataset, FeaturesKey, LabelsKey, NoPublished, Preset
from .options import (
    DATA,
    ENCODER,
    OUTPUT,
    BatchSize,
    DataRoot,
    Debug,
    Device,
    Dtype,
    Fresh,
    Limit,
    Quiet,
    Seed,
    Split,
    Store,
    StoredDtype,
    VerifyData,
    Workers,
    option,
)
from .output import say


class Extra(StrEnum):
    """What may stand on a page beside geometry and semantics."""

    probe = "probe"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="CHECKPOINT...",
        help="One to eight: weights, timm:NAME, torchvision:NAME, embedded names (hydes-digits), features, stores or result files (.json).",
    ),
]
Page = Annotated[Path, option("The page to write (.html).", OUTPUT)]
OneLayer = Annotated[str | None, option("stage1..stage4, projector or a module.", ENCODER, show_default="output before the head")]
With = Annotated[Extra | None, option("Add accuracy: probe (kNN and linear).", MEASURES, "--with", show_default="none")]
TrainSplit = Annotated[str, option("What --with probe learns from.", DATA)]
NoSemantic = Annotated[bool, option("Do not compare the classes with WordNet.", MEASURES, "--no-semantic")]
Runs = Annotated[
    list[Path] | None,
    option("Training run (folder or metrics.jsonl) for learning curves; repeatable.", DATA, "--run", show_default="beside a checkpoint"),
]
Galleries = Annotated[
    list[str] | None,
    option("saliency,attention,hypercolumns; or a picture or folder of pictures; repeatable.", OUTPUT, metavar="KIND|PATH", show_default="none"),
]


@takes_encoder_options
def report_command(
    checkpoints: Sources,
    out: Page,
    dataset: Dataset = None,
    split: Split = None,
    train_split: TrainSplit = "train",
    data_root: DataRoot = None,
    limit: Limit = None,
    verify_data: VerifyData = False,
    features_key: FeaturesKey = None,
    labels_key: LabelsKey = None,
    run: Runs = None,
    layer: OneLayer = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    preset: ChosenPreset = Preset.default,
    with_: With = None,
    no_semantic: NoSemantic = False,
    device: Device = "auto",
    dtype: StoredDtype = Dtype.float32,
    batch_size: BatchSize = 64,
    workers: Workers = None,
    seed: Seed = 0,
    fresh: Fresh = False,
    store: Store = None,
    gallery: Galleries = None,
    no_published: NoPublished = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """One self-contained HTML page: the numbers, what they mean and what differs, angles, spectra, a map of the classes, semantics, learning curves.

    Example: repro-probe report a.pth b.pth --dataset cifar10 --with probe --out page.html
    """
    from repr_probe.files.atomic import readable_bytes
    from repr_probe.workflows.report import report

    with shown(quiet):
        path = report(
            checkpoints,
            out=out,
            dataset=dataset,
            split=split,
            data_root=data_root,
            limit=limit,
            verify_data=verify_data,
            features_key=features_key,
            labels_key=labels_key,
            runs=run or (),
            layer=layer,
            preset=preset.value,
            semantic=not no_semantic,
            probe=with_ is not None,
            train_split=train_split,
            device=device,
            dtype=dtype.value,
            batch_size=batch_size,
            workers=workers,
            seed=seed,
            fresh=fresh,
            store=store,
            galleries=gallery or (),
            published=not no_published,
            **encoder,
        )
    say(f"{path}: {readable_bytes(path.stat().st_size)}, opens offline")
