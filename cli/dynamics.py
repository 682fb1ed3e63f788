"""repro-probe dynamics: how the geometry changed while an encoder learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repr_probe.errors import UsageError

from .columns import aligned
from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .geometry import MEASURES, Preset
from .options import DATA, ENCODER, OUTPUT, BatchSize, DataRoot, Debug, Device, Fresh, Limit, Quiet, Seed, Split, Store, Workers, option
from .output import say

if TYPE_CHECKING:
    from repr_probe.monitor.series import Series

Runs = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="Folders of runs (or their metrics.jsonl); with --dataset checkpoints, or folders of runs."),
]
Dataset = Annotated[str | None, option("Measure checkpoints anew on this data set.", DATA, show_default="read metrics.jsonl")]
Bank = Annotated[str | None, option("Split from which kNN and the linear probe learn.", DATA, metavar="SPLIT", show_default="the images themselves")]
BankLimit = Annotated[int | None, option("Use N images of the bank, drawn class-balanced.", DATA, min=1, metavar="N", show_default="all")]
Layer = Annotated[str | None, option("stage1..stage4, projector or a module.", ENCODER, show_default="output before the head")]
ChosenPreset = Annotated[Preset, option("paper: Table III; default: with what is needed to read it; full: everything.", MEASURES)]
NoProbes = Annotated[bool, option("Leave out kNN and the linear probe.", MEASURES, "--no-probes")]
Measure = Annotated[list[str] | None, option("Show and draw this number; repeatable.", OUTPUT, metavar="NAME", show_default="the well-known ones")]
Over = Annotated[str, option("Draw over step or epoch.", OUTPUT, metavar="step|epoch")]
Out = Annotated[list[Path] | None, option("Also write every number: .json or .csv; repeatable.", OUTPUT, show_default="none")]
FigureFile = Annotated[Path | None, option("Draw learning curves: .png, .pdf or .svg.", OUTPUT, show_default="none")]


@takes_encoder_options
def dynamics_command(
    runs: Runs,
    dataset: Dataset = None,
    split: Split = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    bank: Bank = None,
    bank_limit: BankLimit = None,
    layer: Layer = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    preset: ChosenPreset = Preset.default,
    no_probes: NoProbes = False,
    device: Device = "auto",
    batch_size: BatchSize = 64,
    workers: Workers = None,
    seed: Seed = 0,
    fresh: Fresh = False,
    store: Store = None,
    measure: Measure = None,
    over: Over = "step",
    out: Out = None,
    figure: FigureFile = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show how geometry and accuracy changed while an encoder learned: from the log of a run, or anew from any series of checkpoints.

    Example: repro-probe dynamics runs/*/ckpt_*.pt --dataset cifar10 --limit 2000 --figure curves.png
    """
    _check_files(out or [], figure, over)
    from repr_probe.workflows.dynamics import draw_dynamics, dynamics

    with shown(quiet):
        series = dynamics(
            runs,
            dataset=dataset,
            split=split,
            data_root=data_root,
            limit=limit,
            bank=bank,
            bank_limit=bank_limit,
            layer=layer,
            device=device,
            batch_size=batch_size,
            workers=workers,
            seed=seed,
            preset=preset.value,
            knn=not no_probes,
            linear=not no_probes,
            fresh=fresh,
            store=store,
            **encoder,
        )
        _write(series, out or [])
        if figure is not None:
            from repr_probe.plots.figures import save_figure

            save_figure(draw_dynamics(series, measure, over=over), figure)
    say(_table(series, measure))


def _check_files(out: list[Path], figure: Path | None, over: str) -> None:
    """Refuse an unknown suffix before the work, not after."""
    from repr_probe.monitor.series import AXES
    from repr_probe.monitor.series_formats import check_suffix
    from repr_probe.plots.figures import check_figure

    for path in out:
        check_suffix(path)
    if figure is not None:
        check_figure(figure)
    if over not in AXES:
        raise UsageError(f"--over must be {' or '.join(AXES)}; got {over!r}")


def _write(series: list[Series], paths: list[Path]) -> None:
    from repr_probe.monitor.series_formats import write_series

    for path in paths:
        write_series(series, path)


def _table(series: list[Series], measures: list[str] | None) -> str:
    from repr_probe.monitor.series_formats import to_rows

    for name in measures or []:
        if not any(name in one.names() for one in series):
            series[0].curve(name)  # raises, with the nearest names
    return aligned(to_rows(series, measures or None))
