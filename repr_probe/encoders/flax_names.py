"""Flax weights of Hugging Face under the names that PyTorch has for them.

Transformers builds the same network in both libraries, with the same names of modules; only the last part of a name and the order of
the dimensions differ. This holds for its networks alone: elsewhere Flax pads convolutions in other ways than PyTorch can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable

COLLECTIONS = ("params.", "batch_stats.")
LAST = {"kernel": "weight", "scale": "weight", "embedding": "weight", "mean": "running_mean", "var": "running_var"}


def torch_names(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The same tensors as views: kernels (height, width, in, out) become (out, in, height, width), dense ones (in, out) become (out, in).

    >>> {name: tuple(value.shape) for name, value in torch_names({"params.conv.kernel": torch.ones(3, 3, 2, 8)}).items()}
    {'conv.weight': (8, 2, 3, 3)}
    """
    renamed: dict[str, Any] = {}
    for name, value in weights.items():
        plain = next((name.removeprefix(collection) for collection in COLLECTIONS if name.startswith(collection)), name)
        head, dot, last = plain.rpartition(".")
        new = f"{head}{dot}{LAST.get(last, last)}"
        if new in renamed:
            raise FileFormatError(f"checkpoint must name every tensor once; two become {printable(new)}", code="E_KEYS")
        renamed[new] = _turned(value) if last == "kernel" and isinstance(value, torch.Tensor) else value
    return renamed


def _turned(kernel: torch.Tensor) -> torch.Tensor:
    return kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T if kernel.ndim == 2 else kernel
