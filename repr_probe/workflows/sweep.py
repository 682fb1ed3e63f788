"""sweep: the same training with one setting or several varied, in sequence; one table and one figure (`repro-probe train --sweep`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe import progress
from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.monitor.series import FILE, Series, read_series
from repr_probe.monitor.series_formats import SHOWN, column_head, shown

if TYPE_CHECKING:
    from repr_probe.training.config import TrainConfig
    from repr_probe.training.sweep import SweepRun

RESULTS, FIGURE = "sweep.csv", "curves.png"
_SEED = "seed"


@dataclass(frozen=True)
class SweepResult:
    """folder: what holds the folders of the runs, sweep.csv and curves.png.  runs: all of them, in order.

    series: the log of every run that has one.  failures: name of a run -> why it ended.
    stopped_by: the signal that ended the sweep early, None for one that is done.
    """

    folder: Path
    runs: Sequence[SweepRun]
    series: Mapping[str, Series]
    failures: Mapping[str, str] = field(default_factory=dict)
    stopped_by: str | None = None

    def table(self) -> list[list[str]]:
        """Head and rows of texts: a row a setting, its last numbers as mean ± SD (n - 1) over its seeds."""
        names = [name for name in self.runs[0].settings if name != _SEED]
        held = {key for one in self.series.values() for key in one.names()}
        keys = [key for key in SHOWN if key in held]
        groups: dict[str, list[SweepRun]] = {}
        for run in self.runs:
            groups.setdefault(setting_name(run), []).append(run)
        rows = [[*names, "runs", "epochs", *map(column_head, keys)]]
        for runs in groups.values():
            logs = [self.series[run.name] for run in runs if run.name in self.series]
            epochs = {_epochs(log) for log in logs}
            said = "" if not logs else f"{min(epochs):g}" if len(epochs) == 1 else f"{min(epochs):g}-{max(epochs):g}"
            failed = f" ({sum(run.name in self.failures for run in runs)} failed)" if any(run.name in self.failures for run in runs) else ""
            rows.append([*(_said(runs[0].settings[name]) for name in names), f"{len(logs)}{failed}", said,
                         *(mean_sd(key, [log.last(key) for log in logs]) for key in keys)])  # fmt: skip
        return rows

    def to_csv(self) -> str:
        """A row a run: its settings, and the last value of every number in full."""
        keys = list(dict.fromkeys(key for one in self.series.values() for key in one.names()))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["run", *self.runs[0].settings, "epoch", *keys, "failure"])
        for run in self.runs:
            log = self.series.get(run.name)
            values = ["" if log is None or (last := log.last(key)) is None else repr(last) for key in keys]
            epoch = "" if log is None else f"{_epochs(log):g}"
            writer.writerow([run.name, *map(_said, run.settings.values()), epoch, *values, self.failures.get(run.name, "")])
        return text.getvalue()


def sweep(config: TrainConfig, axes: Mapping[str, Sequence[Any]] | Sequence[str], *, out: str | Path | None = None) -> SweepResult:
    """Train once for every combination of the values in `axes`, one run after another, each in a folder of its own below `out`.

    config: what the runs have in common.  axes: setting or option of the method -> its values ({"kappa": [1, 10], "seed": [0, 1]}), or
    texts as `--sweep` takes them ("kappa=1,10").  out: default runs/NAME-sweep.
    Asked again, the sweep goes on: finished runs are left as they are, an unfinished one continues at its newest checkpoint. A run that fails
    (a loss that is not a number, a collapse) is noted and the others go on; a signal ends the sweep after a checkpoint. After every run
    sweep.csv and curves.png are written anew: every panel a number over epochs, a line a setting, mean and SD over seeds.

    Raises UsageError before anything is trained for settings that cannot be, and for a folder whose runs have another configuration.
    """
    from repr_probe.training.stopping import TrainingFailure
    from repr_probe.training.sweep import parse_sweep, sweep_runs
    from repr_probe.workflows.train import RUNS, is_first_process, train

    runs = sweep_runs(config, axes if isinstance(axes, Mapping) else parse_sweep(axes))
    folder = Path(out) if out is not None else RUNS / f"{config.name or f'{config.method}-{Path(config.dataset).name}'}-sweep"
    done = {run.name for run in runs if _is_finished(folder / run.name, run)}
    failures: dict[str, str] = {}
    result = _result(folder, runs, failures, None)
    for number, run in enumerate(runs, start=1):
        if run.name in done:
            progress.note(f"run {number} of {len(runs)}, {run.name}: finished before")
            continue
        progress.note(f"run {number} of {len(runs)}, {run.name}")
        stopped = None
        try:
            stopped = train(run.config, out=folder / run.name, resume="auto").stopped_by
        except TrainingFailure as failure:
            failures[run.name] = str(failure)
            progress.note(f"{run.name} failed: {failure}")
        result = _result(folder, runs, failures, stopped)
        if is_first_process():
            _write(result)
        if stopped is not None:
            break
    if is_first_process() and not (folder / FIGURE).exists():
        _write(result)
    return result


def setting_name(run: SweepRun) -> str:
    """What a run has in common with those that differ by seed alone."""
    return "_".join(f"{name}={value}" for name, value in run.settings.items() if name != _SEED)


def mean_sd(key: str, values: Sequence[float | None]) -> str:
    """The mean of the values with the decimals of `key`, and their SD where there are several.

    >>> mean_sd("knn_top1", [0.5, 0.52, None]), mean_sd("effective_rank", [41.26]), mean_sd("loss", [])
    ('51.0 ± 1.4', '41.3', '')
    """
    import statistics

    known = [value for value in values if value is not None]
    if not known:
        return ""
    mean = shown(key, statistics.fmean(known))
    return mean if len(known) == 1 else f"{mean} ± {shown(key, statistics.stdev(known))}"


def _is_finished(folder: Path, run: SweepRun) -> bool:
    """Whether the run is in its folder, whole; UsageError where another one is."""
    from repr_probe.training.config import differences
    from repr_probe.training.run_folder import RunFolder

    there = RunFolder(folder)
    if not there.config_file.exists():
        return False
    changed = differences(there.config(), run.config)
    if changed:
        raise UsageError(f"out must hold runs of this sweep; {folder} has another configuration: {'; '.join(changed)}; give another folder")
    return there.card_file.exists()  # the last that a run writes


def _result(folder: Path, runs: Sequence[SweepRun], failures: Mapping[str, str], stopped: str | None) -> SweepResult:
    found: dict[str, Series] = {}
    for run in runs:
        if (folder / run.name / FILE).exists():
            try:
                found[run.name] = read_series(folder / run.name, name=run.name)
            except ReprProbeError as failure:
                progress.note(f"{run.name} is left out of the table: {failure}")
    return SweepResult(folder, tuple(runs), found, dict(failures), stopped)


def _write(result: SweepResult) -> None:
    from repr_probe.files.atomic import atomic_write
    from repr_probe.plots.figures import save_figure
    from repr_probe.workflows.dynamics import PANELS, draw_dynamics

    atomic_write(result.folder / RESULTS, result.to_csv())
    drawn = [one for one in result.series.values() if any(key in one.names() for key in PANELS)]
    if drawn:
        save_figure(draw_dynamics(drawn, over="epoch"), result.folder / FIGURE)


def _epochs(log: Series) -> float:
    return log.last("epoch") or 0.0


def _said(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
