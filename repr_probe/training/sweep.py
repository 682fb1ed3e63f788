"""What a sweep is: settings with several values each, multiplied into runs with names of their own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from repr_probe.errors import UsageError
from repr_probe.files.printable import printable
from repr_probe.training.config import FREE_ON_RESUME, TrainConfig, parse_value, read_config

SEED = "seed"
_COMMA = re.compile(r",(?![^\[]*\])")  # not one inside brackets


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    name: its folder's, "kappa=10_seed=1".  settings: what it has of the swept ones.  config: the whole configuration.
    """

    name: str
    settings: Mapping[str, Any]
    config: TrainConfig


def parse_sweep(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Texts `KEY=V1,V2,...` as `--sweep` takes them; a value that is a list stands in brackets.

    >>> parse_sweep(["kappa=0.1,1,10", "projector=[512,128],[2048,2048]", "seed=0,1"])
    {'kappa': [0.1, 1, 10], 'projector': [[512, 128], [2048, 2048]], 'seed': [0, 1]}
    """
    axes: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        parts = [part.strip() for part in _COMMA.split(values)]
        if not equals or not name or not all(parts):
            raise UsageError(f"--sweep must be KEY=V1,V2,...; got {printable(text)!r}")
        if name in axes:
            raise UsageError(f"--sweep must name each setting once; got {name} twice")
        axes[name] = [parse_value(name, part) for part in parts]
    return axes


def sweep_runs(config: TrainConfig, axes: Mapping[str, Sequence[Any]]) -> list[SweepRun]:
    """Every combination of the values of `axes` on top of `config`; the first axis changes slowest, the seed fastest.

    Raises UsageError for names that are no setting or option of the method (with the nearest), values that cannot be, values given twice,
    and settings that change nothing of a run (name, device ...).

    >>> [run.name for run in sweep_runs(TrainConfig(dataset="digits"), {"seed": [0, 1], "kappa": [1, 10.0]})]
    ['kappa=1_seed=0', 'kappa=1_seed=1', 'kappa=10_seed=0', 'kappa=10_seed=1']
    """
    if not axes or not all(axes.values()):
        raise UsageError("a sweep must have a setting with one value or more; got none")
    idle = [name for name in axes if name in FREE_ON_RESUME]
    if idle:
        raise UsageError(f"a sweep must be over settings that change the weights; got {idle[0]}")
    order = sorted(axes, key=lambda name: name == SEED)  # stable: the seed goes last, the others stay
    runs = []
    for values in itertools.product(*(axes[name] for name in order)):
        settings = dict(zip(order, values))
        name = "_".join(f"{key}={_text(value)}" for key, value in settings.items())
        # What names no method of its own is an option of the method in hand.
        chosen = read_config(None, {**config.to_dict(), **settings})
        runs.append(SweepRun(name, settings, replace(chosen, name=name)))
    names = [run.name for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"a sweep must have different values; got {twice} twice")
    return runs


def _text(value: Any) -> str:
    """A value as part of a folder's name."""
    if isinstance(value, list | tuple):
        return "-".join(map(_text, value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^\w.+-]", "-", text)
