"""repro-probe semantic: alignment with WordNet and a text model."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .conditions import FailOn, fail_on, parse_conditions
from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import SUFFIXES, AsCsv, AsHtml, AsJson, AsLatex, AsMarkdown, stdout_format, terminal_width
from .options import (
    DATA,
    OUTPUT,
    BatchSize,
    DataRoot,
    Debug,
    Device,
    Fresh,
    Limit,
    Quiet,
    Seed,
    Split,
    Store,
    VerifyData,
    Workers,
    option,
)
from .output import say

if TYPE_CHECKING:
    from repr_probe.published.printed import PublishedRow
    from repr_probe.reports.semantic_report import SemanticReport

REFERENCES = "References"
STATISTICS = "Statistics"


class Prototype(StrEnum):
    """What stands for a class."""

    centroids = "centroids"
    classifier = "classifier"


class Linkage(StrEnum):
    """How clusters of classes are joined."""

    average = "average"
    complete = "complete"
    single = "single"
    weighted = "weighted"
    ward = "ward"


Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[CHECKPOINT]",
        help="A checkpoint or encoder name with --dataset or with --source classifier; or features: a file or a store.",
        show_default="the newest store with named classes",
    ),
]
Dataset = Annotated[str | None, option("Known name (see repro-probe datasets) or a folder of images.", DATA, show_default="none")]
Prototypes = Annotated[Prototype, option("What stands for a class: mean of its unit features, or its row of the classifier.", DATA)]
FeaturesKey = Annotated[str | None, option("Name of the features in a file with several arrays.", DATA)]
LabelsKey = Annotated[str | None, option("Name of the labels in a feature file.", DATA)]
Layer = Annotated[str | None, option("stage1..stage4, projector or a module.", DATA, show_default="output before the head")]
WordNet = Annotated[bool, option("WordNet alone (with --minilm: both).", REFERENCES, "--wordnet")]
MiniLM = Annotated[bool, option("The text model alone (with --wordnet: both). Neither: both, text if local.", REFERENCES, "--minilm")]
WordNetDir = Annotated[
    Path | None,
    option(
        "WordNet 3.0 elsewhere: folder, NLTK data, zip; or nltk, system, auto: look for it.", REFERENCES,
        show_default="$REPR_PROBE_WORDNET, else the bundled WordNet 3.0",
    ),
]  # fmt: skip
Synsets = Annotated[Path | None, option("CSV of class and synset (dog.n.01 or n02084071).", REFERENCES, show_default="curated tables, wnids")]
ExactOnly = Annotated[bool, option("Leave out classes whose synset is only near or wider.", REFERENCES, "--exact-only")]
Shared = Annotated[bool, option("A class with a wider synset takes it itself, not a new leaf below.", REFERENCES, "--shared-synsets")]
FirstSense = Annotated[bool, option("Guess unknown classes by the first noun sense; each guess is listed.", REFERENCES, "--allow-first-sense")]
TextModel = Annotated[str | None, option("Name or local path for sentence-transformers.", REFERENCES, show_default="all-MiniLM-L6-v2")]
Template = Annotated[str | None, option("Text around the class name, with {}.", REFERENCES, show_default="a photo of a {}.")]
Download = Annotated[bool, option("Fetch a text model that is not local.", REFERENCES, "--allow-download")]
ChosenLinkage = Annotated[Linkage, option("Of both dendrograms; changes the cophenetic numbers up to fourfold.", STATISTICS)]
Permutations = Annotated[int, option("Of the Mantel tests; 0 for none.", STATISTICS, min=0)]
Against = Annotated[
    str | None,
    option("A second checkpoint, same options: paired differences.", STATISTICS, metavar="CHECKPOINT", show_default="none"),
]
Out = Annotated[list[Path] | None, option("Also write a file: .json .csv .md .tex .txt .html; repeatable.", OUTPUT, show_default="none")]
FigurePath = Annotated[Path | None, option("Draw dendrogram and heat map: .png .pdf .svg.", OUTPUT, "--figure", show_default="none")]
NoPublished = Annotated[bool, option("Leave the paper's rows out (shown for imagenet).", OUTPUT, "--no-published")]


@takes_encoder_options
def semantic_command(
    checkpoint: Source = None,
    dataset: Dataset = None,
    split: Split = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    verify_data: VerifyData = False,
    features_key: FeaturesKey = None,
    labels_key: LabelsKey = None,
    source: Prototypes = Prototype.centroids,
    layer: Layer = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    wordnet: WordNet = False,
    minilm: MiniLM = False,
    wordnet_dir: WordNetDir = None,
    synsets: Synsets = None,
    exact_only: ExactOnly = False,
    shared_synsets: Shared = False,
    allow_first_sense: FirstSense = False,
    text_model: TextModel = None,
    template: Template = None,
    allow_download: Download = False,
    linkage: ChosenLinkage = Linkage.average,
    permutations: Permutations = 999,
    against: Against = None,
    device: Device = "auto",
    batch_size: BatchSize = 64,
    workers: Workers = None,
    seed: Seed = 0,
    fresh: Fresh = False,
    store: Store = None,
    json: AsJson = False,
    csv: AsCsv = False,
    markdown: AsMarkdown = False,
    latex: AsLatex = False,
    html: AsHtml = False,
    out: Out = None,
    figure: FigurePath = None,
    no_published: NoPublished = False,
    fail_on_: FailOn = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare how classes lie to each other with WordNet and with a text model: Table IV of HyDeS, with Mantel tests and intervals.

    Example: repro-probe semantic resnet50.pth --dataset imagenet --wordnet --minilm
    """
    kind = stdout_format(json=json, csv=csv, markdown=markdown, latex=latex, html=html)
    outputs, conditions = _checked_outputs(out, figure), parse_conditions(fail_on_)
    from repr_probe.workflows.semantic import semantic

    with shown(quiet):
        report = semantic(
            checkpoint,
            dataset=dataset,
            split=split,
            data_root=data_root,
            layer=layer,
            device=device,
            batch_size=batch_size,
            workers=workers,
            limit=limit,
            fresh=fresh,
            verify_data=verify_data,
            source=source.value,
            wordnet=wordnet,
            minilm=minilm,
            wordnet_dir=wordnet_dir,
            exact_only=exact_only,
            shared_synsets=shared_synsets,
            allow_first_sense=allow_first_sense,
            synsets=synsets,
            text_model=text_model,
            template=template,
            allow_download=allow_download,
            linkage=linkage.value,
            permutations=permutations,
            against=against,
            seed=seed,
            features_key=features_key,
            labels_key=labels_key,
            store=store,
            **encoder,
        )
    _show(report, outputs, figure, kind, published=not no_published)
    fail_on(conditions, [(report.name, report.measures)])


