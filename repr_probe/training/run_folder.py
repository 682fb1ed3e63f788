"""The folder of a run: config.toml, metrics.jsonl, ckpt_<step>.pt and, at the end, backbone.safetensors and card.md."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from repr_probe import progress
from repr_probe.errors import FileFormatError, UsageError
from repr_probe.files.atomic import atomic_write, explained
from repr_probe.training.config import TrainConfig, differences, read_config
from repr_probe.training.run_log import RECORD_KEYS
from repr_probe.training.run_state import read_state, save_state

CHECKPOINT = re.compile(r"ckpt_(\d+)\.pt")


class RunFolder:
    """One run on disk. Nothing in it is ever half written, and a checkpoint is removed only when newer ones are whole."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.toml"
        self.metrics_file = self.path / "metrics.jsonl"
        self.backbone_file = self.path / "backbone.safetensors"
        self.card_file = self.path / "card.md"

    def begin(self, config: TrainConfig, *, resume: bool) -> None:
        """Make the folder ready for a run; with `resume` for one that goes on.

        Raises UsageError where a new run would run over an old one, and where the old one has another configuration (which fields differ).
        """
        if self.checkpoints() or self.metrics_file.exists():  # a configuration alone is a run that could not begin
            if not resume:
                raise UsageError(f"out must be a new folder; got {self.path}, which holds a run; give --resume auto to go on, or another name")
            changed = differences(read_config(self.config_file), config)
            if changed:
                raise UsageError(f"resume must go on with the same configuration; {self.path} has another: {'; '.join(changed)}")
        atomic_write(self.config_file, config.to_toml())

    def config(self) -> TrainConfig:
        return read_config(self.config_file)

    # --- checkpoints

    def checkpoint_path(self, step: int) -> Path:
        return self.path / f"ckpt_{step:08d}.pt"

    def checkpoints(self) -> list[Path]:
        """Oldest first."""
        found = [(int(match[1]), path) for path in self.path.glob("ckpt_*.pt") if (match := CHECKPOINT.fullmatch(path.name))]
        return [path for _, path in sorted(found)]

    def save_checkpoint(self, state: Mapping[str, Any], *, keep: int) -> Path:
        """Write the state of `state["step"]`, then remove all but the `keep` newest; raises StoreError with every older one intact."""
        path = self.checkpoint_path(int(state["step"]))
        save_state(path, state)
        self._sync_metrics()
        for old in self.checkpoints()[:-keep]:
            old.unlink(missing_ok=True)
        return path

    def latest_checkpoint(self) -> Path | None:
        """The newest checkpoint that is whole; damaged ones are passed over, and that is said. None where there is none at all.

        Raises FileFormatError where there are checkpoints and none is whole.
        """
        paths = self.checkpoints()
        for path in reversed(paths):
            try:
                read_state(path)
            except FileFormatError as failure:
                progress.note(f"{path.name} is left aside: {failure}")
            else:
                return path
        if paths:
            text = f"{self.path} must hold a whole checkpoint; none of {len(paths)} can be read; start anew in another folder"
            raise FileFormatError(text, code="E_CORRUPT")
        return None

    # --- metrics

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """One line of JSON, to be read by others when this returns; numbers that are not finite become null.

        It survives the end of the process, and with the next checkpoint that of the machine: to wait for the disk after every step takes
        longer than a small step itself.
        """
        line = json.dumps({name: _finite(value) for name, value in record.items()}, allow_nan=False)
        with explained(self.metrics_file), self.metrics_file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _sync_metrics(self) -> None:
        if self.metrics_file.exists():
            with explained(self.metrics_file), self.metrics_file.open("ab") as file:
                os.fsync(file.fileno())

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The records in order; a last line that was cut is left out."""
        if not self.metrics_file.exists():
            return
        for line in self.metrics_file.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record

    def rewind_metrics(self, step: int) -> dict[str, float]:
        """Drop the records of later steps than the one that the run goes on from, which will be written again; the last epoch's values, {} before."""
        kept = [record for record in self.metrics() if record.get("step", 0) <= step]
        if self.metrics_file.exists():
            atomic_write(self.metrics_file, "".join(json.dumps(record) + "\n" for record in kept))
        last: dict[str, Any] = next((record for record in reversed(kept) if record.get("kind") == "epoch"), {})
        return {name: value for name, value in last.items() if name not in RECORD_KEYS}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and value - value != 0 else value
