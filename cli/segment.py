"""repro-probe segment: the dense probe of section V-B, Table II."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from repr_probe.errors import UsageError

from .conditions import FailOn, fail_on, parse_conditions
from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import SUFFIXES, AsCsv, AsJson, AsLatex, AsMarkdown, stdout_format
from .options import DATA, ENCODER, OUTPUT, RUN, BatchSize, Checkpoint, DataRoot, Debug, Device, Fresh, Quiet, Seed, Store, option
from .output import say

if TYPE_CHECKING:
    from repr_probe.published.printed import PublishedRow
    from repr_probe.reports.dense_report import DenseReport

PROBE = "Probe"


class DensePresetName(StrEnum):
    """Which protocol; see repr_probe.probes.dense_presets."""

    paper = "paper"
    small = "small"
    ridge = "ridge"


Dataset = Annotated[str, option("voc, or a folder with train/images, train/masks and test/images, test/masks.", DATA)]
HeldOut = Annotated[str | None, option("Split to test on; train is trained on.", DATA, show_default="val of voc; else test, val")]
Limit = Annotated[int | None, option("Use N images of each split, drawn by --seed.", DATA, min=1, metavar="N", show_default="all")]
Classes = Annotated[
    str | None,
    option(
        "Number of classes, their names with commas, or a file with a name a line.", DATA, metavar="N|NAMES|FILE",
        show_default="ids of the training masks",
    ),
]  # fmt: skip
IgnoreIndex = Annotated[int | None, option("Id of void pixels in the masks.", DATA, min=0, show_default="255")]
Hypercolumn = Annotated[
    list[str] | None, option("A layer of the hypercolumn; repeatable.", ENCODER, show_default="the stages; 4 blocks of a transformer")
]
EachLayer = Annotated[bool, option("Also probe every layer of the hypercolumn alone.", PROBE, "--layers")]
Preset = Annotated[DensePresetName, option("paper: AdamW, batch 32, 20 epochs; small: batch 8, 15 epochs; ridge: one solve.", PROBE)]
LearningRate = Annotated[float | None, option("Replaces the preset's.", PROBE, show_default="0.001")]
ProbeBatchSize = Annotated[int | None, option("Images per step of the probe; replaces the preset's.", PROBE, min=1, show_default="preset's")]
Epochs = Annotated[int | None, option("Passes over the training images; replaces the preset's.", PROBE, min=1, show_default="preset's")]
Memory = Annotated[float, option("Gigabytes of feature maps held in memory; more stay on disk.", RUN, metavar="GB")]
Out = Annotated[list[Path] | None, option("Also write a file: .json .csv .md .tex .txt; repeatable.", OUTPUT, show_default="none")]
NoPublished = Annotated[bool, option("Leave the paper's Table II out (shown for voc).", OUTPUT, "--no-published")]


@takes_encoder_options
def segment_command(
    checkpoint: Checkpoint,
    dataset: Dataset,
    split: HeldOut = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    classes: Classes = None,
    ignore_index: IgnoreIndex = None,
    layer: Hypercolumn = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    each_layer: EachLayer = False,
    preset: Preset = DensePresetName.paper,
    learning_rate: LearningRate = None,
    probe_batch_size: ProbeBatchSize = None,
    epochs: Epochs = None,
    device: Device = "auto",
    batch_size: BatchSize = 16,
    memory: Memory = 4.0,
    seed: Seed = 0,
    fresh: Fresh = False,
    store: Store = None,
    json: AsJson = False,
    csv: AsCsv = False,
    markdown: AsMarkdown = False,
    latex: AsLatex = False,
    out: Out = None,
    no_published: NoPublished = False,
    fail_on_: FailOn = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a linear classifier of pixels on frozen hypercolumns: mIoU as in Table II of HyDeS, beside chance and random weights.

    Example: repro-probe segment resnet50.pth --dataset voc --layers --out resnet50-voc.json
    """
    kind, conditions = stdout_format(json=json, csv=csv, markdown=markdown, latex=latex), parse_conditions(fail_on_)
    from repr_probe.reports.dense_formats import check_dense_suffix, write_dense
    from repr_probe.workflows.segment import segment

    for path in out or ():
        check_dense_suffix(path)
    with shown(quiet):
        report = segment(
            checkpoint,
            dataset=dataset,
            split=split,
            data_root=data_root,
            classes=parse_classes(classes),
            ignore_index=ignore_index,
            limit=limit,
            layer=layer or None,
            each_layer=each_layer,
            preset=preset.value,
            learning_rate=learning_rate,
            probe_batch_size=probe_batch_size,
            epochs=epochs,
            device=device,
            batch_size=batch_size,
            memory=memory,
            seed=seed,
            fresh=fresh,
            store=store,
            **encoder,
        )
    rows = () if no_published else published_for(report)
    for path in out or ():  # files first: what reads our stdout may leave early
        write_dense(report, path, rows)
    say(_rendered(report, rows, kind))
    from repr_probe.reports.dense_measures import dense_measures

    fail_on(conditions, [(report.name, dense_measures(report))])


def parse_classes(text: str | None) -> int | list[str] | None:
    """ "12" -> 12, "road,sky" -> ["road", "sky"], a file -> its lines.

    >>> parse_classes("12"), parse_classes("road, sky"), parse_classes(None)
    (12, ['road', 'sky'], None)
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        return int(text)
    path = Path(text)
    if "," not in text or path.is_file():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as failure:
            raise UsageError(f"--classes must be a number, names with commas or a text file; got {text!r}") from failure
        return [line.strip() for line in lines if line.strip()]
    return [name.strip() for name in text.split(",")]


def published_for(report: DenseReport) -> tuple[PublishedRow, ...]:
    """Table II for voc, nothing for other data."""
    from repr_probe.published.table2 import published_segmentation

    return published_segmentation(report.dataset)


def _rendered(report: DenseReport, rows: tuple[PublishedRow, ...], kind: str) -> str:
    from repr_probe.reports.dense_formats import DENSE_RENDERERS

    return DENSE_RENDERERS[".txt" if kind == "text" else SUFFIXES[kind]](report, rows)
