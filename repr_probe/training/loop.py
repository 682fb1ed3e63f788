"""The training loop: epochs of steps, checkpoints, evaluation, and an end that can be gone on from."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from repr_probe import progress
from repr_probe.training.averages import Averages
from repr_probe.training.checkpoints import Checkpoints
from repr_probe.training.config import TrainConfig
from repr_probe.training.export import write_backbone
from repr_probe.training.memory import explained_memory
from repr_probe.training.parts import Assemble, Parts
from repr_probe.training.precision import tuned_convolutions
from repr_probe.training.ranks import Ranks, joined
from repr_probe.training.readings import STOP, Reading
from repr_probe.training.run_folder import RunFolder
from repr_probe.training.run_log import RunLog, epoch_line, rate_values, require_tensorboard
from repr_probe.training.stepper import Stepper
from repr_probe.training.stopping import CollapseWatch, StopRequest, TrainingFailure, not_finite
from repr_probe.training.throughput import Throughput

DRY_RUN_STEPS = 2
# Steps whose numbers may still be on their way: a GPU computes the next step meanwhile, a CPU would gain nothing.
LAG = {"cuda": 1}


class Monitor(Protocol):
    """Measures a model on a fixed probe set and leaves it, and all random states, as they were."""

    def __call__(self, model: Any, step: int | None = None) -> dict[str, float]: ...


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    step: updates made, of total_steps.  stopped_by: the signal that ended it early, None for a run that is done.
    values: the last epoch's means, rates and evaluation (of a dry run: of its steps); {} before the first epoch's end.
    checkpoint: the newest; None for a dry run.  images_per_s, wait: over the steps of this process.  peak_bytes: of a CUDA device's memory.
    """

    step: int
    total_steps: int
    stopped_by: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    checkpoint: Path | None = None
    images_per_s: float = 0.0
    wait: float = 0.0
    peak_bytes: int | None = None

    @property
    def done(self) -> bool:
        return self.step == self.total_steps


def run_training(
    config: TrainConfig,
    folder: RunFolder,
    *,
    resume: bool,
    dry_run: bool = False,
    monitor: Monitor | None = None,
    tensorboard: bool = False,
    assemble: Assemble | None = None,
) -> RunResult:
    """Train as `config` says into `folder`; under torchrun, call it in every process.

    resume: go on from the newest whole checkpoint, if there is one: with the very numbers of a run that was never interrupted (bit for bit
        on a CPU with the same number of threads and processes).  dry_run: two steps, nothing is written.
    monitor: called with the objective before the first step, every `config.eval_every` epochs and at the end.
    tensorboard: write events beside metrics.jsonl.  assemble: builds other parts than those that `config` describes: a feed, network or
        objective of one's own.

    SIGTERM or Ctrl-C ends the run after the step with a checkpoint (`RunResult.stopped_by`). Raises TrainingFailure on every rank when a
    loss or gradient is not finite or the features collapse, OutOfMemory with a batch size to try, StoreError when the disk refuses:
    checkpoints already written stay as they are.
    """
    with ExitStack() as world:
        ranks = world.enter_context(joined(config.device))
        world.enter_context(tuned_convolutions(ranks.device))
        devices = [ranks.device] if ranks.device.type == "cuda" else []
        world.enter_context(torch.random.fork_rng(devices=devices))
        if tensorboard:
            require_tensorboard()
        old = not dry_run and ranks.first_does(folder.config_file.exists)
        if old:  # what stands against going on is said before the data set is read
            ranks.first_does(lambda: folder.begin(config, resume=resume))
        world.enter_context(explained_memory(batch_size=config.batch_size, world_size=ranks.world_size, device=ranks.device))
        parts = (assemble or _usual_assembly())(config, ranks)
        stop = world.enter_context(StopRequest())  # until here there is nothing to save, and a signal ends the process at once
        run = Run(config, folder, ranks, parts, stop, monitor=monitor, dry_run=dry_run)
        if not dry_run and not old:  # and a folder is made only for a run that can begin
            ranks.first_does(lambda: folder.begin(config, resume=resume))
        if resume and not dry_run:
            run.go_on()
        run.open_log(tensorboard=tensorboard)
        world.callback(run.close)
        return run.rehearse() if dry_run else run.train()


