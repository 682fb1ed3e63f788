"""The sizes of a parametric ResNet: what `--arch "repr_probe:resnet(layers=3-3-3, width=16)"` may say, and what it means."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repr_probe.encoders.architectures import Architecture, Option
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed, printable

# The usual network: an ImageNet ResNet-18. Options that are "" or 0 follow from the others.
DEFAULTS: dict[str, Option] = {
    "layers": "2-2-2-2",  # blocks in each stage
    "block": "basic",  # or bottleneck
    "width": 64,  # channels of the first stage, doubled from stage to stage
    "planes": "",  # channels of every stage, where they do not double
    "base_width": 64,  # inner channels of a bottleneck for 64 channels and one group (128: wide, 4: ResNeXt 32x4d)
    "groups": 1,
    "stem": "imagenet",  # 7x7, stride 2, pool; cifar: 3x3; solo: 3x3 with padding 2; deep: three 3x3; clip: CLIP's modified ResNet
    "stem_widths": "",  # output channels of each convolution of the stem, where they are not the usual ones
    "stem_kernel": 0,  # where it is not 7 (imagenet) or 3 (cifar, solo)
    "stem_pool": "",  # True or False where it is not the usual: a pool for imagenet and deep, none for cifar and solo
    "stem_relu": True,  # False: stems put together from modules of a network whose ReLU is no module
    "stride_place": "3x3",  # the strided convolution of a bottleneck; 1x1: the original, "caffe" style
    "shortcut": "conv",  # A: subsampling and zero padding; none: a plain network
    "project_first": False,  # a convolution on the shortcut of the first stage although the shapes agree
    "avg_down": False,  # shortcuts average before a convolution without stride (the "d" of ResNet-D)
    "padding": "torch",  # same: strided convolutions and the pool padded as TensorFlow and Flax do, less at the start than at the end
    "eps": 1e-5,
    "heads": 0,  # clip only: heads of the attention pool; 0: one for 64 channels
    "grid": 7,  # clip only: side of the last maps, for which the attention pool has positions
    "out": 1024,  # clip only: features the attention pool gives
}
CHOICES: dict[str, tuple[str, ...]] = {
    "block": ("basic", "bottleneck"),
    "stem": ("imagenet", "cifar", "solo", "deep", "clip"),
    "stride_place": ("3x3", "1x1"),
    "shortcut": ("conv", "A", "none"),
    "padding": ("torch", "same"),
}
POOLED_STEMS = ("imagenet", "deep")
CLIP_OPTIONS = {"layers", "width", "stem", "heads", "grid", "out", "eps"}
# Far above any network, and small enough to be built: a file may name any.
LARGEST = 16384  # channels
LIMITS = {"layers": 200, "heads": 1024, "grid": 128, "stem_kernel": 31}


@dataclass(frozen=True)
class Sizes:
    """A ResNet in numbers. planes: channels of each stage before expansion.  stem_widths: output channels of each stem convolution."""

    layers: tuple[int, ...]
    planes: tuple[int, ...]
    bottleneck: bool
    base_width: int
    groups: int
    stem: str
    stem_widths: tuple[int, ...]
    stem_kernel: int
    stem_pool: bool
    stem_relu: bool
    stride_place: str
    shortcut: str
    project_first: bool
    avg_down: bool
    same_padding: bool
    eps: float

    @property
    def expansion(self) -> int:
        return 4 if self.bottleneck else 1


def architecture(**options: Option) -> Architecture:
    """The parametric ResNet with these options; those that are as usual are left out, so that equal networks have equal names.

    >>> str(architecture(layers="3-3-3", width=16, stem="cifar", groups=1))
    'repr_probe:resnet(layers=3-3-3, stem=cifar, width=16)'
    """
    return Architecture("repr_probe", "resnet").changed(**{key: value for key, value in options.items() if DEFAULTS.get(key) != value})


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option, with defaults; raises CheckpointError for a name or a value that does not exist."""
    for name in options:
        if name not in DEFAULTS:
            near = difflib.get_close_matches(name[:50], list(DEFAULTS), n=1, cutoff=0.4) or ["layers"]
            known = ", ".join(DEFAULTS)
            raise CheckpointError(f"arch must have options of repr_probe:resnet ({known}); got {printable(name)}; nearest: {near[0]}")
    full = {**DEFAULTS, **options}
    for name, allowed in CHOICES.items():
        if full[name] not in allowed:
            raise CheckpointError(f"arch must have {name} as one of {', '.join(allowed)}; got {name}={printable(full[name])}")
    for name in ("width", "base_width", "groups", "grid", "out"):
        _whole(name, full[name], smallest=1)
    for name in ("heads", "stem_kernel"):
        _whole(name, full[name], smallest=0)
    for name in ("stem_relu", "project_first", "avg_down"):
        if not isinstance(full[name], bool):
            raise CheckpointError(f"arch must have {name} as True or False; got {name}={printable(full[name])}")
    if isinstance(full["eps"], bool) or not isinstance(full["eps"], int | float) or not 0 < full["eps"] < 1:
        raise CheckpointError(f"arch must have eps as a number between 0 and 1; got eps={printable(full['eps'])}")
    _check_together(full, set(options))
    return full


