"""What training programs put in front of names: wrappers, which mean nothing, and the name of the encoder inside a larger model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
T = TypeVar("T")


def strip_wrappers(tensors: Mapping[str, T]) -> tuple[dict[str, T], tuple[str, ...]]:
    """Take wrappers out of the names wherever they stand as a whole component; leave all names alone where two would become one.

    >>> strip_wrappers({"module.conv1.weight": 1, "module._orig_mod.fc.bias": 2})
    ({'conv1.weight': 1, 'fc.bias': 2}, ('module', '_orig_mod'))
    >>> strip_wrappers({"x.bias": 1, "module.x.bias": 2})
    ({'x.bias': 1, 'module.x.bias': 2}, ())
    """
    names = {name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in tensors}
    if len(set(names.values())) < len(names) or not all(names.values()):
        return dict(tensors), ()
    met = {part for name in names for part in name.split(".")}
    return {names[name]: value for name, value in tensors.items()}, tuple(wrapper for wrapper in WRAPPERS if wrapper in met)


def prefixes_before(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Every prefix (with its dot, or empty) under which one of the `wanted` names stands among `names`, shortest first.

    >>> prefixes_before(["backbone.conv1.weight", "head.conv1.weight", "conv1.weight"], ["conv1.weight"])
    ['', 'head.', 'backbone.']
    """
    ends = tuple(wanted)
    found = {
        name[: len(name) - len(end)] for name in names for end in ends if name == end or name.endswith(f".{end}")
    }  # fmt: skip
    return sorted(found, key=lambda prefix: (len(prefix), prefix))


def below(tensors: Mapping[str, T], prefix: str) -> dict[str, T]:
    """The tensors under `prefix`, without it, in their order.

    >>> below({"a.x": 1, "b.x": 2}, "a.")
    {'x': 1}
    """
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
