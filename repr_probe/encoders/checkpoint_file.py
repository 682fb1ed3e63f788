"""A checkpoint on disk, read: its content and what it says about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repr_probe.errors import FileFormatError
from repr_probe.files.safe_tensors import read_safetensors
from repr_probe.files.safe_torch import read_torch
from repr_probe.files.sniff import sniff

OWN_BLOCK = "repr_probe"
OWN_FORMAT = "repr-probe/1"


@dataclass(frozen=True)
class CheckpointFile:
    """content: what was stored.  keeps_order: whether tensors stand in the order of the network (safetensors sorts them by name).

    own_block: what a file written by this toolkit says about its network and its input, else empty.
    """

    path: Path
    kind: str
    content: Any
    keeps_order: bool
    metadata: Mapping[str, str] = field(default_factory=dict)
    own_block: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(path: str | Path) -> CheckpointFile:
    """Read a torch or safetensors file; raises FileFormatError for everything else and for what is not whole."""
    path = Path(path)
    kind = sniff(path)
    if kind == "safetensors":
        tensors, metadata = read_safetensors(path)
        return CheckpointFile(path, kind, tensors, False, metadata, _own_block(path, metadata.get(OWN_BLOCK)))
    if kind in ("torch-zip", "torch-legacy"):
        content = read_torch(path)
        stated = content.get(OWN_BLOCK) if isinstance(content, dict) else None
        return CheckpointFile(path, kind, content, True, {}, _own_block(path, stated))
    raise FileFormatError(f"checkpoint must be a torch or safetensors file; got {path}, of kind {kind}, which holds no network")


def _own_block(path: Path, stated: Any) -> Mapping[str, Any]:
    if stated is None:
        return {}
    try:
        block = json.loads(stated) if isinstance(stated, str) else stated
        known = block["format"] == OWN_FORMAT and isinstance(block["arch"], str) and isinstance(block["input"], dict)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise FileFormatError(f"{path} must describe itself in the form {OWN_FORMAT}; its block {OWN_BLOCK!r} lacks format, arch or input")
    return block
