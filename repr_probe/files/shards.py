"""Weights that were split over several files, with a table that says which tensor is in which (`*.index.json` of Hugging Face)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from repr_probe.errors import FileFormatError
from repr_probe.files.json_file import read_json
from repr_probe.files.printable import listed, printable
from repr_probe.files.safe_tensors import read_safetensors
from repr_probe.files.safe_torch import read_torch
from repr_probe.files.sniff import sniff

SHARDS_LIMIT = 4096


def read_shards(index: str | Path) -> tuple[dict[str, Any], list[Path]]:
    """Tensors by name of all files that the table `index` names, and those files.

    The files must be plain names beside the table, all there, and hold every tensor the table promises and none twice; FileFormatError
    says what does not hold (E_CORRUPT, E_SHARD_NAME, E_MISSING_SHARD, E_MISSING_STORAGE).
    """
    index = Path(index)
    table = read_json(index)
    places = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(places, dict) or not places or not all(isinstance(shard, str) for shard in places.values()):
        raise FileFormatError(f"{index} must map names of tensors to files (weight_map); got none", code="E_CORRUPT")
    shards = [_beside(index, name) for name in dict.fromkeys(places.values())]
    if len(shards) > SHARDS_LIMIT:
        raise FileFormatError(f"{index} must name at most {SHARDS_LIMIT} files; got {len(shards)}", code="E_CORRUPT")
    absent = [shard.name for shard in shards if not shard.exists()]
    if absent:
        text = f"{index} must have its files beside it; {len(absent)} of {len(shards)} are missing ({listed(absent)}); copy or download them"
        raise FileFormatError(text, code="E_MISSING_SHARD")
    tensors: dict[str, Any] = {}
    for shard in shards:
        held = _read(shard)
        twice = [name for name in held if name in tensors]
        if twice:
            raise FileFormatError(f"{index} must have every tensor in one file; got some in two ({listed(twice)})", code="E_CORRUPT")
        lacking = [name for name, place in places.items() if place == shard.name and name not in held]
        if lacking:
            raise FileFormatError(f"{shard} must hold what {index.name} says; it lacks {listed(lacking)}", code="E_MISSING_STORAGE")
        tensors |= held
    return tensors, shards


def _beside(index: Path, name: str) -> Path:
    """The file `name` in the folder of the table. A link there may lead elsewhere: the cache of Hugging Face is made of links."""
    if not re.fullmatch(r"[\w.\-+= ]{1,200}", name) or not name.strip(". "):
        raise FileFormatError(f"{index} must name files beside it; got {printable(name)!r}; nothing outside its folder is read", code="E_SHARD_NAME")
    return index.with_name(name)


def _read(shard: Path) -> dict[str, Any]:
    content = read_safetensors(shard)[0] if sniff(shard) == "safetensors" else read_torch(shard)
    if not isinstance(content, dict):
        raise FileFormatError(f"{shard} must hold tensors by name; got a {type(content).__name__}", code="E_CORRUPT")
    return content
