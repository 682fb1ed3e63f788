"""A pickled module shows what its tensors do not: strides, padding, activations. They must be those of the network that was built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from repr_probe.encoders.candidates import Candidate
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed, printable

# What changes the numbers, by the last part of the class's name; other classes of the same place are compared by that name alone.
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Conv2d": ("stride", "padding", "dilation", "groups", "padding_mode"),
    "BatchNorm2d": ("eps",),
    "LayerNorm": ("eps",),
    "MaxPool2d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
}
# Without tensors, so that only their class tells: what stands for what.
PLAIN = ("ReLU", "SiLU", "GELU", "LeakyReLU", "ELU", "PReLU", "Hardswish", "Tanh", "Sigmoid", "MaxPool2d", "AvgPool2d", "Identity")


def check_modules(candidate: Candidate, module: nn.Module, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises CheckpointError (E_ATTRIBUTE) where a module of the file and the one built in its place differ.

    facts: `module_facts` of the pickled module, by dotted name. Modules are matched by the tensors they hold, others by equal names.
    """
    partner = {name: name for name in dict(module.named_modules())}
    for name, piece in candidate.pieces().items():
        if len(piece.keys) == 1:
            partner[name.rpartition(".")[0]] = (candidate.prefix + piece.keys[0]).rpartition(".")[0].removeprefix(candidate.prefix)
    stripped = {_without_wrappers(name, candidate.container.stripped): fact for name, fact in facts.items()}
    differing = []
    for name, built in module.named_modules():
        theirs = stripped.get(candidate.prefix + partner[name]) if name else None
        if theirs is not None and (difference := _difference(built, theirs)):
            differing.append(f"{printable(candidate.prefix + partner[name])} {difference}")
    if differing:
        raise CheckpointError(
            f"checkpoint must be {candidate.architecture} as its pickled module says; got {listed(differing)}; load its weights into your own "
            "class: --arch module:callable --allow-code",
            code="E_ATTRIBUTE",
        )


def _without_wrappers(name: str, wrappers: tuple[str, ...]) -> str:
    return ".".join(part for part in name.split(".") if part not in wrappers)


def _difference(built: nn.Module, theirs: Mapping[str, Any]) -> str:
    """"has stride (1, 1), not (2, 2)", or "" where they agree or cannot be compared."""
    ours, kind = type(built).__name__, str(theirs.get("class", "")).rpartition(".")[2]
    if ours in PLAIN and kind in PLAIN and ours != kind:
        return f"is {kind}, not {ours}"
    if ours != kind:
        return ""
    for attribute in ATTRIBUTES.get(ours, ()):
        mine, yours = getattr(built, attribute, None), theirs.get(attribute)
        if yours is not None and _pair(mine) != _pair(yours):
            return f"has {attribute} {yours}, not {mine}"
    return ""


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value, value) if isinstance(value, int) and not isinstance(value, bool) else value
