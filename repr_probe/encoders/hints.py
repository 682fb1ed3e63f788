"""What a file, or the configuration beside it, says about its own network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from repr_probe.encoders.architectures import Architecture, resolve_architecture
from repr_probe.encoders.checkpoint_file import CheckpointFile
from repr_probe.encoders.input_spec import stated_input, timm_config_input
from repr_probe.errors import CheckpointError, FileFormatError
from repr_probe.files.printable import printable
from repr_probe.preprocessing import InputSpec

PLACES = (("arch",), ("args", "arch"), ("args", "model"), ("hyper_parameters", "arch"), ("hyper_parameters", "model"))


@dataclass(frozen=True)
class Hint:
    """architecture: what the file says it is, or None.  source: where it says so.  input: preprocessing stated beside it.

    unknown: words found in the places of an architecture that name none ("arch 'vit_small'").
    """

    architecture: Architecture | None
    source: str = ""
    input: InputSpec | None = None
    unknown: tuple[str, ...] = field(default_factory=tuple)


def find_hint(file: CheckpointFile) -> Hint:
    """Look in this order: our own block, timm's config.json beside the file, the metadata, and `arch` / `model` words in the content."""
    if file.own_block:
        source = f"metadata of {file.path.name}"
        return Hint(resolve_architecture(file.own_block["arch"]), source, stated_input(file.own_block["input"], source))
    beside = _timm_config(file)
    if beside is not None:
        return beside
    words = [("metadata", file.metadata[key]) for key in ("arch", "architecture") if key in file.metadata]
    words += [(".".join(place), word) for place in PLACES if isinstance(word := _at(file.content, place), str)]
    unknown: list[str] = []
    for source, word in words:
        try:
            return Hint(resolve_architecture(word), f"{source} in the file", unknown=tuple(unknown))
        except CheckpointError:
            unknown.append(f"{source} {printable(word)!r}")
    return Hint(None, unknown=tuple(unknown))


def _timm_config(file: CheckpointFile) -> Hint | None:
    """timm saves `config.json` beside its weights; configurations of other programs have no `architecture` and are left alone."""
    path = file.path.with_name("config.json")
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as failure:
        raise FileFormatError(f"{path} must be readable JSON; got {printable(failure)}; it stands beside {file.path.name}") from None
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        return None
    if config.get("model_args"):
        raise CheckpointError(f"checkpoint must be a plain timm network; {path} changes it by model_args {printable(config['model_args'])}")
    stated = config.get("pretrained_cfg")
    spec = timm_config_input(stated, f"pretrained_cfg in {path.name}") if isinstance(stated, dict) else None
    return Hint(resolve_architecture(f"timm:{config['architecture']}"), f"architecture in {path.name}", spec)


def _at(content: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content
