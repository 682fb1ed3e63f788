"""What torch.save wrote into the middle of another file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.safe_torch import read_torch


def read_torch_blob(data: np.ndarray, where: str) -> Any:
    """The content of `data` ((n,) uint8), read with every check of a file of its own; `where` names it in errors.

    It goes through a temporary file, since only a file can be checked and mapped; what comes back no longer depends on that file.
    """
    import torch

    with tempfile.TemporaryDirectory(prefix="repr-probe-") as folder:
        path = Path(folder) / "blob"
        data.tofile(path)
        try:
            content = read_torch(path)
        except FileFormatError as failure:
            raise FileFormatError(str(failure).replace(str(path), where), code=failure.code) from None
        if isinstance(content, torch.Tensor):
            return content.detach().clone()
        return _detached(content)


def _detached(content: Any) -> Any:
    """Tensors in dictionaries and lists as copies in memory; the file they are mapped from is about to go away."""
    import torch

    if isinstance(content, torch.Tensor):
        return content.detach().clone()
    if isinstance(content, dict):
        return {key: _detached(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(_detached(value) for value in content) if type(content) in (list, tuple) else content
    return content
