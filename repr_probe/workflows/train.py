"""train: a configuration to a trained encoder in its own folder (the command `repro-probe train`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from repr_probe import progress
from repr_probe.errors import UsageError
from repr_probe.files.printable import printable

if TYPE_CHECKING:
    import torch
    from torch import nn

    from repr_probe.monitor.geometry_monitor import GeometryMonitor
    from repr_probe.training.config import TrainConfig
    from repr_probe.training.loop import RunResult
    from repr_probe.training.run_folder import RunFolder

RUNS = Path("runs")
PROBE_IMAGES, BANK_IMAGES = 2_000, 5_000  # of the test and of the training split, drawn class-balanced, the same in every epoch
NOT_RESULTS = ("images_per_s", "wait", "monitor_seconds", "learning_rate", "gradient_norm")  # of the running, not of what was learnt


def train(
    config: TrainConfig | str | Path | None = None,
    *,
    preset: str | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    dry_run: bool = False,
    tensorboard: bool = False,
    **settings: Any,
) -> RunResult:
    """Train an encoder; under torchrun, call it in every process.

    config: a configuration or a TOML file; preset: the name of one that comes with the package.  settings: fields of `TrainConfig` and
    options of its method, on top (`train(dataset="digits", method="hydes", kappa=10.0)`).
    out: the folder of the run, default runs/NAME (the configuration's name, else METHOD-DATASET).
    resume: "auto" goes on where the folder has a run and begins one where it has none; a path is such a folder or its newest checkpoint.
    dry_run: two steps in memory, nothing is written.  tensorboard: events beside metrics.jsonl.

    The folder has config.toml, metrics.jsonl (every step and every epoch: loss, its parts, and on a fixed probe set the geometry, kNN and
    linear accuracy), ckpt_*.pt and, at the end, backbone.safetensors and card.md. Checkpoints and backbone open by name in `load_encoder`.
    Raises UsageError, CheckpointError, DatasetError, StoreError or TrainingFailure, each with one line that says what to do.
    """
    from repr_probe.encoders.devices import resolve_device
    from repr_probe.training.loop import run_training
    from repr_probe.training.run_folder import RunFolder

    chosen = chosen_config(config, preset, resume, settings)
    resolve_device(chosen.device)
    with TemporaryDirectory() as nowhere:
        folder = RunFolder(nowhere) if dry_run else RunFolder(_place(chosen, out, resume))
        if not dry_run and isinstance(resume, str | Path) and Path(resume).suffix == ".pt":
            _require_newest(folder, Path(resume))
        monitor = ProbeMonitor(chosen) if chosen.eval_every and not dry_run else None
        result = run_training(chosen, folder, resume=resume is not None, dry_run=dry_run, monitor=monitor, tensorboard=tensorboard)
        if result.done and not dry_run and is_first_process():
            _write_card(folder, chosen, result)
    return result


def chosen_config(
    config: TrainConfig | str | Path | None,
    preset: str | None,
    resume: str | Path | None,
    settings: Mapping[str, Any],
    *,
    texts: Sequence[str] = (),
) -> TrainConfig:
    """The configuration that a call means; where only a run to go on with is named, that run's own.

    settings: on top of it, None for what was not said; texts: more of them as "key=value", which go before all.
    """
    from repr_probe.training.config import TrainConfig, parse_settings, read_config
    from repr_probe.training.preset_files import preset_file

    if config is not None and preset is not None:
        raise UsageError(f"config and preset must not both be given; got {printable(config)} and {printable(preset)}")
    given = {name: value for name, value in settings.items() if value is not None} | parse_settings(texts)
    if isinstance(config, TrainConfig):
        if given:
            raise UsageError(f"{next(iter(given))} must be in the configuration when a whole one is given; got it beside one")
        return config
    file = preset_file(preset) if preset is not None else config
    if file is None and resume not in (None, "auto"):
        file = _run_of(Path(str(resume))) / "config.toml"
        if not file.exists():
            raise UsageError(f"resume must be auto, the folder of a run or a checkpoint in it; got {resume}, where there is no config.toml")
    return read_config(file, given)


def is_first_process() -> bool:
    """Whether this is the one process of a torchrun that writes and speaks; the only process always is."""
    return os.environ.get("RANK", "0") == "0"


class ProbeMonitor:
    """A GeometryMonitor on the run's own data set; its images are read at the first call, so only by the process that measures."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self._monitor: GeometryMonitor | None = None

    def __call__(self, model: nn.Module, step: int | None = None) -> dict[str, float]:
        if self._monitor is None:
            self._monitor = _open_monitor(self.config)
        return self._monitor(model, step=step)


def _open_monitor(config: TrainConfig) -> GeometryMonitor:
    from repr_probe.datasets.open import open_dataset
    from repr_probe.datasets.transform import normalise_pixels
    from repr_probe.monitor.encode import encode
    from repr_probe.monitor.geometry_monitor import GeometryMonitor
    from repr_probe.monitor.probe_set import probe_set
    from repr_probe.training.networks import input_of_run

    spec = input_of_run(config)
    held = open_dataset(config.dataset, spec, data_root=config.data_root)
    learnt = open_dataset(config.dataset, spec, split=config.split, data_root=config.data_root)
    probe = probe_set(held, limit=min(PROBE_IMAGES, len(held)), pixels=True)
    bank = None
    if learnt.labels is not None and held.labels is not None and learnt.split != held.split:
        bank = probe_set(learnt, limit=min(BANK_IMAGES, len(learnt)), pixels=True)

    def encode_pixels(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return encode(model, normalise_pixels(images, spec))

    return GeometryMonitor(*probe, bank=bank, encode=encode_pixels, device=config.device)


def _place(config: TrainConfig, out: str | Path | None, resume: str | Path | None) -> Path:
    if resume in (None, "auto"):
        from repr_probe.training.export import data_name

        name = config.name or f"{config.method}-{data_name(config).replace(':', '-')}"
        return Path(out) if out is not None else RUNS / name
    run = _run_of(Path(str(resume)))
    if out is not None and Path(out).resolve() != run.resolve():
        raise UsageError(f"out must be the run that is resumed, or left out; got {out} and {run}")
    return run


def _run_of(resume: Path) -> Path:
    return resume.parent if resume.suffix == ".pt" else resume


def _require_newest(folder: RunFolder, checkpoint: Path) -> None:
    """To go on from an older checkpoint would run over what came after it."""
    present = folder.checkpoints()
    if not checkpoint.exists():
        raise UsageError(f"resume must be auto, the folder of a run or a checkpoint in it; got {checkpoint}, and nothing is there")
    if present and present[-1].name != checkpoint.name:
        raise UsageError(f"resume must be the newest checkpoint of its run; got {checkpoint.name}, and there is {present[-1].name}; move it away")


def _write_card(folder: RunFolder, config: TrainConfig, result: RunResult) -> None:
    from repr_probe.files.atomic import atomic_write
    from repr_probe.files.safe_tensors import read_safetensors
    from repr_probe.training.export import model_card
    from repr_probe.training.run_state import read_state, versions

    tensors, _ = read_safetensors(folder.backbone_file)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    facts: dict[str, Any] = {"steps": result.step, "versions": versions()}
    if result.checkpoint is not None:
        facts["data"] = read_state(result.checkpoint).get("data", {})
    card = model_card(
        config,
        name=config.name or folder.path.name,
        n_parameters=sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith(buffers)),
        results={name: value for name, value in result.values.items() if name not in NOT_RESULTS},
        start=next((record for record in folder.metrics() if record.get("kind") == "start"), None),
        facts=facts,
    )
    atomic_write(folder.card_file, card)
    progress.note(f"written: {folder.backbone_file} and {folder.card_file}")
