"""Pickled modules without their classes: the tensors a state_dict of them would have, and the plain attributes that shapes do not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from repr_probe.errors import FileFormatError
from repr_probe.files.inert import Dead
from repr_probe.files.printable import printable

REGISTERS = ("_modules", "_parameters", "_buffers")
ENTRIES_LIMIT = 200_000
VISITS_LIMIT = 16  # of one module that is registered under several names; a chain of shared modules has 2^n paths
PLAIN = (bool, int, float, str)


def is_module(value: Any) -> bool:
    """Whether `value` is a module, pickled whole or scripted, whatever its class."""
    if not isinstance(value, Dead) or not isinstance(value.state, Mapping):
        return False
    return all(isinstance(value.state.get(register), Mapping) for register in REGISTERS) or _is_scripted(value)


def module_tensors(module: Dead) -> dict[str, torch.Tensor]:
    """Parameters and persistent buffers by dotted name, in the order of the module's state_dict.

    Raises FileFormatError (E_CORRUPT) for modules that contain themselves.
    """
    return {f"{path}{name}": tensor for path, inner in _walk(module) for name, tensor in _own_tensors(inner).items()}


def module_facts(module: Dead) -> dict[str, dict[str, Any]]:
    """Plain attributes of every module by its dotted name, "" for the outermost: {"conv1": {"class": "torch...Conv2d", "stride": (2, 2)}}.

    Plain are numbers, texts and short tuples of them; names that start with an underscore are left out.
    """
    return {path.removesuffix("."): {"class": inner.kind, **_plain(inner.state)} for path, inner in _walk(module)}


def _walk(module: Dead) -> Iterator[tuple[str, Dead]]:
    """Every module with its path (ending in a dot, "" for the outermost), depth first as state_dict does, without recursion."""
    waiting: list[tuple[str, Dead, tuple[int, ...]]] = [("", module, ())]
    visits: dict[int, int] = {}
    n_entries = 0
    while waiting:
        path, inner, above = waiting.pop()
        if id(inner) in above:
            name = printable(path.removesuffix("."))
            raise FileFormatError(f"checkpoint must hold a tree of modules; the module {name} contains itself", code="E_CORRUPT")
        visits[id(inner)] = visits.get(id(inner), 0) + 1
        n_entries += 1
        if visits[id(inner)] > VISITS_LIMIT or n_entries > ENTRIES_LIMIT or len(above) > 200:
            continue
        yield path, inner
        children = [(f"{path}{name}.", child, (*above, id(inner))) for name, child in _children(inner).items()]
        waiting += reversed(children)


def _is_scripted(value: Dead) -> bool:
    """TorchScript keeps tensors and submodules directly in the state."""
    return value.kind.startswith("__torch__.") and any(isinstance(inner, torch.Tensor | Dead) for inner in value.state.values())


def _children(module: Dead) -> dict[str, Dead]:
    registered = module.state.get("_modules")
    inner = registered if isinstance(registered, Mapping) else module.state
    return {name: child for name, child in inner.items() if isinstance(name, str) and is_module(child)}


def _own_tensors(module: Dead) -> dict[str, torch.Tensor]:
    registered = [module.state.get(register) for register in REGISTERS[1:]]
    if not all(isinstance(register, Mapping) for register in registered):
        return {name: value for name, value in module.state.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
    passing = _names(module.state.get("_non_persistent_buffers_set"))
    return {
        name: value
        for register in registered
        for name, value in register.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor) and name not in passing
    }


def _names(value: Any) -> set[str]:
    """The members of a set, alive or dead."""
    if isinstance(value, Dead):
        value = value.args[0] if value.args else value.list
    return {name for name in value if isinstance(name, str)} if isinstance(value, set | frozenset | list | tuple) else set()


def _plain(state: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and not name.startswith("_") and name != "training" and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= 200
    if isinstance(value, tuple | list):
        return len(value) <= 8 and all(isinstance(part, PLAIN) for part in value)
    return isinstance(value, PLAIN)


def holds_dead(content: Any) -> bool:
    """Whether anything in nested dictionaries, lists and tuples is of a class that was not loaded; each of them is entered once."""
    waiting, entered = [content], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Dead):
            return True
        if isinstance(value, dict | list | tuple) and id(value) not in entered:
            entered.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value
    return False
