"""The state in which features are computed: full float32, no autocast, and everything put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from repr_probe.encoders.devices import resolve_device


def module_device(module: torch.nn.Module, device: str) -> torch.device:
    """The device to compute on: where the module's first tensor is for "auto"; UsageError for one that this machine lacks."""
    if device != "auto":
        return resolve_device(device)
    first = next((tensor for tensors in (module.parameters(), module.buffers()) for tensor in tensors), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def exact_pass(module: torch.nn.Module, device: torch.device) -> Iterator[None]:
    """Inside the block `module` is on `device`, products are exact float32, autocast is off; random states and settings are restored."""
    home = module_device(module, "auto")
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.autocast(device.type, enabled=False), _full_float32():
        if home != device:
            module.to(device)
        try:
            yield
        finally:
            if home != device:
                module.to(home)


@contextmanager
def _full_float32() -> Iterator[None]:
    backends: Any = torch.backends  # its switches are made at run time, out of a type checker's sight
    switches = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul, backends.mkldnn.conv)
    precisions = [switch.fp32_precision for switch in switches]
    matmul = _answer(torch.get_float32_matmul_precision)
    convolution = _answer(lambda: torch.backends.cudnn.allow_tf32)
    chosen_kernels = (backends.cudnn.benchmark, backends.cudnn.deterministic)
    try:
        # Older and newer switches must agree, or torch refuses to say which holds; the newer are set last, here and on the way back.
        _set_older_switches(None if matmul is None else "highest", None if convolution is None else False)
        for switch in switches:
            switch.fp32_precision = "ieee"
        # The fastest kernel of the day is not always the same one; a resumed extraction must end in the same bytes.
        backends.cudnn.benchmark, backends.cudnn.deterministic = False, True
        yield
    finally:
        backends.cudnn.benchmark, backends.cudnn.deterministic = chosen_kernels
        _set_older_switches(matmul, convolution)
        for switch, precision in zip(switches, precisions):
            switch.fp32_precision = precision


def _answer(older_switch: Callable[[], Any]) -> Any:
    """The state of a switch; None where the caller has mixed older and newer ones, so that torch does not answer."""
    try:
        return older_switch()
    except RuntimeError:
        return None


def _set_older_switches(matmul: str | None, convolution: bool | None) -> None:
    if matmul is not None:
        torch.set_float32_matmul_precision(matmul)
    if convolution is not None:
        torch.backends.cudnn.allow_tf32 = convolution
