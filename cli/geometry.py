"""repro-probe geometry: the main job."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .conditions import FailOn, fail_on, parse_conditions
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import SUFFIXES, AsCsv, AsJson, AsLatex, AsMarkdown, stdout_format, terminal_width
from .job import job
from .options import (
    DATA,
    OUTPUT,
    BatchSize,
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
from .values import parse_pairs

if TYPE_CHECKING:
    from repr_probe.published.printed import PublishedRow
    from repr_probe.reports.geometry_report import GeometryReport

MEASURES = "Measures"


class Preset(StrEnum):
    """Which measures; see repr_probe.metrics.definitions."""

    paper = "paper"
    default = "default"
    full = "full"


class Population(StrEnum):
    """What class-labelled intervals speak of."""

    classes = "classes"
    images = "images"


class Matmul(StrEnum):
    """Products of the pair pass; see repr_probe.metrics.products."""

    exact = "exact"
    fast = "fast"


class NanPolicy(StrEnum):
    """What to do with rows that are not finite."""

    raise_ = "raise"
    omit = "omit"


Source = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A file or folder of weights, timm:NAME, torchvision:NAME or an embedded name (hydes-digits); or features: a file "
        "(.npy .npz .pt .safetensors .parquet .h5 .csv) or a folder; or a result file (.json).",
    ),
]
Dataset = Annotated[str | None, option("Known name (see repro-probe datasets) or a folder of images.", DATA, show_default="none")]
FeaturesKey = Annotated[str | None, option("Name of the features in a file with several arrays.", DATA)]
LabelsKey = Annotated[str | None, option("Name of the labels in a feature file.", DATA)]
ChosenPreset = Annotated[Preset, option("paper: Table III; default: with what is needed to read it; full: everything.", MEASURES)]
Pairs = Annotated[str, option("exact, or sample:M for M random pairs of images.", MEASURES, metavar="exact|sample:M")]
Products = Annotated[Matmul, option("Products of pairs: exact, or fast (8-bit, bfloat16, TF32) if within 0.001 degree.", MEASURES)]
Populations = Annotated[Population, option("Intervals of labelled measures: for new classes, or new images of these.", MEASURES)]
NanRows = Annotated[NanPolicy, option("Rows with NaN or infinity: raise an error, or omit and count them.", MEASURES)]
Out = Annotated[list[Path] | None, option("Also write a file: .json .csv .md .tex .txt .html; repeatable.", OUTPUT, show_default="none")]
FigurePath = Annotated[Path | None, option("Draw histograms of the angles: .png .pdf .svg.", OUTPUT, "--figure", show_default="none")]
NoPublished = Annotated[bool, option("Leave the paper's rows out (shown for imagenet and food101).", OUTPUT, "--no-published")]


@takes_encoder_options
def geometry_command(
    checkpoint: Source,
    dataset: Dataset = None,
    split: Split = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    verify_data: VerifyData = False,
    features_key: FeaturesKey = None,
    labels_key: LabelsKey = None,
    layer: Layer = None,
    views: Views = 0,
    encoder: dict[str, Any] = NO_OPTIONS,
    preset: ChosenPreset = Preset.default,
    pairs: Pairs = "exact",
    population: Populations = Population.classes,
    matmul: Products = Matmul.exact,
    nan_policy: NanRows = NanPolicy.raise_,
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
    figure: FigurePath = None,
    no_published: NoPublished = False,
    fail_on_: FailOn = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure the geometry of an encoder's features on a data set: Table III of HyDeS with intervals, and more. Works under torchrun.

    Example: repro-probe geometry resnet50.pth --dataset food101 --out resnet50.json
    """
    kind = stdout_format(json=json, csv=csv, markdown=markdown, latex=latex)
    chosen_pairs = parse_pairs(pairs)
    outputs, conditions = _checked_outputs(out, figure), parse_conditions(fail_on_)
    from repr_probe.workflows.geometry import geometry

    with job(device, quiet) as ranks:
        result = geometry(
            checkpoint,
            dataset=dataset,
            split=split,
            data_root=data_root,
            layer=_one_or_list(layer),
            device=device,
            dtype=dtype.value,
            batch_size=batch_size,
            workers=workers,
            limit=limit,
            seed=seed,
            views=views,
            preset=preset.value,
            pairs=chosen_pairs,
            population=population.value,
            matmul=matmul.value,
            fresh=fresh,
            verify_data=verify_data,
            nan_policy=nan_policy.value,
            features_key=features_key,
            labels_key=labels_key,
            store=store,
            ranks=ranks,
            **encoder,
        )
    if not ranks.is_first:
        return
    reports = list(result) if isinstance(result, list) else [result]
    _show(reports, outputs, figure, kind, published=not no_published)
    fail_on(conditions, [(report.name, report.measures) for report in reports])


def _show(reports: list[GeometryReport], outputs: Sequence[Path], figure: Path | None, kind: str, *, published: bool) -> None:
    """Files first: what reads our stdout may leave early."""
    from repr_probe.reports.write import write_reports

    rows = published_for(reports) if published else ()
    for path in outputs:
        write_reports(reports, path, rows)
    if figure is not None:
        from repr_probe.plots.angles import angle_histograms
        from repr_probe.plots.figures import save_figure

        save_figure(angle_histograms(reports), figure)
    say(_rendered(reports, rows, kind))


def published_for(reports: Sequence[GeometryReport]) -> tuple[PublishedRow, ...]:
    """The paper's rows for the data set of the reports; none when they are of several."""
    from repr_probe.published.table3 import published_rows

    names = {str(report.provenance.get("dataset", "")) for report in reports}
    return published_rows(names.pop()) if len(names) == 1 else ()


def _one_or_list(layers: list[str] | None) -> str | list[str] | None:
    if not layers:
        return None
    return layers[0] if len(layers) == 1 else layers


def _checked_outputs(paths: Sequence[Path] | None, figure: Path | None) -> list[Path]:
    """Refuse an unknown suffix before hours of work, not after."""
    from repr_probe.reports.write import check_suffix

    for path in paths or ():
        check_suffix(path)
    if figure is not None:
        from repr_probe.plots.figures import check_figure

        check_figure(figure)
    return list(paths or ())


def _rendered(reports: Sequence[GeometryReport], published: Sequence[PublishedRow], kind: str) -> str:
    if kind == "text":
        from repr_probe.reports.text import to_text

        return to_text(reports, published, terminal_width())
    from repr_probe.reports.write import RENDERERS

    return RENDERERS[SUFFIXES[kind]](reports, published)
