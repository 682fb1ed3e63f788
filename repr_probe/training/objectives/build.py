"""Training methods by name, with their options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from torch import nn

from repr_probe.errors import UsageError
from repr_probe.training.objectives.barlow_twins import BarlowTwins
from repr_probe.training.objectives.byol import BYOL
from repr_probe.training.objectives.dino import DINO
from repr_probe.training.objectives.hydes import Hydes
from repr_probe.training.objectives.objective import Objective
from repr_probe.training.objectives.resa import ReSA
from repr_probe.training.objectives.simclr import SimCLR
from repr_probe.training.objectives.supervised import Supervised
from repr_probe.training.objectives.swav import SwAV
from repr_probe.training.objectives.vicreg import VICReg

_CLASSES: dict[str, Any] = {
    "hydes": Hydes,
    "supervised": Supervised,
    "simclr": SimCLR,
    "byol": BYOL,
    "swav": SwAV,
    "barlow-twins": BarlowTwins,
    "vicreg": VICReg,
    "dino": DINO,
    "resa": ReSA,
}
METHODS = tuple(_CLASSES)
_SHARED = ("projector", "norm", "n_global", "n_classes")  # arguments of `build_objective`, the same for all methods


def build_objective(
    method: str, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] | None = None, norm: bool = True,
    n_classes: int | None = None, n_global: int = 2, options: Mapping[str, Any] | None = None,
) -> Objective:  # fmt: skip
    """The method on a backbone (images -> (n, n_features)).

    projector: widths of the layers between backbone and loss; None: `default_projector` of the method; (): none.
    norm: BatchNorm in the projector. n_classes: for "supervised". n_global: so many views, the first, are global ones.
    options: of the method, see `options_of`.

    Raises UsageError for an unknown method or option (with the nearest names) and for a value that cannot be.

    >>> build_objective("simclr", nn.Flatten(), 8, projector=(16, 4), options={"temperature": 0.5}).temperature
    0.5
    """
    known = options_of(method)
    for name, value in (options or {}).items():
        _require_option(method, known, name, value)
    for width in projector or ():
        if type(width) is not int or width < 2:
            raise UsageError(f"projector must be widths of at least 2; got {tuple(projector or ())}")
    if n_global < 1:
        raise UsageError(f"n_global must be at least 1; got {n_global}")
    arguments = dict(options or {}, norm=norm, n_global=n_global, projector=default_projector(method) if projector is None else tuple(projector))
    if _CLASSES[method].needs_labels:
        arguments["n_classes"] = n_classes
    return _CLASSES[method](backbone, n_features, **arguments)


def options_of(method: str) -> dict[str, Any]:
    """Names and defaults of what `build_objective(method, ..., options=...)` takes: values of the method's paper or its 100-epoch recipe.

    >>> options_of("simclr")
    {'temperature': 0.1}
    """
    parameters = inspect.signature(_class_of(method).__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in _SHARED}


def default_projector(method: str) -> tuple[int, ...]:
    """Widths of the method's projector where none are given.

    >>> default_projector("barlow-twins")
    (8192, 8192, 8192)
    """
    return _class_of(method).default_projector


def _class_of(method: str) -> Any:
    if method not in _CLASSES:
        near = get_close_matches(str(method), METHODS, n=2) or METHODS
        raise UsageError(f"method must be a known one; got {method!r}; nearest: {', '.join(near)}")
    return _CLASSES[method]


def _require_option(method: str, known: Mapping[str, Any], name: str, value: Any) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=2, cutoff=0.5) or known
        raise UsageError(f"option must be one that {method} has; got {name!r}; nearest: {', '.join(near)}")
    kind = type(known[name])
    if not (type(value) is kind or (kind is float and type(value) is int)):
        said = {float: "a number", int: "a whole number", str: "a word"}[kind]
        raise UsageError(f"{name} must be {said}; got {value!r}")
