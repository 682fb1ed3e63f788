"""Where a probe computes."""

from __future__ import annotations

from repr_probe.errors import InputError


def resolve_device(device: str) -> str:
    """ "auto" is a GPU if there is one; InputError for a device that torch cannot use here."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device must be one torch can use here; got {device!r} ({str(error).splitlines()[0]})") from None
    return device
