"""Where in a checkpoint the weights are: plain, inside the dictionaries that training programs wrap around them, or in pickled modules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from repr_probe.encoders.modules import is_module, module_tensors
from repr_probe.encoders.prefixes import strip_wrappers
from repr_probe.errors import CheckpointError
from repr_probe.files.inert import Dead
from repr_probe.files.printable import listed, printable

DEPTH = 8
MOST_ENTRIES = 200_000
NAME_LIMIT = 200  # of a key that leads to weights
# What lies beside weights and has tensors of its own: whole words of the key, so that "optimus" is no optimizer.
NOT_WEIGHTS = re.compile(
    r"(?i)(^|_)(optim|optimizers?|opt|amp|scaler|sched|schedulers?|lr_schedulers?|callbacks?|loops?|queues?|rng|loss|meters?|hyper_parameters|"
    r"hparams|args|config|metrics?|fp16_scaler|dino_loss|message_hub|param_schedulers)(_|$)"
)


@dataclass(frozen=True)
class Container:
    """Tensors by name as they stand at `path` in the file ("" is the top); wrappers such as `module.` are off their names.

    stripped: the wrappers taken off.  module: the pickled module they are of, where it is no map of tensors.
    """

    path: str
    tensors: Mapping[str, torch.Tensor]
    stripped: tuple[str, ...] = ()
    module: Dead | None = None

    def __str__(self) -> str:
        return f"'{printable(self.path)}'" if self.path else "the top of the file"

    def renamed(self, pairs: Sequence[tuple[str, str]]) -> Container:
        """The same tensors with `re.sub` of every pair on their names; an empty new name drops one. CheckpointError where two would
        collide."""
        names: dict[str, torch.Tensor] = {}
        for name, tensor in self.tensors.items():
            new = name
            for pattern, replacement in pairs:
                new = re.sub(pattern, replacement, new)
            if new and new in names:
                raise CheckpointError(f"map must keep names apart; two tensors become {printable(new)}", code="E_KEYS")
            if new:
                names[new] = tensor
        return replace(self, tensors=names)


def find_containers(content: Any) -> list[Container]:
    """Every map of names to two or more tensors, and every pickled module; CheckpointError says what is there when there is none."""
    _refuse_bare(content)
    found = [container for container in _walk(content) if len(container.tensors) >= 2]
    if not found:
        advice = "; an optimiser's state is no network" if isinstance(content, Mapping) and "param_groups" in content else ""
        raise CheckpointError(
            f"checkpoint must hold two or more tensors by name; got {_described(content)}{advice}; save model.state_dict()", code="E_NO_ENCODER"
        )
    return found


def _walk(content: Any) -> Iterator[Container]:
    """Breadth first, to DEPTH and MOST_ENTRIES, so that cycles end; what two keys share is found under both."""
    level: list[tuple[str, Any]] = [("", content)]
    n_entries = 0
    for _ in range(DEPTH):
        deeper: list[tuple[str, Any]] = []
        for path, value in level:
            if n_entries > MOST_ENTRIES:
                return
            if is_module(value):
                yield _container(path, module_tensors(value), module=value)
                continue
            entries = _entries(value)
            n_entries += len(entries)
            yield _container(path, {name: tensor for name, item in entries.items() if (tensor := _tensor(name, item)) is not None})
            deeper += [(f"{path}.{key}".lstrip("."), item) for key, item in entries.items() if _may_hold_weights(key, item)]
        level = deeper


def _container(path: str, tensors: Mapping[str, torch.Tensor], *, module: Dead | None = None) -> Container:
    names, stripped = strip_wrappers(tensors)
    return Container(path, names, stripped, module)


def _entries(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    # Dictionaries of classes that are not installed.
    state = value.state if isinstance(value, Dead) and isinstance(value.state, Mapping) else {}
    return {**state, **value.items} if isinstance(value, Dead) else {}


def _tensor(name: Any, value: Any) -> torch.Tensor | None:
    if not isinstance(name, str):
        return None
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.dtype.isnative:
        return torch.from_numpy(np.ascontiguousarray(value)) if value.ndim else torch.tensor(value.item())
    return value if isinstance(value, torch.Tensor) else None


def _may_hold_weights(key: object, value: object) -> bool:
    return isinstance(value, Mapping | Dead) and isinstance(key, str) and len(key) <= NAME_LIMIT and not NOT_WEIGHTS.search(key)


def _refuse_bare(content: Any) -> None:
    if isinstance(content, torch.Tensor):
        shape = tuple(content.shape)
        raise CheckpointError(
            f"checkpoint must hold tensors by name; got one tensor of shape {shape}; if it is a matrix of features, leave out --dataset",
            code="E_NO_ENCODER",
        )
    if not isinstance(content, Mapping | Dead):
        raise CheckpointError(
            f"checkpoint must hold tensors by name; got a {type(content).__name__}; save model.state_dict()", code="E_LIST"
        )
    tensors = [key for key, value in content.items() if isinstance(value, torch.Tensor)] if isinstance(content, Mapping) else []
    if tensors and not any(isinstance(key, str) for key in tensors):
        kind = type(tensors[0]).__name__
        raise CheckpointError(f"checkpoint must name its tensors by text; got keys of type {kind}; save model.state_dict()", code="E_KEYS")


def _described(content: Any) -> str:
    kinds = [f"{printable(key, limit=30)}: {type(value).__name__}" for key, value in _entries(content).items()]
    what = f"a pickled {printable(content.kind)}" if isinstance(content, Dead) else "nothing"
    return listed(kinds) or what
