"""What training arguments stored in a checkpoint say: names of networks, heads, preprocessing; read as data, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from repr_probe.encoders.architectures import Architecture, resolve_architecture
from repr_probe.encoders.checkpoint_file import CheckpointFile
from repr_probe.encoders.modules import is_module
from repr_probe.encoders.reading import Clue
from repr_probe.encoders.source_signs import Said
from repr_probe.errors import CheckpointError
from repr_probe.files.dead import Dead
from repr_probe.files.inert import plain
from repr_probe.files.printable import printable
from repr_probe.preprocessing import INTERPOLATIONS, SMALLEST_CROP

# Where programs keep their arguments, at the top of a file.
ARGUMENTS = ("args", "opt", "hyper_parameters", "hparams", "config", "cfg", "meta", "options", "normalize_args", "lightly_train")
# In order of trust. Where arguments name a network.
PLACES = ("arch", "args.arch", "args.model", "hyper_parameters.arch", "hyper_parameters.model")
# Heads of the networks that repositories call by these words, with the patch in the word or in an argument beside it.
HEADS = {"tiny": 3, "small": 6, "base": 12, "large": 16, "huge": 16, "giant2": 24}
WIDTHS = {"tiny": 192, "small": 384, "base": 768, "large": 1024, "huge": 1280, "giant2": 1408}
VIT_WORD = re.compile(r"(?:mae_)?vit_(tiny|small|base|large|huge|giant2)(?:_patch(\d+))?(?:_dec\w+)?")
# As timm's training script has them in its arguments.
NUMBERS = r"\[([\d\s.,]{5,120})\]"


def said_in(file: CheckpointFile) -> dict[str, Any]:
    """What a file says in words: single words at its top, its arguments as plain values, and the JSON files beside it by name."""
    said: dict[str, Any] = {}
    content = file.content.items if isinstance(file.content, Dead) else file.content
    for key, value in content.items() if isinstance(content, Mapping) else ():
        if isinstance(value, str | int | float | bool) and isinstance(key, str):
            said[key] = value
        elif key in ARGUMENTS and isinstance(value, Mapping):
            said[key] = {name: plain(item) for name, item in value.items() if isinstance(name, str) and not is_module(item)}
        elif key in ARGUMENTS and isinstance(value, Dead) and not is_module(value):
            said[key] = plain(value)
    return {**said, **file.config}


def named_networks(said: Said) -> Iterator[tuple[str, str, Architecture | None]]:
    """(where, word, network or None) for every place that names one."""
    for place in PLACES:
        word = _at(said, place)
        if isinstance(word, str) and len(word) < 200:
            yield place, word, _resolved(word, said)


def _at(said: Said, place: str) -> Any:
    value: Any = said
    for key in place.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _resolved(word: str, said: Said) -> Architecture | None:
    """timm's own script means its own networks; elsewhere a bare name is torchvision's where it has one."""
    words = [f"timm:{word}", word] if ":" not in word and _has(said, "args", "crop_pct") else [word]
    for each in words:
        try:
            return resolve_architecture(each)
        except CheckpointError:
            continue
    return None


def is_family_word(word: str) -> bool:
    """Words such as DINO's vit_small: a family that the tensors tell better than the word."""
    return VIT_WORD.fullmatch(word) is not None


def argument_clues(said: Said) -> dict[str, Clue]:
    """Patch size and heads, from the words of DINO, iBOT, DINOv2, MAE and DeiT."""
    clues: dict[str, Clue] = {}
    patch = _at(said, "args.patch_size")
    if isinstance(patch, int) and not isinstance(patch, bool) and 0 < patch <= 1024:
        clues["patch_size"] = Clue(patch, "args.patch_size in the file")
    for place in PLACES:
        word = _at(said, place)
        found = VIT_WORD.fullmatch(word) if isinstance(word, str) and len(word) < 200 else None
        # MoCo v3 says vit_small, too, without a patch size, and means another number of heads.
        if found and (found[2] or "patch_size" in clues):
            clues["heads"] = Clue(HEADS[found[1]], f"{place} '{printable(word)}' in the file")
            clues["width"] = Clue(WIDTHS[found[1]], clues["heads"].source)
            break
    return clues


