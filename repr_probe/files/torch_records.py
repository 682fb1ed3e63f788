"""What a torch.save zip claims and what it holds, compared before torch reads a byte of it.

torch's memory-mapped reading does not compare a record's size with the size its tensor asks for (torch 2.15): a tensor whose record was
cut short is silently filled up with the neighbouring bytes of the file. So `data.pkl` is walked first by an unpickler that imports and
calls nothing, and every storage it names must have a record of exactly its size.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import listed, printable

PICKLE_BYTES_LIMIT = 256 << 20
BYTES_PER_ELEMENT = {
    "UntypedStorage": 1, "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8, "IntStorage": 4,
    "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1, "ComplexDoubleStorage": 16, "ComplexFloatStorage": 8,
    "QUInt8Storage": 1, "QInt8Storage": 1, "QInt32Storage": 4, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1,
}  # fmt: skip


def check_torch_zip(path: str | Path) -> None:
    """Raise FileFormatError unless the zip at `path` is laid out as torch.save does it and every storage has a record of its size."""
    path = Path(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        _check_directory(path, entries)
        folder = _folder_of_pickle(path, entries)
        try:
            claimed = claimed_storages(archive.read(f"{folder}data.pkl"))
        except zipfile.BadZipFile as failure:
            raise FileFormatError(f"{path} must be undamaged; its zip entry data.pkl is not ({printable(failure)})") from None
        except Exception as failure:  # a damaged pickle can fail in any way; nothing in it was run
            reason = printable(f"{type(failure).__name__}: {failure}")
            raise FileFormatError(f"{path} must be undamaged; its list of tensors (data.pkl) cannot be read ({reason})") from None
    records = {entry.filename: entry.file_size for entry in entries}
    for key, n_bytes in claimed.items():
        held = records.get(f"{folder}data/{key}")
        if held is None:
            raise FileFormatError(f"{path} must be complete; the record data/{printable(key)} of a tensor is missing")
        if held != n_bytes:
            raise FileFormatError(f"{path} must be undamaged; the record data/{printable(key)} has {held} bytes, not {n_bytes}")


def _check_directory(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    size = path.stat().st_size
    stored = [entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size for entry in entries]
    if not all(stored):
        packed = listed(entry.filename for entry, plain in zip(entries, stored) if not plain)
        raise FileFormatError(f"{path} must be uncompressed, as torch.save writes; got compressed entries ({packed}); nothing was unpacked")
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise FileFormatError(f"{path} must name every entry once; got some twice ({listed(twice)})")
    outside = [entry.filename for entry in entries if entry.header_offset + entry.file_size > size]
    if outside or sum(entry.file_size for entry in entries) > size:
        which = listed(outside) or "they overlap"
        raise FileFormatError(f"{path} must be complete; its entries claim more than the {size} bytes of the file ({which})")


def _folder_of_pickle(path: Path, entries: list[zipfile.ZipInfo]) -> str:
    pickles = [entry for entry in entries if entry.filename.split("/", 1)[-1] == "data.pkl"]
    if len(pickles) != 1:
        raise FileFormatError(f"{path} must have one data.pkl; got {len(pickles)} ({listed(entry.filename for entry in pickles)})")
    if pickles[0].file_size > PICKLE_BYTES_LIMIT:
        limit, held = PICKLE_BYTES_LIMIT >> 20, pickles[0].file_size >> 20
        raise FileFormatError(f"{path} must keep its list of tensors (data.pkl) below {limit} MiB; got {held} MiB")
    return pickles[0].filename.removesuffix("data.pkl")


def claimed_storages(pickled: bytes) -> dict[str, int]:
    """Key -> bytes of every storage that `pickled` (the content of data.pkl) refers to; nothing in it is imported or called."""
    walker = _InertUnpickler(io.BytesIO(pickled), encoding="utf-8", errors="surrogateescape")
    walker.load()
    return walker.claimed


class _Inert:
    """Stands for every class and function a pickle names, and for every object it would make with them; does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, item: Any) -> None: ...

    def extend(self, items: Any) -> None: ...

    def add(self, item: Any) -> None: ...

    def update(self, items: Any) -> None: ...


# The unpickler in Python, not the one in C: the latter allocates a table as large as the largest memo number a hostile file writes.
class _InertUnpickler(pickle._Unpickler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.claimed: dict[str, int] = {}
        self._stand_ins: dict[str, type[_Inert]] = {}

    def find_class(self, module: str, name: str) -> type[_Inert]:
        return self._stand_ins.setdefault(name, type(name.rpartition(".")[2].replace("\0", "") or "_", (_Inert,), {}))

    def get_extension(self, code: int) -> Any:
        raise pickle.UnpicklingError("pickle extension codes are not part of a checkpoint")

    def persistent_load(self, pid: Any) -> Any:
        kind, storage, key, _, n_elements = pid
        element = BYTES_PER_ELEMENT.get(storage.__name__)
        if kind != "storage" or element is None or not isinstance(n_elements, int) or n_elements < 0:
            raise pickle.UnpicklingError(f"unknown kind of storage {storage.__name__}")
        n_bytes = self.claimed.setdefault(str(key), n_elements * element)
        if n_bytes != n_elements * element:
            raise pickle.UnpicklingError(f"storage {printable(key)} is claimed with two sizes")
        return _Inert()