def sizes_of(options: Mapping[str, Any]) -> Sizes:
    """What the options say, with everything that follows from them. Not for the stem "clip"."""
    full = checked(options)
    layers = numbers("layers", full["layers"])
    planes = numbers("planes", full["planes"]) if full["planes"] != "" else tuple(full["width"] * 2**stage for stage in range(len(layers)))
    if len(layers) not in (3, 4) or len(planes) != len(layers) or max(planes) > LARGEST:
        got = f"layers={printable(full['layers'])}, planes={'-'.join(map(str, planes[:4]))}"
        raise CheckpointError(f"arch must have 3 or 4 stages and up to {LARGEST} channels for each; got {got}")
    pool = full["stem"] in POOLED_STEMS if full["stem_pool"] == "" else full["stem_pool"]
    if not isinstance(pool, bool):
        raise CheckpointError(f"arch must have stem_pool as True or False; got stem_pool={printable(full['stem_pool'])}")
    kernel = full["stem_kernel"] or (7 if full["stem"] == "imagenet" else 3)
    if kernel % 2 == 0 or (full["stem"] == "deep" and kernel != 3):
        raise CheckpointError(f"arch must have an odd stem_kernel, 3 for stem=deep; got stem_kernel={kernel}")
    return Sizes(
        layers=layers, planes=planes, bottleneck=full["block"] == "bottleneck", base_width=full["base_width"], groups=full["groups"],
        stem=full["stem"], stem_widths=_stem_widths(full, planes[0]), stem_kernel=kernel, stem_pool=pool, stem_relu=full["stem_relu"],
        stride_place=full["stride_place"], shortcut=full["shortcut"], project_first=full["project_first"], avg_down=full["avg_down"],
        same_padding=full["padding"] == "same", eps=float(full["eps"]),
    )  # fmt: skip


def usual_stem_widths(stem: str, width: int) -> tuple[int, ...]:
    """Output channels of the convolutions of a stem before a first stage of `width` channels."""
    return (width // 2, width // 2, width) if stem == "deep" else (width,)


def numbers(name: str, text: Any) -> tuple[int, ...]:
    """
    >>> numbers("layers", "3-4-6-3")
    (3, 4, 6, 3)
    """
    largest = LIMITS.get(name, LARGEST)
    parts = str(text)[:200].split("-")
    if not all(part.isascii() and part.isdigit() and 0 < len(part) <= 5 and 0 < int(part) <= largest for part in parts):
        raise CheckpointError(f"arch must have {name} as whole numbers such as 3-4-6-3, up to {largest}; got {name}={printable(text)}")
    return tuple(map(int, parts))


def _stem_widths(full: Mapping[str, Any], width: int) -> tuple[int, ...]:
    usual = usual_stem_widths(full["stem"], width)
    widths = numbers("stem_widths", full["stem_widths"]) if full["stem_widths"] != "" else usual
    if len(widths) != len(usual):
        raise CheckpointError(f"arch must have {len(usual)} stem_widths for stem={full['stem']}; got {listed(widths)}")
    return widths


def _whole(name: str, value: Any, *, smallest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= LIMITS.get(name, LARGEST):
        largest = LIMITS.get(name, LARGEST)
        raise CheckpointError(f"arch must have {name} as a whole number from {smallest} to {largest}; got {name}={printable(value)}")


def _check_together(full: Mapping[str, Any], given: set[str]) -> None:
    """Options that contradict each other."""
    if full["stem"] == "clip":
        wrong = given - CLIP_OPTIONS
        if wrong:
            raise CheckpointError(f"arch must leave {listed(sorted(wrong))} out for stem=clip; it has {listed(sorted(CLIP_OPTIONS), limit=9)}")
        return
    clip_only = given & {"heads", "grid", "out"}
    if clip_only:
        raise CheckpointError(f"arch must have stem=clip for {listed(sorted(clip_only))}; got stem={full['stem']}")
    if full["block"] == "basic" and (full["groups"], full["base_width"]) != (1, 64):
        raise CheckpointError("arch must have block=bottleneck for groups and base_width; got block=basic")
    if full["block"] == "bottleneck" and full["shortcut"] == "A":
        raise CheckpointError("arch must have block=basic for shortcut=A; got block=bottleneck")
    if full["avg_down"] and (full["shortcut"] != "conv" or full["padding"] == "same"):
        raise CheckpointError("arch must have shortcut=conv and padding=torch for avg_down; got another")
