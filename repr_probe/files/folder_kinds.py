"""What a folder is, told from the names in it and from the few words of a config.json."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import listed, printable

NAMES_LIMIT = 20_000
CONFIG_LIMIT = 4 << 20
HF_WEIGHTS = re.compile(r"(model|pytorch_model|flax_model|tf_model|adapter_model)([-.].*)?\.(safetensors|bin|msgpack|h5|index\.json)")
OPEN_CLIP_WEIGHTS = re.compile(r"open_clip_.*\.(safetensors|bin|pt)")
FEATURES = re.compile(r"features\.(npy|npz|txt|csv|h5|hdf5|mat|pt|pth|parquet)")
WEIGHTS = re.compile(r"\.(pt|pth|th|ckpt|tar|torch|bin|safetensors|onnx|pt2|msgpack|keras|h5|npz|npy|pkl)$")


def kind_of_folder(path: Path) -> str:
    """Name the kind of the folder at `path`.

    "store" (meta.json), "dcp", "deepspeed", "sentence-transformers", "open-clip", "timm", "hf", "savedmodel", "orbax", "tf-checkpoint",
    "feature-folder". Raises FileFormatError (E_DIR_UNKNOWN) for others, with up to three commands for checkpoints that lie in it.
    """
    names = _names(path)
    if "meta.json" in names:
        return "store"
    fits = {
        "dcp": ".metadata" in names and any(name.endswith(".distcp") for name in names),
        "deepspeed": "latest" in names and any(name.startswith("global_step") for name in names),
        "sentence-transformers": "modules.json" in names,
        "savedmodel": "saved_model.pb" in names or "saved_model.pbtxt" in names,
        "orbax": not names.isdisjoint(("_CHECKPOINT_METADATA", "manifest.ocdbt", "_METADATA")),
        "tf-checkpoint": any(name.removesuffix(".index") != name and _has_data(names, name.removesuffix(".index")) for name in names),
    }
    for kind, fit in fits.items():
        if fit:
            return kind
    return _kind_by_config(path, names) or _feature_folder(names) or _refuse(path, names)


def _names(path: Path) -> frozenset[str]:
    try:
        with os.scandir(path) as entries:
            return frozenset(entry.name for entry in itertools.islice(entries, NAMES_LIMIT))
    except OSError as failure:
        raise FileFormatError(f"{printable(path, limit=500)} must be readable; got {failure.strerror!r}", code="E_UNREADABLE") from None


def _has_data(names: frozenset[str], stem: str) -> bool:
    return any(name.startswith(f"{stem}.data-") for name in names)


def _kind_by_config(path: Path, names: frozenset[str]) -> str | None:
    config = _config(path / "config.json") if "config.json" in names else {}
    weights = any(HF_WEIGHTS.fullmatch(name) for name in names)
    if "open_clip_config.json" in names and (any(OPEN_CLIP_WEIGHTS.fullmatch(name) for name in names) or "model_type" not in config):
        return "open-clip"
    if isinstance(config.get("architecture"), str):
        return "timm"
    return "hf" if "config.json" in names and (weights or "model_type" in config) else None


def _config(path: Path) -> dict[str, Any]:
    """The JSON of the file, if it is one and small; its reader says what is wrong with it."""
    try:
        if not path.is_file() or path.stat().st_size > CONFIG_LIMIT:
            return {}
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _feature_folder(names: frozenset[str]) -> str | None:
    return "feature-folder" if any(FEATURES.fullmatch(name) for name in names) else None


def _refuse(path: Path, names: frozenset[str]) -> str:
    ordered = sorted(names)
    text = f"{printable(path, limit=500)} must be a folder of a known kind or one file; got a folder of {listed(ordered) or 'nothing'}"
    likely = [name for name in ordered if WEIGHTS.search(name.lower())]
    commands = [f"repro-probe inspect {shlex.quote(printable(path / name, limit=500))}" for name in likely[:3]]
    remedy = f"; choose one of {len(likely)}: {' | '.join(commands)}" if len(likely) > 1 else f"; try: {commands[0]}" if likely else ""
    raise FileFormatError(f"{text}{remedy}", code="E_DIR_UNKNOWN")