class Run:
    """One process of a run while it lasts."""

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        ranks: Ranks,
        parts: Parts,
        stop: StopRequest,
        *,
        monitor: Monitor | None = None,
        dry_run: bool = False,
    ) -> None:
        self.config, self.folder, self.ranks, self.stop, self.monitor = config, folder, ranks, stop, monitor
        self.feed, self.epoch_steps = parts.feed, parts.feed.n_steps
        self.stepper = Stepper(parts.objective, config, ranks, steps_per_epoch=self.epoch_steps)
        self.total_steps = self.stepper.total_steps
        self.step = 0
        self.last_step = min(DRY_RUN_STEPS, self.total_steps) if dry_run else self.total_steps
        self.dry_run = dry_run
        self.stopping = False
        self.averages, self.collapse, self.watch = Averages(), CollapseWatch(), Throughput()
        self.values: dict[str, float] = {}
        self.checkpoints = Checkpoints(config, folder, ranks, parts, self.stepper, self.averages, self.collapse)
        self.log = RunLog(None)
        self.lag = LAG.get(ranks.device.type, 0)
        self.readings: deque[Reading] = deque()

    # --- from start to end

    def train(self) -> RunResult:
        if self.step == 0:
            self._evaluate_start()
        with progress.task(f"training {self.config.method}", self.total_steps) as advance:
            advance(self.step)
            if self.averages and self.step % self.epoch_steps == 0:
                self._close_epoch()  # stopped after the last step of an epoch, before its line
            while self.step < self.total_steps and not self.stopping:
                self._take_epoch(advance)
                if not self.stopping or self.step == self.total_steps:
                    self._close_epoch()
        if self.step == self.total_steps:
            self.ranks.first_does(self._export)
        else:
            self._save()
            progress.note(f"stopped at step {self.step} of {self.total_steps}; go on with --resume {self.folder.path}")
        return self._result()

    def rehearse(self) -> RunResult:
        """The first steps, in memory only."""
        while self.step < self.last_step and not self.stopping:
            self._take_epoch(lambda steps: None)
        self.values = self.averages.means()
        return self._result()

    def _result(self) -> RunResult:
        rates = self.watch.overall()
        cuda = self.ranks.device.type == "cuda"
        early = self.stopping and self.step < self.last_step
        return RunResult(
            step=self.step,
            total_steps=self.total_steps,
            stopped_by=(self.stop.name or "a signal to another process") if early else None,
            values=self.values,
            checkpoint=self.checkpoints.newest,
            images_per_s=rates.images_per_s,
            wait=rates.wait,
            peak_bytes=torch.cuda.max_memory_allocated(self.ranks.device) if cuda else None,
        )

    # --- steps

    def _take_epoch(self, advance: Any) -> None:
        """Steps up to the end of the epoch that `step` lies in, or until a stop."""
        epoch, done = divmod(self.step, self.epoch_steps)
        self.stepper.model.train()
        self.watch.skip()
        for batch in self.feed.epoch(epoch, start_step=done):
            self.readings.append(self.stepper.take(batch, self.step, stop=self.stop.name is not None))
            self.step += 1
            advance(1)
            self._settle(self.lag)
            if self.stopping or self.step == self.last_step:
                break
            if self._is_due(self.config.checkpoint_steps) and self.step % self.epoch_steps:
                self._save()
        self._settle(0)

    def _settle(self, left: int) -> None:
        """Judge and log the readings but for the newest `left`."""
        while len(self.readings) > left:
            reading = self.readings.popleft()
            values = reading.values()
            self.stopping |= values.pop(STOP) > 0
            self._judge(values, reading.step)
            self.averages.add(values)
            rates = self.watch.step(images=self.config.batch_size, waited=reading.waited)
            values |= {"learning_rate": reading.learning_rate, **rate_values(rates)}
            epoch = (reading.step - 1) // self.epoch_steps + 1
            self.log.record("step", step=reading.step, epoch=epoch, values=values)
            left_over = self.config.batch_size * (self.total_steps - reading.step)
            self.log.note_speed(self.watch, step=reading.step, total_steps=self.total_steps, images_left=left_over, loss=values["loss"])

    def _judge(self, values: Mapping[str, float], step: int) -> None:
        """Raise where the run has gone wrong; all ranks have the same values, so all raise."""
        bad = not_finite(values)
        collapsed = not bad and self.collapse.sees(values.get("feature_spread", 1.0))
        if not (bad or collapsed):
            return
        self.readings.clear()
        epoch, batch = divmod(step - 1, self.epoch_steps)
        where = f"step {step} (epoch {epoch + 1}, batch {batch + 1} of {self.epoch_steps})"
        if bad:
            named = ", ".join(f"{name} {values[name]}" for name in bad)
            raise TrainingFailure(f"loss and gradients must be finite; got {named} at {where}; {self.checkpoints}", code="E_NOT_FINITE")
        raise TrainingFailure(
            f"features must differ between images; got the same vector for all of them for {self.collapse.patience} steps up to {where}, "
            f"a collapse; {self.checkpoints}",
            code="E_COLLAPSE",
        )

    # --- epochs

    def _close_epoch(self) -> None:
        """The line of the epoch that has just ended, then its checkpoint."""
        epoch = self.step // self.epoch_steps
        self.values = self.averages.means() | {"learning_rate": self.stepper.learning_rate(self.step - 1)}
        self.values |= rate_values(self.watch.overall())
        last = self.step == self.total_steps
        if last or _divides(self.config.eval_every, epoch):
            self.values |= self._evaluate()
        self.averages.clear()
        self.log.record("epoch", step=self.step, epoch=epoch, values=self.values)
        images_left = self.config.batch_size * (self.total_steps - self.step)
        progress.note(epoch_line(self.values, epoch=epoch, epochs=self.config.epochs, watch=self.watch, images_left=images_left))
        if last or _divides(self.config.checkpoint_every, epoch) or self._is_due(self.config.checkpoint_steps):
            self._save()
        self.stopping = self.ranks.agree(self.stop.name is not None)

    def _evaluate_start(self) -> None:
        """The untrained network, for the curve to start from."""
        values = self._evaluate()
        if values:
            self.log.record("start", step=0, epoch=0, values=values)

    def _evaluate(self) -> dict[str, float]:
        """The monitor's numbers, measured by the first rank; {} without a monitor."""
        monitor = self.monitor
        if monitor is None:
            return {}
        values = self.ranks.first_does(lambda: monitor(self.stepper.objective, step=self.step))
        self.watch.skip()
        return dict(values)

    def _is_due(self, every: int | None) -> bool:
        return _divides(every, self.step)

    # --- files

    def _save(self) -> None:
        """A checkpoint of all steps so far, once each of them is known to be good."""
        self._settle(0)
        self.checkpoints.save(self.step)
        self.watch.skip()

    def go_on(self) -> None:
        """Take up the newest whole checkpoint; a run without one starts at the beginning."""
        self.step = self.checkpoints.take_up()
        kept = self.step if self.checkpoints.newest else -1  # -1: not even the line of the start
        self.values = self.ranks.first_does(lambda: self.folder.rewind_metrics(kept))

    def _export(self) -> None:
        backbone = self.stepper.objective.backbone.state_dict()
        write_backbone(self.folder.backbone_file, backbone, self.config, step=self.step)

    def open_log(self, *, tensorboard: bool) -> None:
        if self.ranks.is_first and not self.dry_run:
            events = self.folder.path / "tensorboard" if tensorboard else None
            self.log = RunLog(self.folder.append_metrics, events=events, purge_from=self.step + 1 if self.step else 0)

    def close(self) -> None:
        self.stepper.spread.remove()
        self.log.close()


def _usual_assembly() -> Assemble:
    """Imported late: own parts need neither data sets nor views."""
    from repr_probe.training.assembly import assemble

    return assemble


def _divides(every: int | None, count: int) -> bool:
    return bool(every) and count % (every or 1) == 0
