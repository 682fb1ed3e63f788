"""Weights of torch.export archives (.pt2). The program beside them is not looked at, and nothing is run.

Archives of torch >= 2.8 hold one entry a tensor under data/weights and a JSON table of names; those before hold a torch.save file
(`data/weights/NAME.pt`; before 2.7 `serialized_state_dict.pt`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import FileFormatError
from repr_probe.files.json_file import parse_json
from repr_probe.files.printable import listed, printable
from repr_probe.files.raw_tensors import raw_tensor
from repr_probe.files.torch_blob import read_torch_blob
from repr_probe.files.zip_records import ZipRecords

if TYPE_CHECKING:
    import torch

WEIGHTS = "data/weights/"
TABLE = "_weights_config.json"
STRIDED = 7
# torch._export.serde.schema.ScalarType
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 9: "complex32", 10: "complex64",
    11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz", 34: "uint32", 35: "uint64",
}  # fmt: skip


def read_exported(path: str | Path) -> dict[str, Any]:
    """Parameters and buffers by name, as in the state_dict of the module; with several models in the archive, one map for each.

    Raises FileFormatError for archives that are cut, damaged, or lie about their sizes.
    """
    archive = ZipRecords(path)
    if "byteorder" in archive.places and archive.content("byteorder") != b"little":
        raise FileFormatError(f"{path} must be little-endian; got an archive of another machine; export it again", code="E_DTYPE")
    models: dict[str, Any] = {}
    for name in archive.places:
        if name.startswith(WEIGHTS) and name.endswith(TABLE):
            models[name[len(WEIGHTS) : -len(TABLE)]] = _by_table(archive, name)
        elif name == "serialized_state_dict.pt" or (name.startswith(WEIGHTS) and name.endswith(".pt")):
            models[Path(name).stem] = read_torch_blob(archive.bytes_of(name), f"{name} in {path}")
    if not models:
        text = f"{path} must hold the weights of an exported program; got none ({listed(archive.places)}); save the module's state_dict()"
        raise FileFormatError(text, code="E_NO_WEIGHTS")
    return next(iter(models.values())) if len(models) == 1 else models


def _by_table(archive: ZipRecords, name: str) -> dict[str, torch.Tensor]:
    stated = parse_json(archive.content(name), f"{name} in {archive.where}")
    entries = stated.get("config") if isinstance(stated, dict) else None
    if not isinstance(entries, dict):
        raise _broken(archive, name)
    return {key: _tensor(archive, key, entry) for key, entry in entries.items()}


def _tensor(archive: ZipRecords, key: str, entry: Any) -> Any:
    where = f"{printable(key)} in {archive.where}"
    payload = entry.get("path_name") if isinstance(entry, dict) else None
    if not isinstance(payload, str):
        raise _broken(archive, key)
    data = archive.bytes_of(WEIGHTS + payload)
    if entry.get("use_pickle"):
        return read_torch_blob(data, where)
    import torch

    meta = entry.get("tensor_meta")
    meta = meta if isinstance(meta, dict) else {}
    number = meta.get("dtype")
    dtype = getattr(torch, DTYPES.get(number, ""), None) if type(number) is int else None
    if dtype is None or meta.get("layout") != STRIDED:
        raise FileFormatError(f"{where} must be a dense tensor of a known type; got another", code="E_DTYPE")
    sizes, strides, offset = _numbers(meta.get("sizes")), _numbers(meta.get("strides")), _numbers([meta.get("storage_offset", {"as_int": 0})])
    return raw_tensor(data, dtype, sizes, strides=strides, offset=offset[0], where=where)


def _numbers(stated: Any) -> list[Any]:
    """[{"as_int": 4}, ...] as numbers; what is none stays None, for raw_tensor to refuse."""
    return [entry.get("as_int") if isinstance(entry, Mapping) else None for entry in stated] if isinstance(stated, list) else [None]


def _broken(archive: ZipRecords, name: str) -> FileFormatError:
    return FileFormatError(f"{archive.where} must be undamaged; its table of weights is not ({printable(name)})", code="E_CORRUPT")
