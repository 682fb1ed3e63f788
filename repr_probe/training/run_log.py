"""What a run says of itself: lines of metrics.jsonl, TensorBoard events, notes and the progress bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from repr_probe import progress
from repr_probe.errors import UsageError
from repr_probe.training.throughput import Rates, Throughput, readable_duration

SHORT = ("loss", "mutual_information", "ceiling", "knn_top1", "linear_top1")  # what of a record a note has room for
RECORD_KEYS = ("kind", "step", "epoch")
SECONDS_BETWEEN_NOTES = 30.0


class RunLog:
    """Writes records through `append` (None: nowhere) and, if asked, TensorBoard; tells people how fast it goes.

    A record is flat: kind ("start", "step" or "epoch"), step (updates made), epoch (1-based; 0 for the start), then names and numbers.
    """

    def __init__(self, append: Callable[[Mapping[str, Any]], None] | None, *, events: Path | None = None, purge_from: int = 0) -> None:
        self._append = append
        self._events = None if events is None else open_events(events, purge_from=purge_from)
        self._noted_at = 0.0

    def record(self, kind: str, *, step: int, epoch: int, values: Mapping[str, float]) -> dict[str, Any]:
        line = {"kind": kind, "step": step, "epoch": epoch, **values}
        if self._append is not None:
            self._append(line)
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(f"{kind}/{name}", value, step)
        return line

    def note_speed(self, watch: Throughput, *, step: int, total_steps: int, images_left: int, loss: float) -> None:
        """A line every half minute."""
        if watch.seconds - self._noted_at >= SECONDS_BETWEEN_NOTES:
            self._noted_at = watch.seconds
            progress.note(f"step {step} of {total_steps}: loss {loss:.4g}, {speed(watch, images_left)}")

    def close(self) -> None:
        if self._events is not None:
            self._events.close()


def epoch_line(values: Mapping[str, float], *, epoch: int, epochs: int, watch: Throughput, images_left: int) -> str:
    """What is said at the end of an epoch."""
    shown = [f"{name.replace('_', ' ')} {values[name]:.4g}" for name in SHORT if name in values]
    return f"epoch {epoch} of {epochs}: {', '.join([*shown, speed(watch, images_left)])}"


def speed(watch: Throughput, images_left: int) -> str:
    """Images a second, data wait and time left, in words."""
    rates = watch.overall()
    left = readable_duration(watch.seconds_left(images=images_left)) if images_left else "nothing"
    return f"{rates.images_per_s:,.0f} images/s, data wait {100 * rates.wait:.1f} %, {left} left"


def rate_values(rates: Rates) -> dict[str, float]:
    return {"images_per_s": rates.images_per_s, "wait": rates.wait}


def open_events(folder: Path, *, purge_from: int) -> Any:
    """A TensorBoard writer in `folder` that hides what an interrupted run wrote from step `purge_from` on."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=purge_from or None)


def require_tensorboard() -> None:
    """Raise UsageError where TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise UsageError("tensorboard must be installed for --tensorboard; got no such package; pip install 'repr-probe[tensorboard]'") from None
