"""What torch.save wrote before 1.6: five pickles in a row (a magic number, a version, the machine, the object, the keys of its storages),
then the storages themselves, each as a number of elements and their bytes."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import FileFormatError
from repr_probe.files.inert import PICKLE_LIMIT, InertReader, run_inert
from repr_probe.files.printable import printable
from repr_probe.files.tensor_claims import Making, Storage
from repr_probe.files.torch_records import Described, tensor_over

if TYPE_CHECKING:
    import torch

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


class TorchLegacy:
    """A legacy file whose every pickle was walked and whose every storage is there in its full size.

    Raises FileFormatError: E_CORRUPT (also for files cut short, which cannot be told from damaged ones), and those of the walk.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, at = self._run(0)
        version, at = self._run(at)
        if (magic, version) != (MAGIC, VERSION):
            raise self._broken(f"its version is {printable(version)}, not {VERSION}")
        machine, self._object_at = self._run(at)
        if isinstance(machine, dict) and machine.get("little_endian") is False:
            raise FileFormatError(f"{path} must be little-endian; got a file of another machine; save it again", code="E_DTYPE")
        walked = self._reader(self._object_at, storages=True)
        run_inert(walked, str(path))
        self.described = Described(frozenset(walked.names), walked.protocol, walked.claims)
        keys, at = self._run(walked.at)
        self._places = self._find(keys, at)

    def read(self) -> Any:
        """The content, read inertly; its tensors are copies in memory."""
        return run_inert(self._reader(self._object_at, make=self._making()), str(self.path))

    def _reader(self, at: int, **how: Any) -> InertReader:
        return InertReader(self.data, at, end=min(len(self.data), at + PICKLE_LIMIT), **how)

    def _run(self, at: int) -> tuple[Any, int]:
        reader = self._reader(at)
        return run_inert(reader, str(self.path)), reader.at

    def _broken(self, what: str) -> FileFormatError:
        return FileFormatError(f"{self.path} must be complete and undamaged; {what}; copy it again", code="E_CORRUPT")

    def _find(self, keys: Any, at: int) -> dict[str, tuple[int, int]]:
        """(start, end) of every storage in the file."""
        claims, places = self.described.claims, dict[str, tuple[int, int]]()
        if not isinstance(keys, list):
            raise self._broken("its list of storages is none")
        for key in keys:
            name = key.decode("latin-1") if isinstance(key, bytes) else key
            storage = claims.get(name) if isinstance(name, str) else None
            if storage is None or name in places:
                raise self._broken(f"its storage {printable(name)} is not one of its tensors'")
            start = at + 8
            n_bytes = int.from_bytes(self.data[at:start], "little") * storage.dtype.itemsize
            if n_bytes != storage.whole:
                raise self._broken(f"its storage {printable(name)} has {n_bytes} bytes, not {storage.whole}")
            at = start + n_bytes
            if at > len(self.data):
                raise self._broken(f"it ends within the storage {printable(name)}")
            places[name] = start, at
        missing = [key for key in claims if key not in places]
        if missing:
            raise self._broken(f"its storage {printable(missing[0])} is missing")
        return places

    def _making(self) -> Making:
        import torch

        whole = torch.UntypedStorage.from_file(str(self.path), False, len(self.data))
        parts: dict[str, torch.UntypedStorage] = {}

        def make(storage: Storage, dtype: torch.dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> torch.Tensor:
            if storage.key not in parts:
                start, end = self._places[storage.key]
                # A copy: storages of this format lie at any address, and not every operation takes unaligned numbers.
                parts[storage.key] = whole[start:end].clone()
            return tensor_over(parts[storage.key], storage, dtype, size, stride, offset)

        return make
