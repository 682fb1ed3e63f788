"""Tensors beside a network that show it to be part of a larger one, which the index does not know."""

from __future__ import annotations

import re
from functools import lru_cache

from repr_probe.encoders.index.index_file import Index
from repr_probe.encoders.index.matching import Fit
from repr_probe.encoders.index.record import COMPUTED
from repr_probe.encoders.reading import Shapes

# What stands beside encoders for the pre-training task or for decisions; such parts may have kernels and blocks of their own.
TASK_PARTS = re.compile(
    r".*(head|project|predict|decod|classif|aux|neck|proto|criterion|loss|queue|teacher|student|momentum|ema|target|online|probe|discrim|fc\d*|"
    r"logits|mask_token|center|temperature|metric|ppm|segment).*",
    re.IGNORECASE,
)


def strangers(index: Index, fit: Fit, shapes: Shapes) -> list[str]:
    """Names of tensors in `shapes` that belong to an encoder and have no place in `fit`.

    A tensor is one inside a part of the network (but for its classifier); beside its parts without a part of its own; under a name that
    encoders of the index have; or with a kernel in a part whose name is not that of a task. Whole copies of the network are none.
    """
    placed = {name for name, _ in fit.record.tensors}
    parts = {name.partition(".")[0] for name in placed}
    heads = head_patterns(fit)
    left: dict[str, list[str]] = {}
    for name in shapes:
        if name not in placed and not name.endswith(COMPUTED) and not any(re.fullmatch(head, name) for head in heads):
            left.setdefault(name.partition(".")[0], []).append(name)
    found = []
    for part, names in left.items():
        if part in parts:
            found += names
        elif names == [part]:
            found += [] if TASK_PARTS.fullmatch(part) else names
        elif not _is_copy(part, fit, shapes):
            found += [name for name in names if name in _encoder_names(index)]
            if not TASK_PARTS.fullmatch(part) and any(len(shapes[name]) == 4 for name in names):
                found += names
    return list(dict.fromkeys(found))


def head_patterns(fit: Fit) -> tuple[str, ...]:
    """Regular expressions of the names of the classifier's tensors, whatever its depth in the file.

    A layer of a sequence stands for the later ones too: files with a longer classifier have more of them.
    """
    placed = [name for name, _ in fit.record.tensors]
    found: dict[str, None] = {}
    for _, name in fit.record.head:
        steps = name.split(".")
        for depth in range(1, len(steps) + 1):
            start = ".".join(steps[:depth])
            if not any(other == start or other.startswith(f"{start}.") for other in placed):
                before = re.escape(".".join(steps[: depth - 1]) + "." if depth > 1 else "")
                last = r"\d+" if steps[depth - 1].isdigit() and depth > 1 else re.escape(steps[depth - 1])
                found[rf"{before}{last}(\..*)?"] = None
                break
    return tuple(found)


def _is_copy(part: str, fit: Fit, shapes: Shapes) -> bool:
    """Whether a part holds the same network once more (a momentum encoder beside the encoder)."""
    steady = [name for name, _ in fit.record.tensors]
    inside = {name.removeprefix(f"{part}.") for name in shapes if name.startswith(f"{part}.")}
    return any(all(f"{deeper}{name}" in inside for name in (steady[0], steady[-1])) for deeper in {"", *_first_steps(inside)})


def _first_steps(names: set[str]) -> set[str]:
    return {f"{name.partition('.')[0]}." for name in names if "." in name}


@lru_cache(maxsize=4)
def _encoder_names(index: Index) -> frozenset[str]:
    return frozenset(index.keys)
