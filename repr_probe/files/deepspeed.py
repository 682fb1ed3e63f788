"""Folders of DeepSpeed: `latest` names the step, whose mp_rank_00_model_states.pt holds the whole model up to ZeRO stage 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repr_probe.errors import FileFormatError
from repr_probe.files.inert import Dead
from repr_probe.files.printable import printable
from repr_probe.files.safe_torch import read_torch

STATES = "mp_rank_00_model_states.pt"
LATEST_LIMIT = 256


def read_deepspeed(folder: str | Path) -> tuple[Any, list[Path]]:
    """What the step that `latest` names (or `folder` itself, when it is a step) saved of its model, and the files read.

    Raises FileFormatError: E_DEEPSPEED_3 for parameters that stage 3 has scattered, E_DEEPSPEED_MP for tensor-parallel parts,
    E_NOT_FOUND, E_SHARD_NAME.
    """
    folder = Path(folder)
    step = _step_of(folder)
    names = sorted(path.name for path in step.iterdir())
    if any(name.startswith("zero_pp_rank_") and name.endswith("_model_states.pt") for name in names):
        raise _stage_3(folder)
    if sum(name.startswith("mp_rank_") and name.endswith("_model_states.pt") for name in names) > 1:
        text = f"{folder} must hold the model in one piece; got one that is split over several ranks (tensor parallel); merge it first"
        raise FileFormatError(text, code="E_DEEPSPEED_MP")
    if STATES not in names:
        raise FileFormatError(f"{step} must hold {STATES}; got none; copy the whole folder", code="E_NOT_FOUND")
    content = read_torch(step / STATES)
    if isinstance(content, dict) and _scattered(content.get("module")):
        raise _stage_3(folder)
    return content, [step / STATES]


def is_deepspeed(folder: str | Path) -> bool:
    """Whether a step lies in `folder` under any name that `latest` gives (Lightning's is "checkpoint"), or `folder` is a step itself."""
    folder = Path(folder)
    try:
        return any(path.name.endswith("_model_states.pt") and "mp_rank_" in path.name for path in _step_of(folder).iterdir())
    except FileFormatError:
        return False


def _step_of(folder: Path) -> Path:
    latest = folder / "latest"
    if not latest.is_file():
        return folder
    with latest.open("rb") as file:
        name = file.read(LATEST_LIMIT).decode("utf-8", errors="replace").strip()
    if name in ("", ".", "..") or not name.isprintable() or "/" in name or "\\" in name:
        raise FileFormatError(f"{latest} must name a folder beside it; got {printable(name)!r}", code="E_SHARD_NAME")
    if not (folder / name).is_dir():
        raise FileFormatError(f"{folder} must hold the folder {name}, which its file latest names; copy the whole folder", code="E_NOT_FOUND")
    return folder / name


def _scattered(module: Any) -> bool:
    """Stage 3 leaves tensors without elements where the parameters were."""
    import torch

    if isinstance(module, Dead) or not isinstance(module, dict):
        return False
    tensors = [value for value in module.values() if isinstance(value, torch.Tensor)]
    return bool(tensors) and all(tensor.numel() == 0 for tensor in tensors if tensor.is_floating_point())


def _stage_3(folder: Path) -> FileFormatError:
    text = f"{folder} must hold whole parameters; got ZeRO stage 3, which scatters them; run the script beside it: "
    return FileFormatError(f"{text}python zero_to_fp32.py . weights.pt", code="E_DEEPSPEED_3")
