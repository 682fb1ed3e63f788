"""The checkpoints of a run while it lasts: all that the rest of it depends on, written by the first rank, taken up again by every rank."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repr_probe import progress
from repr_probe.errors import StoreError, UsageError
from repr_probe.training.averages import Averages
from repr_probe.training.config import TrainConfig
from repr_probe.training.parts import Parts
from repr_probe.training.ranks import Ranks
from repr_probe.training.run_folder import RunFolder
from repr_probe.training.run_state import read_state
from repr_probe.training.stepper import Stepper
from repr_probe.training.stopping import CollapseWatch


class Checkpoints:
    """Keeps the stepper, the averages of the epoch and the watch for a collapse. newest: the last one written or taken up, None before."""

    def __init__(
        self, config: TrainConfig, folder: RunFolder, ranks: Ranks, parts: Parts, stepper: Stepper, averages: Averages, collapse: CollapseWatch
    ) -> None:
        self.config, self.folder, self.ranks = config, folder, ranks
        self.epoch_steps, self.n_images, self.fingerprint = parts.feed.n_steps, parts.n_images, parts.fingerprint
        self.stepper, self.averages, self.collapse = stepper, averages, collapse
        self.newest: Path | None = None

    def __str__(self) -> str:
        """For the end of a message."""
        return f"the last good checkpoint is {self.newest}" if self.newest else "there is no checkpoint yet"

    def save(self, step: int) -> None:
        """Write the state after `step` updates; nothing is done where that is the newest one. Raises StoreError where the disk refuses."""
        if self.newest != self.folder.checkpoint_path(step):
            self.newest = self.ranks.first_does(lambda: self._write(step))

    def _write(self, step: int) -> Path:
        try:
            return self.folder.save_checkpoint(self.state(step), keep=self.config.keep)
        except StoreError as failure:
            raise StoreError(f"{failure}; {self}") from failure

    def state(self, step: int) -> dict[str, Any]:
        """Plain values and tensors."""
        return {
            "config": self.config.to_dict(),
            "model": self.stepper.objective.state_dict(),
            "optimiser": self.stepper.optimiser.state_dict(),
            "step": step,
            "epoch": step // self.epoch_steps,
            "averages": self.averages.state(),
            "collapse_count": self.collapse.count,
            "rng": {"seed": self.config.seed, "rule": "every generator is seeded anew for each step, from (seed, step, rank)"},
            "data": {"fingerprint": self.fingerprint, "n_images": self.n_images},
            "world_size": self.ranks.world_size,
        }

    def take_up(self) -> int:
        """Go back to the newest whole checkpoint; the updates made until then, 0 where there is none.

        Raises UsageError for one of another data set, FileFormatError where there are checkpoints and none is whole.
        """
        path = self.ranks.first_does(self.folder.latest_checkpoint)
        if path is None:
            return 0
        state = read_state(path)
        self._check(path, state)
        self.stepper.objective.load_state_dict(state["model"])
        self.stepper.optimiser.load_state_dict(state["optimiser"])
        self.averages.restore(state["averages"])
        self.collapse.count = int(state["collapse_count"])
        self.newest = path
        progress.note(f"going on from {path.name}, step {state['step']} of {self.stepper.total_steps}")
        return int(state["step"])

    def _check(self, path: Path, state: Mapping[str, Any]) -> None:
        was = state["data"]
        if was["n_images"] != self.n_images:
            raise UsageError(f"dataset must be the one of {path}; got {self.n_images} images, {was['n_images']} then")
        if was["fingerprint"] != self.fingerprint:
            progress.note("the data set's files have other times, sizes or names than when the run began")
        if state["world_size"] != self.ranks.world_size:
            progress.note(f"{self.ranks.world_size} processes now, {state['world_size']} before: the views will be other draws")
