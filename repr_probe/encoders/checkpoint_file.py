"""A checkpoint on disk, read: its content and what it says about itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repr_probe.encoders.flax_names import torch_names
from repr_probe.encoders.folders import candidate_in, configs_beside, configs_of_folder, image_tower, refuse_part, weights_in
from repr_probe.encoders.modules import holds_dead
from repr_probe.errors import CheckpointError, FileFormatError
from repr_probe.files.dcp import read_dcp
from repr_probe.files.deepspeed import is_deepspeed, read_deepspeed
from repr_probe.files.exported import read_exported
from repr_probe.files.flax import read_flax
from repr_probe.files.safe_tensors import read_safetensors
from repr_probe.files.safe_torch import read_torch
from repr_probe.files.shards import read_shards
from repr_probe.files.sniff import sniff

OWN_BLOCK = "repr_probe"
OWN_FORMAT = "repr-probe/1"
FEATURES = "save its features as .npz (features, labels) and give that file"
# What has no reader: code, what it is, and the way out.
REFUSED = {
    "keras": ("E_KERAS", "a Keras file, which is code as well", f"export it to ONNX (model.export('model.onnx', format='onnx')), or {FEATURES}"),
    "savedmodel": ("E_SAVEDMODEL", "a TensorFlow SavedModel", f"convert it to ONNX (python -m tf2onnx.convert --saved-model ...), or {FEATURES}"),
    "orbax": ("E_ORBAX", "an Orbax folder", f"restore it with orbax and write flax.serialization.to_bytes(params) to a .msgpack file, or {FEATURES}"),
    "tf-checkpoint": ("E_TF", "a TensorFlow checkpoint", f"convert it to ONNX (python -m tf2onnx.convert --checkpoint ...), or {FEATURES}"),
}  # fmt: skip


@dataclass(frozen=True)
class CheckpointFile:
    """content: what was stored.  keeps_order: whether tensors stand in the order of the network (safetensors sorts them by name).

    metadata: of the header of safetensors.  own_block: what a file written by this toolkit says about its network and its input.
    config: parsed JSON that belongs to it, by file name.  reader: how it was read, for people ("torch, weights only").
    layout: "HWIO" where kernels are (height, width, in, out) and dense weights (in, out), as Flax keeps them; else "OIHW".
    files: every file that values came from; a single file is its own.
    """

    path: Path
    kind: str
    content: Any
    keeps_order: bool
    metadata: Mapping[str, str] = field(default_factory=dict)
    own_block: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    reader: str = ""
    layout: str = "OIHW"
    files: tuple[Path, ...] = ()


def read_checkpoint(path: str | Path) -> CheckpointFile:
    """Read a file or folder of weights, of whatever kind; nothing in it is run.

    Folders: of Hugging Face, timm, OpenCLIP, torch.distributed and DeepSpeed, or any with exactly one checkpoint in it.
    Raises FileFormatError for what is not whole (code by what is wrong), for what has no reader, by its name and with the way out, and
    E_AMBIGUOUS, with a command for each, where a folder holds several; CheckpointError (E_NEEDS_CALLABLE) for ONNX.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    refuse_part(path)
    return _read_file(path, sniff(path))


def _read_folder(folder: Path) -> CheckpointFile:
    try:
        kind = sniff(folder)
    except FileFormatError as failure:
        if not is_deepspeed(folder):
            return read_checkpoint(candidate_in(folder, failure))
        kind = "deepspeed"
    if kind == "dcp":
        content, files = read_dcp(folder)
        return CheckpointFile(folder, kind, content, False, reader=f"DCP, {len(files)} files", files=tuple(files), own_block=_own(folder, content))
    if kind == "deepspeed":
        content, files = read_deepspeed(folder)
        return CheckpointFile(folder, kind, content, True, reader=f"DeepSpeed, {_torch_reader(content)}", files=tuple(files))
    if kind == "sentence-transformers":
        inner_folder = image_tower(folder)
        if inner_folder is None:
            raise _refused(folder, kind)
        return _read_folder(inner_folder)
    if kind not in ("hf", "timm", "open-clip"):
        raise _refused(folder, kind)
    weights = weights_in(folder, kind)
    inner = _read_file(weights, sniff(weights))
    config = configs_of_folder(folder)
    return CheckpointFile(
        folder, kind, inner.content, inner.keeps_order, inner.metadata, inner.own_block, config, f"{weights.name}: {inner.reader}",
        inner.layout, inner.files,
    )  # fmt: skip


