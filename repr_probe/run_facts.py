"""What a run was made with: recorded beside the numbers, no part of a store's key."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

_PACKAGES = ("repr-probe", "torch", "torchvision", "timm", "numpy", "pillow")


def run_facts(device: torch.device, *, batch_size: int, workers: int) -> dict[str, Any]:
    """Batch size, workers, device, threads and library versions."""
    return {
        "batch_size": batch_size,
        "workers": workers,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str | None]:
    """Installed versions, without importing anything; None for a package that runs uninstalled, from a checkout."""
    return {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
