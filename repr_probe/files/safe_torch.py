"""torch.save files, read without running anything from them."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable
from repr_probe.files.sniff import sniff
from repr_probe.files.torch_records import check_torch_zip

if TYPE_CHECKING:
    import torch


def read_torch(path: str | Path) -> Any:
    """What torch.save wrote to `path`, on the CPU; tensors of the zip format are memory-mapped, so that only what is used is read.

    Reading is always `weights_only=True`: tensors and plain Python values. A file that asks for anything else is refused with the name
    it asked for, and nothing in it is run. Raises FileFormatError also for files that are cut, damaged, or lie about their sizes.
    """
    import torch

    kind = sniff(path)
    if kind not in ("torch-zip", "torch-legacy"):
        raise FileFormatError(f"{path} must be written by torch.save; got a file of kind {kind}")
    if kind == "torch-zip":
        check_torch_zip(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # storages of old files are announced as deprecated by torch itself
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=kind == "torch-zip")
    except pickle.UnpicklingError as failure:
        raise FileFormatError(_explain_refusal(path, str(failure))) from None
    except Exception as failure:  # a damaged file can fail in any way inside torch
        reason = printable(f"{type(failure).__name__}: {failure}".splitlines()[0])
        raise FileFormatError(f"{path} must be complete and undamaged; torch cannot read it ({reason}); copy it again") from None
    for name, tensor in tensors_in(loaded):
        _check_tensor(path, name, tensor)
    return loaded


def _explain_refusal(path: str | Path, failure: str) -> str:
    asked = re.search(r"(?:GLOBAL|global:?|class:?|function:?)\s+`?([\w.]+\.[\w.]+)", failure)
    if asked is None:
        said = (failure.rpartition("WeightsUnpickler error:")[2] or failure).split("Check the documentation")[0]
        reason = printable(re.sub(r"\s+", " ", said).strip(), limit=120)
        return f"{path} must hold tensors and plain values only; it cannot be read without running code from it ({reason}); nothing was run"
    return (
        f"{path} must hold tensors and plain values only; got a reference to {printable(asked[1])}, which would have to run; "
        "nothing was run; save the weights alone: torch.save(model.state_dict(), ...)"
    )


def tensors_in(value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor inside nested dicts, lists and tuples with its dotted path; each container is entered once, at any depth."""
    import torch

    waiting: list[tuple[str, Any]] = [("", value)]
    entered: set[int] = set()
    while waiting:
        name, item = waiting.pop()
        if isinstance(item, torch.Tensor):
            yield name, item
        elif isinstance(item, dict | list | tuple) and id(item) not in entered:
            entered.add(id(item))
            pairs = item.items() if isinstance(item, dict) else enumerate(item)
            # Paths are cut: in a list nested 100,000 deep they would fill the memory.
            waiting.extend((f"{name}.{key}"[:500].lstrip("."), inner) for key, inner in pairs)


def _check_tensor(path: str | Path, name: str, tensor: torch.Tensor) -> None:
    """A tensor must be backed by as many bytes as it shows: by stride 0 a file of 4 bytes can claim terabytes."""
    import torch

    if tensor.device.type == "meta":
        raise FileFormatError(f"{path} must hold the values of its tensors; {printable(name)} is on the meta device, which has none")
    if tensor.layout is not torch.strided or tensor.is_quantized:
        return
    needed, held = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
    if needed > held:
        raise FileFormatError(f"{path} must back its tensors; {printable(name)} shows {needed} bytes but {held} are stored")