def _read_file(path: Path, kind: str) -> CheckpointFile:
    if kind == "json" and path.name.endswith(".index.json"):
        kind = "shards"
    if kind not in _READERS:
        raise _refused(path, kind)
    return _READERS[kind](path, kind)


def _safetensors(path: Path, kind: str) -> CheckpointFile:
    tensors, metadata = read_safetensors(path)
    own = _own_block(path, metadata.get(OWN_BLOCK))
    return CheckpointFile(path, kind, tensors, False, metadata, own, configs_beside(path), "safetensors", files=(path,))


def _torch(path: Path, kind: str) -> CheckpointFile:
    content = read_torch(path)
    return CheckpointFile(path, kind, content, True, {}, _own(path, content), configs_beside(path), _torch_reader(content), files=(path,))


def _exported(path: Path, kind: str) -> CheckpointFile:
    return CheckpointFile(path, kind, read_exported(path), False, reader="weights of torch.export", files=(path,))


def _flax(path: Path, kind: str) -> CheckpointFile:
    config, content = configs_beside(path), read_flax(path)
    stated = config.get("config.json")
    if isinstance(stated, dict) and isinstance(stated.get("model_type"), str):
        reader = "Flax msgpack, names as transformers converts them"
        return CheckpointFile(path, kind, torch_names(content), False, config=config, reader=reader, files=(path,))
    return CheckpointFile(path, kind, content, False, config=config, reader="Flax msgpack", layout="HWIO", files=(path,))


def _shards(path: Path, kind: str) -> CheckpointFile:
    tensors, files = read_shards(path)
    return CheckpointFile(path, kind, tensors, False, config=configs_beside(path), reader=f"{len(files)} parts", files=(path, *files))


_READERS: dict[str, Callable[[Path, str], CheckpointFile]] = {
    "safetensors": _safetensors,
    "torch-zip": _torch,
    "torch-legacy": _torch,
    "torchscript": _torch,
    "torch-export": _exported,
    "flax-msgpack": _flax,
    "shards": _shards,
}


def _torch_reader(content: Any) -> str:
    return "inert reader: names of classes only" if holds_dead(content) else "torch, weights only"


def _refused(path: Path, kind: str) -> FileFormatError | CheckpointError:
    if kind in REFUSED:
        code, what, way_out = REFUSED[kind]
        return FileFormatError(f"checkpoint must be weights that torch or Flax wrote; got {path}, {what}; {way_out}", code=code)
    if kind == "onnx":
        text = f"checkpoint must hold weights as they were trained; got {path}, an ONNX graph, which has its normalisations folded into them"
        return CheckpointError(f"{text}; it runs as it stands: pip install 'repr-probe[onnx]' and give it to extract", code="E_NEEDS_CALLABLE")
    text = f"checkpoint must be a torch, safetensors or Flax file, or a folder of one; got {path}, of kind {kind}, which holds no network"
    return FileFormatError(text, code="E_NO_ENCODER")


def _own(path: Path, content: Any) -> Mapping[str, Any]:
    return _own_block(path, content.get(OWN_BLOCK) if isinstance(content, dict) else None)


def _own_block(path: Path, stated: Any) -> Mapping[str, Any]:
    if stated is None:
        return {}
    try:
        block = json.loads(stated) if isinstance(stated, str) else stated
        known = block["format"] == OWN_FORMAT and isinstance(block["arch"], str) and isinstance(block["input"], dict)
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        text = f"{path} must describe itself in the form {OWN_FORMAT}; its block {OWN_BLOCK!r} lacks format, arch or input"
        raise FileFormatError(text, code="E_OWN_BLOCK")
    return block
