"""repro-probe train: HyDeS and its relatives, from a data set to an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repr_probe.errors import ReprProbeError, UsageError

from .columns import aligned
from .display import shown
from .failures import INTERRUPTED
from .options import DATA, OUTPUT, RUN, DataRoot, Debug, Limit, Quiet, option
from .output import say

if TYPE_CHECKING:
    from repr_probe.workflows.train import RunResult

RECIPE = "Recipe"
_FILE = "the configuration's"

Method = Annotated[
    str | None,
    option("hydes, supervised, simclr, byol, swav, barlow-twins, vicreg, dino or resa.", RECIPE, show_default="hydes"),
]  # fmt: skip
Dataset = Annotated[str | None, option("Known name (see repro-probe datasets) or a folder of images.", DATA, show_default=_FILE)]
Config = Annotated[Path | None, option("Read the configuration from a TOML file.", RECIPE, metavar="FILE.toml", show_default="none")]
Preset = Annotated[str | None, option("A configuration that comes along: hydes-digits or hydes-cifar10.", RECIPE, show_default="none")]
Set = Annotated[
    list[str] | None,
    option("Any setting or option of the method, kappa=10 or projector=512,128; repeatable.", RECIPE, "--set", metavar="KEY=VALUE"),
]
Arch = Annotated[str | None, option("Network: torchvision:resnet18, timm:vit_tiny_patch16_224 ...", RECIPE, show_default="by data set")]
Stem = Annotated[str | None, option("imagenet or cifar: the first layers of a ResNet.", RECIPE, show_default="by image size")]
Epochs = Annotated[int | None, option("Passes over the data.", RECIPE, min=1, show_default="100")]
BatchSize = Annotated[int | None, option("Images of a step, over all processes.", RECIPE, show_default="128; 512 for imagenet")]
RunSeed = Annotated[int | None, option("Seed of weights, order and views.", RUN, min=0, show_default="0")]
RunDevice = Annotated[str | None, option("auto, cpu, cuda, cuda:1 or mps.", RUN, show_default="auto")]
RunWorkers = Annotated[int | None, option("Processes that decode images.", RUN, min=0, show_default="by cores and images")]
Resume = Annotated[
    str | None, option("auto: go on if the folder has a run; or a run's folder or newest checkpoint.", RUN, metavar="auto|PATH", show_default="no")
]
Sweep = Annotated[
    list[str] | None,
    option("Train once for every value, into folders of their own; repeatable.", RECIPE, "--sweep", metavar="KEY=V1,V2", show_default="one run"),
]
DryRun = Annotated[bool, option("Two steps in memory; nothing is written.", RUN, "--dry-run")]
Out = Annotated[Path | None, option("Folder of the run.", OUTPUT, metavar="FOLDER", show_default="runs/NAME")]
TensorBoard = Annotated[bool, option("Write TensorBoard events too.", OUTPUT, "--tensorboard")]


def train_command(
    dataset: Dataset = None,
    method: Method = None,
    config: Config = None,
    preset: Preset = None,
    set_: Set = None,
    sweep: Sweep = None,
    arch: Arch = None,
    stem: Stem = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    resume: Resume = None,
    dry_run: DryRun = False,
    device: RunDevice = None,
    workers: RunWorkers = None,
    seed: RunSeed = None,
    out: Out = None,
    tensorboard: TensorBoard = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train an encoder and watch its geometry; leaves a folder with checkpoints, metrics and the backbone. Works under torchrun.

    Example: repro-probe train --dataset digits --method hydes --epochs 20 --set kappa=10
    """
    from repr_probe.workflows.train import chosen_config, is_first_process, train

    written: dict[str, Any] = {
        "dataset": dataset, "method": method, "arch": arch, "stem": stem, "epochs": epochs, "batch_size": batch_size, "limit": limit,
        "data_root": None if data_root is None else str(data_root), "device": device, "workers": workers, "seed": seed,
    }  # fmt: skip
    if sweep:
        _require_alone({"resume": resume is not None, "dry-run": dry_run, "tensorboard": tensorboard})
    with shown(quiet or not is_first_process()):
        chosen = chosen_config(config, preset, resume, written, texts=set_ or ())
        if sweep:
            from repr_probe.workflows.sweep import sweep as run_sweep

            swept = run_sweep(chosen, sweep, out=out)
            lines, stopped, failures = [aligned(swept.table()), str(swept.folder)], swept.stopped_by, swept.failures
        else:
            result = train(chosen, out=out, resume=resume, dry_run=dry_run, tensorboard=tensorboard)
            lines, stopped, failures = [_line(result)], result.stopped_by, {}
    if is_first_process():
        for line in lines:
            say(line)
    if stopped is not None:
        raise typer.Exit(INTERRUPTED)
    if failures:
        raise ReprProbeError(f"every run of the sweep must end well; got {len(failures)} that failed: {', '.join(failures)}; sweep.csv says why")


def _require_alone(given: dict[str, bool]) -> None:
    """A sweep goes on by itself when it is asked again, and has many runs."""
    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"--{name} must go with a single run; got it beside --sweep")


def _line(result: RunResult) -> str:
    names = ("loss", "mutual_information", "knn_top1", "linear_top1")
    numbers = "".join(f"  {name} {result.values[name]:.4g}" for name in names if name in result.values)
    place = "dry run" if result.checkpoint is None else str(result.checkpoint.parent)
    end = f"  stopped by {result.stopped_by}" if result.stopped_by is not None else ""
    return f"{place}  step {result.step} of {result.total_steps}{numbers}{end}"
