"""The state of a run in one file: enough to go on with the very numbers that an uninterrupted run would have, and to be opened as an encoder."""

from __future__ import annotations

import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from repr_probe.encoders.checkpoint_file import OWN_BLOCK
from repr_probe.encoders.prefixes import below
from repr_probe.errors import FileFormatError
from repr_probe.files.atomic import atomic_file, explained
from repr_probe.files.safe_torch import read_torch
from repr_probe.training.config import config_from
from repr_probe.training.export import own_block

NEEDED = ("config", "model", "optimiser", "step")
BACKBONE = "backbone"


def save_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a state whole or not at all; a failure, a full disk among them, leaves what was at `path` as it was.

    state: tensors and plain values only, so that `torch.load(weights_only=True)` reads it. It must have config (`TrainConfig.to_dict()`),
    model (the objective's state_dict, its backbone below "backbone."), optimiser and step; anything else is kept beside them (epoch,
    random states, the data set's fingerprint ...). Added here: the versions, the backbone alone under its own names (the same storage, no
    second copy), and the block by which `load_encoder` knows its network and its input.
    Raises StoreError, in one line, when the disk is full or may not be written.
    """
    missing = [name for name in NEEDED if name not in state]
    if missing:
        raise KeyError(f"a state must have {', '.join(NEEDED)}; got none for {', '.join(missing)}")
    backbone = below(state["model"], f"{BACKBONE}.")
    whole = {
        OWN_BLOCK: own_block(config_from(state["config"]), key=BACKBONE, step=int(state["step"])),
        BACKBONE: backbone,
        "versions": versions(),
        **state,
    }
    with explained(path), atomic_file(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(whole, file)
        except RuntimeError as failure:  # torch reports a full disk as a wrong position in the file; what the system said is behind it
            if isinstance(failure.__context__, OSError):
                raise failure.__context__ from None
            raise


def read_state(path: str | Path) -> dict[str, Any]:
    """What `save_state` wrote, on the CPU, with every byte checked; FileFormatError where it is cut, damaged or something else."""
    state = read_torch(path)
    if not isinstance(state, dict) or any(name not in state for name in NEEDED):
        raise FileFormatError(f"{path} must be a checkpoint of a training run, with {', '.join(NEEDED)}; got a file of other content", code="E_KIND")
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise FileFormatError(f"{path} must be undamaged; {damaged.rpartition('/')[2]} in it has another checksum; copy it again", code="E_CORRUPT")
    return state


def versions() -> dict[str, str]:
    """Of what decides the numbers.

    >>> sorted(versions())
    ['numpy', 'python', 'repr-probe', 'timm', 'torch', 'torchvision']
    """
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("numpy", "repr-probe", "timm", "torch", "torchvision"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
