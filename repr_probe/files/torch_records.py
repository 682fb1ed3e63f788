"""What a torch.save zip claims and what it holds, compared before torch reads a byte of it.

torch's memory-mapped reading does not compare a record's size with the size its tensor asks for (torch 2.15): a tensor whose record was
cut short is silently filled up with the neighbouring bytes of the file. So every pickle in the archive is walked first by an unpickler
that imports and calls nothing, and every storage it names must have a record of exactly its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import FileFormatError
from repr_probe.files.inert import PICKLE_LIMIT, InertReader, run_inert
from repr_probe.files.printable import listed, printable
from repr_probe.files.tensor_claims import Making, Storage
from repr_probe.files.zip_records import ZipRecords

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Described:
    """What a checkpoint says before a tensor of it is read.

    names: everything its pickle names.  protocol: of that pickle.  claims: its storages by key.
    """

    names: frozenset[str]
    protocol: int
    claims: Mapping[str, Storage]


class TorchZip:
    """A torch.save or TorchScript archive whose every pickle was walked and whose every storage has a record of its size."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.records = ZipRecords(path)
        self.folder = self._folder()
        for name in self.records.places:
            if name.endswith(".pkl") and name != f"{self.folder}data.pkl":
                self._walk(name)
        self.described = self._walk(f"{self.folder}data.pkl")
        self._check_records(self.described.claims)

    def read(self) -> Any:
        """The content, read inertly; its tensors are views of the mapped file."""
        return run_inert(InertReader(self.records.content(f"{self.folder}data.pkl"), make=self._making()), str(self.path))

    def _folder(self) -> str:
        found = [name for name in self.records.places if name.split("/", 1)[-1] == "data.pkl"]
        if len(found) != 1:
            text = f"{self.path} must have one data.pkl; got {len(found)} ({listed(found)})"
            raise FileFormatError(text, code="E_ZIP_DUP" if found else "E_CORRUPT")
        return found[0].removesuffix("data.pkl")

    def _walk(self, name: str) -> Described:
        start, end = self.records.places[name]
        if end - start > PICKLE_LIMIT:
            text = f"{self.path} must keep {printable(name)} below {PICKLE_LIMIT >> 20} MiB; got {(end - start) >> 20} MiB"
            raise FileFormatError(text, code="E_PICKLE_LIMIT")
        reader = InertReader(self.records.content(name), storages=True)
        run_inert(reader, str(self.path))
        return Described(frozenset(reader.names), reader.protocol, reader.claims)

    def _record(self, key: str) -> str:
        return f"{self.folder}data/{key}"

    def _check_records(self, claims: Mapping[str, Storage]) -> None:
        for key, storage in claims.items():
            place = self.records.places.get(self._record(key))
            if place is None:
                text = f"{self.path} must be complete; the record data/{printable(key)} of a tensor is missing"
                raise FileFormatError(text, code="E_MISSING_STORAGE")
            if place[1] - place[0] != storage.whole:
                text = f"{self.path} must be undamaged; the record data/{printable(key)} has {place[1] - place[0]} bytes, not {storage.whole}"
                raise FileFormatError(text, code="E_SIZE_MISMATCH")

    def _making(self) -> Making:
        import torch

        # shared=False: a private mapping; writing to a tensor does not reach the file.
        whole = torch.UntypedStorage.from_file(str(self.path), False, len(self.records.data))
        swapped = f"{self.folder}byteorder" in self.records.places and self.records.content(f"{self.folder}byteorder") == b"big"
        parts: dict[str, torch.UntypedStorage] = {}

        def make(storage: Storage, dtype: torch.dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> torch.Tensor:
            if storage.key not in parts:
                start, end = self.records.places[self._record(storage.key)]
                parts[storage.key] = whole[start:end]
                if swapped and dtype.itemsize > 1:
                    parts[storage.key].byteswap(dtype)
            return tensor_over(parts[storage.key], storage, dtype, size, stride, offset)

        return make


def tensor_over(
    record: torch.UntypedStorage, storage: Storage, dtype: torch.dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> torch.Tensor:  # fmt: skip
    """A tensor that views `storage` within the bytes of its record; its extents were checked before."""
    import torch

    if 0 in size:
        return torch.empty(size, dtype=dtype)
    if storage.n_bytes != storage.whole:
        record = record[storage.start : storage.start + storage.n_bytes]
    return torch.empty(0, dtype=dtype).set_(record, offset, size, stride)  # type: ignore[call-overload]