def argument_input(said: Said) -> dict[str, tuple[Any, str]]:
    """Single values of the preprocessing -> (value, where): `args` as timm, DeiT and MAE write them, and lightly-train's normalize_args."""
    found: dict[str, tuple[Any, str]] = {}
    for place in ("lightly_train.normalize_args", "normalize_args", "args"):
        stated = _at(said, place)
        if not isinstance(stated, Mapping):
            continue
        mean, std = _colours(stated.get("mean")), _colours(stated.get("std"))
        if mean and std and min(std) > 0:
            found |= {"mean": (mean, f"{place}.mean in the file"), "std": (std, f"{place}.std in the file")}
        if place == "args":
            found |= _sizes(stated)
    return found


def _sizes(args: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for name in ("img_size", "input_size"):
        value = args.get(name)
        if isinstance(value, list | tuple) and len(value) == 3:  # timm: channels first
            value = value[1:]
        sides = (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, list | tuple) else ()
        if len(sides) == 2 and all(isinstance(side, int) and not isinstance(side, bool) and 8 <= side <= 4096 for side in sides):
            found["size"] = (sides, f"args.{name} in the file")
    if "crop_pct" in args:  # timm's script; elsewhere "interpolation" may be that of the augmentations
        crop, interpolation = args["crop_pct"], args.get("interpolation")
        if isinstance(crop, int | float) and SMALLEST_CROP <= crop <= 1:
            found["crop_pct"] = (float(crop), "args.crop_pct in the file")
        if interpolation in INTERPOLATIONS:
            found["interpolation"] = (interpolation, "args.interpolation in the file")
    return found


def _colours(value: Any) -> tuple[float, ...] | None:
    if isinstance(value, list | tuple) and len(value) in (1, 3) and all(isinstance(part, int | float) and abs(part) < 1000 for part in value):
        return tuple(map(float, value))
    return None


def _has(said: Said, place: str, word: str) -> bool:
    stated = _at(said, place)
    return isinstance(stated, Mapping) and word in stated


def mmengine_facts(text: Any) -> tuple[dict[str, Clue], dict[str, tuple[Any, str]], tuple[str, ...]]:
    """Clues, preprocessing and notes from the configuration text that mmengine stores in `meta.cfg`; by regular expressions only."""
    clues: dict[str, Clue] = {}
    stated: dict[str, tuple[Any, str]] = {}
    if not isinstance(text, str) or len(text) > 1_000_000:
        return clues, stated, ()
    where = "meta.cfg in the file"
    styles = set(re.findall(r"\bstyle\s*=\s*['\"](caffe|pytorch)['\"]", text))
    if len(styles) == 1:
        clues["stride_place"] = Clue("1x1" if styles == {"caffe"} else "3x3", f"style in {where}")
    for name in ("mean", "std"):
        values = {_numbers(found) for found in re.findall(rf"\b{name}\s*=\s*{NUMBERS}", text)} - {()}
        if len(values) == 1:
            stated[name] = (next(iter(values)), f"{name} in {where}, over 255")
    if len(stated) < 2 or min(stated["std"][0]) <= 0:
        return clues, {}, (f"{where} states no single mean and SD; ImageNet's are used: --mean, --std",)
    rgb = set(re.findall(r"\b(?:to_rgb|bgr_to_rgb)\s*=\s*(True|False)", text))
    if rgb == {"False"}:
        stated["order"] = ("bgr", f"to_rgb in {where}")
    return clues, stated, ()


def _numbers(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) / 255 for part in text.split(",") if part.strip())
    except ValueError:
        return ()
    return values if len(values) == 3 else ()
