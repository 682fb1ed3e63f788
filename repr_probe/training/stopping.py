"""Reasons to stop before the end: a signal, a number that is not finite, features that are all the same."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Mapping
from types import FrameType, TracebackType

import torch
from torch import nn

from repr_probe import progress
from repr_probe.errors import ReprProbeError


class TrainingFailure(ReprProbeError):
    """Training cannot go on: a loss or gradient is not finite, or the features have collapsed. The last good checkpoint is kept."""


class StopRequest:
    """Inside the block, SIGTERM and Ctrl-C only raise a flag, for the loop to finish its step and save; a second Ctrl-C interrupts at once.

    `name`: the signal that came, None before. Handlers of the caller are put back at the end. Signals reach the main thread only, so
    elsewhere nothing is installed. Processes forked inside the block (loader workers) keep the ordinary meaning of SIGTERM and leave Ctrl-C
    to their parent.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.name: str | None = None
        self._before: dict[signal.Signals, signal._HANDLER] = {}
        self._process = os.getpid()

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._process = os.getpid()
            self._before = {number: signal.signal(number, self._receive) for number in self.SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            if number == signal.SIGTERM:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        if self.name is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        progress.note(f"{self.name}: finishing this step, then saving (Ctrl-C again: stop at once)")


def not_finite(values: Mapping[str, float]) -> list[str]:
    """Names of the values that are NaN or infinite.

    >>> not_finite({"loss": float("nan"), "h_local": 0.5, "gradient_norm": float("inf")})
    ['loss', 'gradient_norm']
    """
    return [name for name, value in values.items() if not math.isfinite(value)]


def spread(features: torch.Tensor) -> torch.Tensor:
    """How far a batch is from giving every image the same vector: 0 all equal (or all zero), 1 a mean of zero; a scalar.

    sum |x - mean|^2 / sum |x|^2 over the rows of `features`, (n_images, n_features).

    >>> spread(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item(), spread(torch.ones(4, 3)).item(), spread(torch.zeros(4, 3)).item()
    (0.5, 0.0, 0.0)
    """
    rows = features.detach().flatten(1).float()
    scale = rows.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)  # so that squares neither overflow nor vanish
    rows = rows / scale
    centred = rows - rows.mean(dim=0)
    return centred.square().sum() / rows.square().sum().clamp_min(torch.finfo(torch.float32).tiny)


class SpreadOfBackbone:
    """Keeps the `spread` of what `backbone` gave at its first call, in training mode, of each step."""

    def __init__(self, backbone: nn.Module) -> None:
        self._value: torch.Tensor | None = None
        self._hook = backbone.register_forward_hook(self._look)

    def _look(self, backbone: nn.Module, images: object, features: object) -> None:
        if backbone.training and self._value is None and isinstance(features, torch.Tensor):
            self._value = spread(features)

    def take(self) -> torch.Tensor | None:
        """The value of this step; the next call of the backbone counts as the next step's."""
        value, self._value = self._value, None
        return value

    def remove(self) -> None:
        self._hook.remove()


class CollapseWatch:
    """Says when the spread of the backbone's features has stayed below `floor` for `patience` steps in a row.

    The floor, 1e-6, is a deviation of a thousandth of the length of a feature vector: finer than bfloat16 can write down.

    >>> watch = CollapseWatch(patience=2)
    >>> [watch.sees(value) for value in (1e-8, 0.3, 1e-8, 0.0)]
    [False, False, False, True]
    """

    def __init__(self, *, floor: float = 1e-6, patience: int = 20) -> None:
        self.floor = floor
        self.patience = patience
        self.count = 0

    def sees(self, value: float) -> bool:
        self.count = self.count + 1 if value < self.floor else 0
        return self.count >= self.patience
