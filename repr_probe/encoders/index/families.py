"""What to call a network whose tensors several architectures share, and which of them to take when they compute different features."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from repr_probe.encoders.index.matching import Fit
from repr_probe.encoders.reading import Assumption, Clues, Shapes

# Why, and which architectures it speaks for.
Reason = tuple[str, Callable[[Fit], bool]]
# Anti-aliased and blurred variants of a network are rare next to the network itself, whose name is the same without these letters.
ANTI_ALIASED = re.compile(r"_?(?:aa|blur)(?=_|\d|$)")


@dataclass(frozen=True)
class NameScheme:
    """label: for people.  shown_by: tensors whose presence shows these names.  wanted: architectures that files with them hold."""

    label: str
    shown_by: re.Pattern[str]
    wanted: re.Pattern[str]


# lukemelas' PyTorch port of the TensorFlow EfficientNets pads as TensorFlow does; rwightman's own ones do not.
NAME_SCHEMES = (NameScheme("lukemelas' EfficientNet names", re.compile(r"_conv_stem\.weight|_blocks\.\d.*"), re.compile(r"timm:tf_.*")),)


def simplest(fits: Iterable[Fit]) -> Fit:
    """torchvision's name where it has one, else the shortest."""
    return min(fits, key=_simplicity)


def _simplicity(fit: Fit) -> tuple[bool, int, str]:
    return not fit.record.name.startswith("torchvision:"), len(fit.record.name), fit.record.name


def kinds_of(fits: Sequence[Fit]) -> list[list[Fit]]:
    """Fits that compute the same together, the simplest first."""
    found: dict[object, list[Fit]] = {}
    for fit in fits:
        found.setdefault((fit.record.kind, fit.image_size, fit.record.skeleton()), []).append(fit)
    return [sorted(same, key=_simplicity) for same in found.values()]


@dataclass(frozen=True)
class Decision:
    """taken: one kind, or several where nothing decides.  passed_over: kinds with the same tensors.  why: the reason, or ""."""

    taken: list[list[Fit]]
    passed_over: list[list[Fit]]
    why: str = ""


def decide(kinds: list[list[Fit]], shapes: Shapes, clues: Clues) -> Decision:
    """Which of several kinds with the same tensors to take: by clues, by whose names the tensors have, then the usual one."""
    why = ""
    taken = kinds
    for reason, wanted in (*_by_clues(clues), *_by_names(shapes)):
        chosen = [kind for kind in taken if any(wanted(fit) for fit in kind)]
        if 0 < len(chosen) < len(taken):
            taken, why = chosen, reason
    for reason, unusual in UNUSUAL:
        plain = [kind for kind in taken if not all(unusual(fit, taken) for fit in kind)]
        if 0 < len(plain) < len(taken):
            taken, why = plain, why or reason
    return Decision(taken, [kind for kind in kinds if kind not in taken], why)


def _by_clues(clues: Clues) -> Iterator[Reason]:
    if "activation" in clues:
        quick = clues["activation"].value == "quick_gelu"
        yield clues["activation"].source, lambda fit: ("quickgelu" in fit.record.name) == quick
    if "image_size" in clues:
        size = tuple(clues["image_size"].value)
        yield clues["image_size"].source, lambda fit: (fit.image_size or fit.record.size) == size


def _by_names(shapes: Shapes) -> Iterator[Reason]:
    for scheme in NAME_SCHEMES:
        if any(scheme.shown_by.fullmatch(name) for name in shapes):
            yield scheme.label, partial(_has_name, scheme.wanted)


def _has_name(wanted: re.Pattern[str], fit: Fit) -> bool:
    return wanted.fullmatch(fit.record.name) is not None


def _is_anti_aliased(fit: Fit, kinds: Sequence[Sequence[Fit]]) -> bool:
    plain = ANTI_ALIASED.sub("", fit.record.name)
    names = {other.record.name.partition(":")[2] for kind in kinds for other in kind}
    return plain != fit.record.name and plain.partition(":")[2] in names


def _is_namesake(fit: Fit, kinds: Sequence[Sequence[Fit]]) -> bool:
    """timm's inception_v3 next to torchvision's, which rescales its input inside."""
    wanted = fit.record.name.replace("timm:", "torchvision:")
    return wanted != fit.record.name and any(other.record.name == wanted for kind in kinds for other in kind)


# Where nothing else decides: why, and which kinds stand behind the others.
UNUSUAL = (("usual; anti-aliased variants are rare", _is_anti_aliased), ("torchvision's before timm's of the same name", _is_namesake))


def preprocessing_assumptions(kind: Sequence[Fit]) -> list[Assumption]:
    """What the names of one kind state differently about preprocessing: the first one's is taken."""
    first = kind[0].record
    found = []
    for what, flag, stated in (
        ("mean and std", "--mean --std", lambda record: record.mean_std),
        ("interpolation and crop", "--interp --crop-pct", lambda record: record.resampling),
        ("image size", "--image-size", lambda record: f"{record.size[0]} x {record.size[1]}"),
    ):
        others = {stated(fit.record): fit.record.name for fit in reversed(kind) if stated(fit.record) != stated(first)}
        if what == "image size" and first.tables:
            continue
        if others:
            said = "; ".join(f"{name}, the same network, states {value}" for value, name in others.items())
            found.append(Assumption(what, stated(first), f"{first.name}; {said}", flag))
    return found
