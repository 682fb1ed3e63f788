"""Which file of a folder holds the weights, and which configuration beside it belongs to them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repr_probe.errors import FileFormatError
from repr_probe.files.json_file import CONFIGS, read_json
from repr_probe.files.printable import listed, printable
from repr_probe.files.sniff import sniff

# In the order in which the libraries themselves look for them.
USUAL = {
    "hf": ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "flax_model.msgpack"),
    "timm": ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"),
    "open-clip": ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin"),
}
# Names that programs give to weights they write beside a configuration; any other name may stand beside one by chance.
USUAL_NAME = re.compile(r"(model|pytorch_model|flax_model|open_clip_\w+)([-.][\w.\-]*)?\.(safetensors|bin|msgpack|json)")
SHARD = re.compile(r".+-\d{5}-of-(\d{5})\.\w+")
SUFFIXES = {".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".th", ".tar", ".torch", ".pkl", ".msgpack", ".pt2"}
INNER = ("", "checkpoints", "snapshots")  # of Lightning, and of the cache of Hugging Face
ENTRIES_LIMIT = 10_000
COMMANDS_LIMIT = 6
WEIGHT_KINDS = {
    "torch-zip", "torch-legacy", "safetensors", "torchscript", "torch-export", "flax-msgpack", "onnx",
    "hf", "timm", "open-clip", "dcp", "deepspeed",
}  # fmt: skip


def weights_in(folder: Path, kind: str) -> Path:
    """The file (or table of files) with the weights in a folder of Hugging Face, timm or OpenCLIP.

    Files of other names count only where none of the usual ones is there: E_AMBIGUOUS for several, E_NO_WEIGHTS for none.
    """
    for name in USUAL[kind]:
        if (folder / name).is_file():
            return folder / name
    found = [path for path in _files(folder) if _kind(path) in WEIGHT_KINDS]
    if not found:
        text = f"{folder} must hold weights beside its configuration; got none of {', '.join(USUAL[kind])}; copy or download them"
        raise FileFormatError(text, code="E_NO_WEIGHTS")
    return only_one(folder, found)


def image_tower(folder: Path) -> Path | None:
    """The folder of the CLIP model in a folder of sentence-transformers; its other models read text."""
    return next((path for path in sorted(folder.glob("*_CLIPModel")) if path.is_dir()), None)


def candidate_in(folder: Path, failure: FileFormatError) -> Path:
    """The one checkpoint in a folder that is none itself, or in its `checkpoints` or `snapshots`; raises `failure` when there is none."""
    found = [path for inner in INNER if (folder / inner).is_dir() for path in _candidates(folder / inner)]
    if not found:
        raise failure
    return only_one(folder, found)


def only_one(folder: Path, found: list[Path]) -> Path:
    """The only one of `found`; links to another of them do not count. E_AMBIGUOUS gives each as a command."""
    files = {(status.st_dev, status.st_ino): path for path in reversed(found) if (status := path.stat())}
    different = sorted(files.values())
    if len(different) == 1:
        return different[0]
    commands = [command(path) for path in different[:COMMANDS_LIMIT]]
    more = f" | ... ({len(different) - COMMANDS_LIMIT} more)" if len(different) > COMMANDS_LIMIT else ""
    text = f"checkpoint must be one; got {len(different)} in {folder} ({listed(path.name for path in different)})"
    raise FileFormatError(f"{text}; choose: {' | '.join(commands)}{more}", code="E_AMBIGUOUS")


def command(path: Path) -> str:
    """What to type to look at `path`."""
    return f"repro-probe inspect {shlex.quote(printable(path, limit=400))}"


def configs_of_folder(folder: Path) -> dict[str, Any]:
    return {name: read_json(folder / name) for name in CONFIGS if (folder / name).is_file()}


def configs_beside(path: Path) -> Mapping[str, Any]:
    """Configurations in the folder of a single file that are its own: all beside a usual name, timm's config.json beside any.

    args.json, which solo-learn writes, belongs to every .ckpt as well.
    """
    if USUAL_NAME.fullmatch(path.name):
        clip = path.name.startswith("open_clip_")
        wanted = [name for name in CONFIGS if clip or name != "open_clip_config.json"]
        return {name: read_json(path.with_name(name)) for name in wanted if path.with_name(name).is_file()}
    found: dict[str, Any] = {}
    if path.suffix == ".ckpt" and path.with_name("args.json").is_file():
        found["args.json"] = read_json(path.with_name("args.json"))
    if path.with_name("config.json").is_file():
        try:
            stated = read_json(path.with_name("config.json"))
        except FileFormatError:
            return found  # of another program: whatever it is, it was not written with this file
        if isinstance(stated, dict) and isinstance(stated.get("architecture"), str):
            found["config.json"] = stated
    return found


def refuse_part(path: Path) -> None:
    """One of several files that only make a network together is no checkpoint."""
    part = SHARD.fullmatch(path.name)
    if part and int(part[1]) > 1:
        text = f"checkpoint must be whole; {path.name} is one of {int(part[1])} parts; give their folder: {command(path.parent)}"
        raise FileFormatError(text, code="E_SHARD")


def _files(folder: Path) -> list[Path]:
    names = sorted(os.listdir(folder))  # noqa: PTH208 - names only
    if len(names) > ENTRIES_LIMIT:
        return []
    paths = [folder / name for name in names if Path(name).suffix.lower() in SUFFIXES and not SHARD.fullmatch(name)]
    return [path for path in paths if path.is_file()]


def _candidates(folder: Path) -> list[Path]:
    names = sorted(os.listdir(folder))  # noqa: PTH208 - names only
    folders = [folder / name for name in names if (folder / name).is_dir()] if len(names) <= ENTRIES_LIMIT else []
    return [path for path in [*_files(folder), *folders[:200]] if _kind(path) in WEIGHT_KINDS]


def _kind(path: Path) -> str:
    try:
        return sniff(path)
    except FileFormatError:
        return ""