def _show(report: SemanticReport, outputs: Sequence[Path], figure: Path | None, kind: str, *, published: bool) -> None:
    """Files first: what reads our stdout may leave early."""
    from repr_probe.reports.semantic_write import write_semantic

    rows = published_for(report) if published else ()
    figures = _figures(report) if kind == "html" or any(path.suffix.lower() == ".html" for path in outputs) else ()
    for path in outputs:
        write_semantic(report, path, rows, figures)
    if figure is not None:
        from repr_probe.plots.semantic import save_figure

        save_figure(report, figure)
    say(_rendered(report, rows, figures, kind))


def _figures(report: SemanticReport) -> tuple[tuple[str, bytes], ...]:
    """What a page holds beside its tables."""
    from repr_probe.plots.figures import file_contents
    from repr_probe.plots.semantic import class_figure

    return (("Dendrogram of the classes, and cosines of their prototypes in the order of WordNet's leaves", file_contents(class_figure(report))),)


def published_for(report: SemanticReport) -> tuple[PublishedRow, ...]:
    """The paper's rows for the data set of the report."""
    from repr_probe.published.table4 import published_alignment

    return published_alignment(str(report.provenance.get("dataset", "")))


def _checked_outputs(paths: Sequence[Path] | None, figure: Path | None) -> list[Path]:
    """Refuse an unknown suffix before the work, not after."""
    from repr_probe.reports.semantic_write import check_suffix

    for path in paths or ():
        check_suffix(path)
    if figure is not None:
        from repr_probe.plots.figures import check_figure

        check_figure(figure)
    return list(paths or ())


def _rendered(report: SemanticReport, published: Sequence[PublishedRow], figures: Sequence[tuple[str, bytes]], kind: str) -> str:
    if kind == "text":
        from repr_probe.reports.semantic_formats import to_text

        return to_text(report, published, terminal_width())
    from repr_probe.reports.semantic_write import RENDERERS

    return RENDERERS[SUFFIXES[kind]](report, published, figures)
