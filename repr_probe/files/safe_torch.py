"""torch.save files, read without running anything from them."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import FileFormatError
from repr_probe.files.dead import Dead
from repr_probe.files.printable import printable
from repr_probe.files.sniff import sniff
from repr_probe.files.tensor_claims import DTYPE_OF_STORAGE
from repr_probe.files.torch_legacy import TorchLegacy
from repr_probe.files.torch_records import Described, TorchZip

if TYPE_CHECKING:
    import torch

PATH_LIMIT = 200
KINDS = ("torch-zip", "torch-legacy", "torchscript")
# All that a dictionary of weights names. torch reads more than this by itself; what it would call for that is not needed here.
ORDINARY = frozenset({
    "collections.OrderedDict", "torch.Size", "torch.device", "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_parameter", "torch.storage.UntypedStorage",
    *(f"torch.{name}" for name in DTYPE_OF_STORAGE),
})  # fmt: skip


def read_torch(path: str | Path) -> Any:
    """What torch.save (or torch.jit.save) wrote to `path`, on the CPU; tensors of zip files are memory-mapped: only what is used is read.

    Tensors and plain values come back as they were. Objects of other classes come back as `files.dead.Dead`: nothing is imported, nothing
    is run, and the classes need not be installed. Ordinary files are read by torch with `weights_only=True`, all others inertly.
    Raises FileFormatError for files that are cut, damaged, lie about their sizes, or name what attacks are made of.
    """
    kind = sniff(path)
    if kind not in KINDS:
        raise FileFormatError(f"{path} must be written by torch.save; got a file of kind {kind}", code="E_KIND")
    file: TorchZip | TorchLegacy = TorchLegacy(path) if kind == "torch-legacy" else TorchZip(path)
    if kind == "torchscript" or not _is_ordinary(file.described):
        loaded = file.read()
    else:
        try:
            loaded = _weights_only(path, mapped=kind == "torch-zip")
        except pickle.UnpicklingError:
            loaded = file.read()
    for name, tensor in tensors_in(loaded):
        _check_tensor(path, name, tensor)
    return loaded


def _is_ordinary(described: Described) -> bool:
    return described.protocol == 2 and all(name in ORDINARY or _is_dtype(name) for name in described.names)


def _is_dtype(name: str) -> bool:
    import torch

    return isinstance(torch.__dict__.get(name.removeprefix("torch.")), torch.dtype)


def _weights_only(path: str | Path, *, mapped: bool) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # storages of old files are announced as deprecated by torch itself
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError:
        raise
    except Exception as failure:  # a damaged file can fail in any way inside torch
        reason = printable(f"{type(failure).__name__}: {failure}".splitlines()[0])
        text = f"{path} must be complete and undamaged; torch cannot read it ({reason}); copy it again"
        raise FileFormatError(text, code="E_CORRUPT") from None


def tensors_in(value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor inside nested dicts, lists, tuples and dead objects with its dotted path; each is entered once, at any depth."""
    import torch

    waiting: list[tuple[str, Any]] = [("", value)]
    entered: set[int] = set()
    while waiting:
        name, item = waiting.pop()
        if isinstance(item, torch.Tensor):
            yield name, item
        elif isinstance(item, dict | list | tuple | Dead) and id(item) not in entered:
            entered.add(id(item))
            # Paths are cut: in a list nested 100,000 deep they would fill the memory.
            waiting.extend(
                (f"{name}.{_step(key)}"[:PATH_LIMIT].lstrip("."), inner)
                for key, inner in _inside(item)
                if isinstance(inner, torch.Tensor) or (isinstance(inner, dict | list | tuple | Dead) and id(inner) not in entered)
            )


def _step(key: Any) -> str:
    """A key as a part of a path; keys that are no names are given by their type, for they may be of any size."""
    if isinstance(key, str):
        return key[:PATH_LIMIT]
    return str(key) if type(key) is int and key.bit_length() < 64 else f"<{type(key).__name__}>"


def _inside(item: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(item, Dead):
        yield from (("", part) for part in (item.state, item.items, item.list, item.args))
    elif isinstance(item, dict):
        yield from item.items()
    else:
        yield from enumerate(item)


def _check_tensor(path: str | Path, name: str, tensor: torch.Tensor) -> None:
    """A tensor must be backed by as many bytes as it shows, whoever made it."""
    import torch

    if tensor.device.type == "meta" and not tensor.is_quantized:
        text = f"{path} must hold the values of its tensors; {printable(name)} is on the meta device, which has none"
        raise FileFormatError(text, code="E_META")
    if tensor.layout is not torch.strided or tensor.is_quantized:
        return
    needed, held = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
    if needed > held:
        text = f"{path} must back its tensors; {printable(name)} shows {needed} bytes but {held} are stored"
        raise FileFormatError(text, code="E_TENSOR_BOMB")
