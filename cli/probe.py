"""repro-probe probe: kNN and linear accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from repr_probe.errors import UsageError

from .conditions import FailOn, fail_on, parse_conditions
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import SUFFIXES, AsCsv, AsJson, AsLatex, AsMarkdown, stdout_format, terminal_width
from .job import job
from .options import (
    DATA,
    ENCODER,
    OUTPUT,
    BatchSize,
    Checkpoint,
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

if TYPE_CHECKING:
    from repr_probe.reports.conditions import Condition
    from repr_probe.reports.probe_report import ProbeReport

PROBES = "Probes"


class KnnPreset(StrEnum):
    """k and temperature of a source."""

    lightly = "lightly"
    instdisc = "instdisc"
    dino = "dino"
    dinov2 = "dinov2"
    uniform = "uniform"


class LinearPreset(StrEnum):
    """How the linear probe is fitted."""

    lbfgs = "lbfgs"
    paper = "paper"
    sgd = "sgd"
    dinov2 = "dinov2"


Dataset = Annotated[str | None, option("Known name (see repro-probe datasets) or a folder of images.", DATA, show_default="none")]
TrainSplit = Annotated[str, option("Split of the bank and of the linear probe's training.", DATA)]
Layer = Annotated[str | None, option("stage1..stage4, projector or a module.", ENCODER, show_default="output before the head")]
Knn = Annotated[bool, option("kNN alone (with --linear: both).", PROBES, "--knn")]
Linear = Annotated[bool, option("The linear probe alone (with --knn: both). Neither: both.", PROBES, "--linear")]
ChosenKnn = Annotated[KnnPreset, option("lightly: k 200, T 0.1; instdisc: 200, 0.07; dino, dinov2: 20, 0.07; uniform: 20, equal votes.", PROBES)]
Neighbours = Annotated[list[int] | None, option("Neighbours; repeatable: a sweep.", PROBES, "--k", min=1, show_default="the preset's")]
Temperature = Annotated[
    list[float] | None,
    option("T of the votes exp(cosine / T); repeatable: a sweep.", PROBES, show_default="the preset's"),
]
ChosenLinear = Annotated[
    LinearPreset,
    option("lbfgs: convex, l2 chosen on held-out training images; paper: Adam; sgd: as SimCLR; dinov2: 13 rates.", PROBES),
]
Penalty = Annotated[float | None, option("This l2 penalty of lbfgs, without a choice.", PROBES, "--l2", show_default="the best of ten")]
Epochs = Annotated[int | None, option("Of paper, sgd and dinov2.", PROBES, min=1, show_default="the preset's")]
Baselines = Annotated[bool, option("Also the same architecture with random weights, and raw pixels.", PROBES, "--baselines")]
Against = Annotated[
    str | None,
    option("A second checkpoint on the same images, with McNemar's test.", PROBES, metavar="CHECKPOINT", show_default="none"),
]
Out = Annotated[list[Path] | None, option("Also write a file: .json .csv .md .tex .txt; repeatable.", OUTPUT, show_default="none")]
NoPublished = Annotated[bool, option("Leave the paper's rows out (Table I).", OUTPUT, "--no-published")]


@takes_encoder_options
def probe_command(
    checkpoint: Checkpoint,
    dataset: Dataset = None,
    split: Split = None,
    train_split: TrainSplit = "train",
    data_root: DataRoot = None,
    limit: Limit = None,
    verify_data: VerifyData = False,
    layer: Layer = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    knn: Knn = False,
    linear: Linear = False,
    knn_preset: ChosenKnn = KnnPreset.lightly,
    k: Neighbours = None,
    temperature: Temperature = None,
    linear_preset: ChosenLinear = LinearPreset.lbfgs,
    l2: Penalty = None,
    epochs: Epochs = None,
    baselines: Baselines = False,
    against: Against = None,
    device: Device = "auto",
    dtype: StoredDtype = Dtype.float32,
    batch_size: BatchSize = 64,
    workers: Workers = None,
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
    """Tell the classes apart from frozen features: kNN and linear accuracy, Table I of HyDeS, with intervals and protocol. Works under torchrun.

    Example: repro-probe probe hydes-digits --dataset digits --baselines
    """
    kind = stdout_format(json=json, csv=csv, markdown=markdown, latex=latex)
    outputs, conditions = _checked_outputs(out), parse_conditions(fail_on_)
    if dataset is None:
        raise UsageError(f"--dataset must name the images for {checkpoint!r}; got none; see repro-probe datasets")
    from repr_probe.workflows.probe import probe

    with job(device, quiet) as ranks:
        report = probe(
            checkpoint,
            dataset=dataset,
            train_split=train_split,
            split=split,
            data_root=data_root,
            layer=layer,
            device=device,
            dtype=dtype.value,
            batch_size=batch_size,
            workers=workers,
            limit=limit,
            seed=seed,
            knn=knn or not linear,
            linear=linear or not knn,
            knn_preset=knn_preset.value,
            k=k or None,
            temperature=temperature or None,
            linear_preset=linear_preset.value,
            l2=l2,
            epochs=epochs,
            baselines=baselines,
            against=against,
            fresh=fresh,
            verify_data=verify_data,
            store=store,
            ranks=ranks,
            **encoder,
        )
    if ranks.is_first:
        _show(report, outputs, kind, published=not no_published)
        _judge(report, conditions)


def _judge(report: ProbeReport, conditions: tuple[Condition, ...]) -> None:
    from repr_probe.reports.probe_measures import probe_measures

    first = report.rows[0]
    fail_on(conditions, [(first.name, probe_measures([result.to_dict() for result in first.results]))])


def _show(report: ProbeReport, outputs: Sequence[Path], kind: str, *, published: bool) -> None:
    """Files first: what reads our stdout may leave early."""
    from repr_probe.published.table1 import published_accuracy
    from repr_probe.reports.probe_formats import to_text
    from repr_probe.reports.probe_write import RENDERERS, write_probe

    rows = published_accuracy(report.dataset) if published else ()
    for path in outputs:
        write_probe(report, path, rows)
    say(to_text(report, rows, terminal_width()) if kind == "text" else RENDERERS[SUFFIXES[kind]](report, rows))


def _checked_outputs(paths: Sequence[Path] | None) -> list[Path]:
    """Refuse an unknown suffix before hours of work, not after."""
    from repr_probe.reports.probe_write import check_suffix

    for path in paths or ():
        check_suffix(path)
    return list(paths or ())
