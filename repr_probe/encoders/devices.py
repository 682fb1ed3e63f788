"""Names of devices."""

from __future__ import annotations

import torch

from repr_probe.errors import UsageError


def resolve_device(name: str | torch.device) -> torch.device:
    """`auto` (cuda where there is one, else cpu), `cpu`, `cuda`, `cuda:1`, `mps`; raises UsageError for what this machine does not have.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device must be auto, cpu, cuda, cuda:N or mps; got {name!r}") from None
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = {"cpu": True, "cuda": (device.index or 0) < n_cuda, "mps": torch.backends.mps.is_available()}
    if not here.get(device.type, False):
        raise UsageError(f"device must be there; got {str(device)!r}, but this machine offers {_offered(n_cuda)}")
    return device


def _offered(n_cuda: int) -> str:
    names = ["cpu", *(f"cuda:{index}" for index in range(n_cuda))]
    return ", ".join(names + (["mps"] if torch.backends.mps.is_available() else []))
