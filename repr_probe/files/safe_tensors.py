"""safetensors files: tensors by name and a map of strings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable
from repr_probe.files.sniff import sniff

if TYPE_CHECKING:
    import torch

HEADER_LIMIT = 20 << 20  # a tensor takes about 100 bytes of it
MARKS_LIMIT = 1_500_000  # colons and opening brackets, six for every tensor


def read_safetensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors on the CPU, sorted by name as the format has them, and the metadata of the file.

    Raises FileFormatError for files that are cut or whose header does not describe what follows it.
    """
    from safetensors import SafetensorError, safe_open

    kind = sniff(path)
    if kind != "safetensors":
        raise FileFormatError(f"{path} must be a safetensors file; got a file of kind {kind}", code="E_KIND")
    _check_header(Path(path))
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 - not a dict
    except (SafetensorError, ValueError, TypeError, RuntimeError, KeyError, AttributeError) as failure:
        text = f"{path} must be an undamaged safetensors file; its header does not fit ({printable(failure)})"
        raise FileFormatError(text, code="E_CORRUPT") from None
    except OSError as failure:
        raise FileFormatError(f"{path} must be readable; got {printable(failure)!r}", code="E_UNREADABLE") from None


def _check_header(path: Path) -> None:
    """Say plainly when the file is shorter than its header claims, or its header is none; everything finer is left to the library."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > HEADER_LIMIT:
            text = f"{path} must have a header below {HEADER_LIMIT >> 20} MiB, as safetensors has; got {length >> 20} MiB"
            raise FileFormatError(text, code="E_CORRUPT")
        raw = file.read(length)
        if sum(map(raw.count, (b"[", b"{", b":"))) > MARKS_LIMIT:
            raise FileFormatError(f"{path} must describe at most {MARKS_LIMIT // 6} tensors; its header has far more parts", code="E_CORRUPT")
        try:
            header: Any = json.loads(raw)
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            claimed = 8 + length + max(ends, default=0)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            text = f"{path} must be an undamaged safetensors file; its header is not a list of tensors"
            raise FileFormatError(text, code="E_CORRUPT") from None
    if claimed > size:
        text = f"{path} must be complete; its header claims {claimed} bytes but the file has {size}; copy it again"
        raise FileFormatError(text, code="E_TRUNCATED")
