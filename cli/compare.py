"""repro-probe compare: several encoders in one table."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .conditions import FailOn, fail_on, parse_conditions
from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import SUFFIXES, AsCsv, AsJson, AsLatex, AsMarkdown, stdout_format, terminal_width
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

if TYPE_CHECKING:
    from repr_probe.reports.comparison import Comparison
    from repr_probe.reports.comparison_layout import Published

TABLE = "Table"


class Population(StrEnum):
    """What class-labelled intervals speak of."""

    classes = "classes"
    images = "images"


class Allowed(StrEnum):
    """What may differ between rows."""

    preprocessing = "preprocessing"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="A B ...",
        help="Two or more of: result files (.json), stores, feature files, and with --dataset checkpoints or encoder names.",
    ),
]
Dataset = Annotated[str | None, option("Known name (see repro-probe datasets) or a folder of images, for checkpoints.", DATA, show_default="none")]
TrainSplit = Annotated[str, option("What probes learn from.", DATA)]
FeaturesKey = Annotated[str | None, option("Name of the features in a file with several arrays.", DATA)]
LabelsKey = Annotated[str | None, option("Name of the labels in a feature file.", DATA)]
Layer = Annotated[str | None, option("stage1..stage4, projector or a module.", ENCODER, show_default="output before the head")]
With = Annotated[
    str | None,
    option("Which tables: geometry,semantic,probe.", TABLE, "--with", metavar="PARTS", show_default="what result files hold, else geometry"),
]
Populations = Annotated[Population, option("Intervals of labelled measures: for new classes, or new images of these.", TABLE)]
Allow = Annotated[list[Allowed] | None, option("What may differ, without paired differences: preprocessing.", TABLE, show_default="nothing")]
NoPairs = Annotated[bool, option("Leave paired differences and CKA out.", TABLE, "--no-pairs")]
Out = Annotated[list[Path] | None, option("Also write a file: .json .csv .md .tex .txt; repeatable.", OUTPUT, show_default="none")]
NoPublished = Annotated[bool, option("Leave the paper's rows out.", OUTPUT, "--no-published")]


@takes_encoder_options
def compare_command(
    sources: Sources,
    dataset: Dataset = None,
    split: Split = None,
    train_split: TrainSplit = "train",
    data_root: DataRoot = None,
    limit: Limit = None,
    verify_data: VerifyData = False,
    features_key: FeaturesKey = None,
    labels_key: LabelsKey = None,
    layer: Layer = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    with_: With = None,
    population: Populations = Population.classes,
    allow: Allow = None,
    no_pairs: NoPairs = False,
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
    """Set encoders side by side on the same images: Tables III, IV and I of HyDeS, what differs by more than chance, and CKA.

    Example: repro-probe compare a.pth b.pth --dataset cifar10 --with geometry,probe --out table.tex
    """
    kind = stdout_format(json=json, csv=csv, markdown=markdown, latex=latex)
    outputs, conditions = _checked_outputs(out), parse_conditions(fail_on_)
    from repr_probe.workflows.compare import compare

    with shown(quiet):
        comparison = compare(
            *sources,
            parts=None if with_ is None else [part.strip() for part in with_.split(",")],
            dataset=dataset,
            split=split,
            train_split=train_split,
            data_root=data_root,
            layer=layer,
            device=device,
            dtype=dtype.value,
            batch_size=batch_size,
            workers=workers,
            limit=limit,
            seed=seed,
            population=population.value,
            allow=[one.value for one in allow or ()],
            paired=not no_pairs,
            fresh=fresh,
            verify_data=verify_data,
            features_key=features_key,
            labels_key=labels_key,
            store=store,
            **encoder,
        )
    _show(comparison, outputs, kind, published=not no_published)
    fail_on(conditions, [(name, comparison.measures_of(name)) for name in comparison.names])


def _show(comparison: Comparison, outputs: Sequence[Path], kind: str, *, published: bool) -> None:
    """Files first: what reads our stdout may leave early."""
    from repr_probe.reports.comparison_formats import to_text
    from repr_probe.reports.comparison_write import RENDERERS, write_comparison

    rows = published_for(comparison) if published else {}
    for path in outputs:
        write_comparison(comparison, path, rows)
    say(to_text(comparison, rows, terminal_width()) if kind == "text" else RENDERERS[SUFFIXES[kind]](comparison, rows))


def published_for(comparison: Comparison) -> Published:
    """The paper's rows for the data set, part by part."""
    from repr_probe.published.table1 import published_accuracy
    from repr_probe.published.table3 import published_rows
    from repr_probe.published.table4 import published_alignment

    known = {"geometry": published_rows, "semantic": published_alignment, "probe": published_accuracy}
    return {part: known[part](comparison.dataset) for part in comparison.rows}


def _checked_outputs(paths: Sequence[Path] | None) -> list[Path]:
    """Refuse an unknown suffix before hours of work, not after."""
    from repr_probe.reports.comparison_write import check_suffix

    for path in paths or ():
        check_suffix(path)
    return list(paths or ())
