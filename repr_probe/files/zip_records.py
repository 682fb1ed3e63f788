"""The zip archives torch writes: every entry stored as it is, so that it can be mapped; the directory is checked before anything is read."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import listed, printable
from repr_probe.files.raw_tensors import map_file

LOCAL_HEADER = 30  # bytes before the name of an entry, which stands once more in front of its content
ENTRIES_LIMIT = 400_000
CODE = re.compile(r"(^|.*/)code/")  # of TorchScript: compressed, and never read


class ZipRecords:
    """The archive in a file or in `source` ((n,) uint8), after its directory was checked: nothing compressed, nothing twice, nothing
    outside, no overlap. `where` names it in errors (default: the path).

    data: all bytes, (n,) uint8, of a file mapped.  places: name of an entry -> (start, end) of its content there; names are without the
    first folder that all entries share, which torch names after the file.
    Raises FileFormatError: E_TRUNCATED, E_PICKLE_LIMIT, E_ZIP_COMPRESSED, E_ZIP_DUP, E_ZIP_NAME, E_SIZE_MISMATCH.
    """

    def __init__(self, source: str | Path | np.ndarray, where: str = "") -> None:
        self.where = where or str(source)
        try:
            self.data = source if isinstance(source, np.ndarray) else map_file(source)
            with zipfile.ZipFile(io.BufferedReader(_View(self.data))) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
            text = f"{self.where} must be complete; its zip directory is missing (cut short?); copy it again"
            raise FileFormatError(text, code="E_TRUNCATED") from None
        self._check_names([entry.filename for entry in entries])
        entries = [entry for entry in entries if not CODE.match(entry.filename)]
        self._check_sizes(entries)
        first = {entry.filename.split("/", 1)[0] for entry in entries}
        self._root = f"{first.pop()}/" if len(first) == 1 and all("/" in entry.filename for entry in entries) else ""
        self.places = self._places(entries)
        self._sums = {entry.filename.removeprefix(self._root): entry.CRC for entry in entries}

    def bytes_of(self, name: str) -> np.ndarray:
        """The content of an entry, (n,) uint8, a view; E_MISSING_STORAGE where there is none of this name."""
        if name not in self.places:
            raise FileFormatError(f"{self.where} must be complete; its entry {printable(name)} is missing", code="E_MISSING_STORAGE")
        start, end = self.places[name]
        return self.data[start:end]

    def content(self, name: str) -> bytes:
        """The bytes of an entry, after its checksum was compared (torch can be told to write none: 0)."""
        content = self.bytes_of(name).tobytes()
        if self._sums[name] not in (0, zlib.crc32(content)):
            text = f"{self.where} must be undamaged; its entry {printable(self._root + name)} is not (checksum); copy it again"
            raise FileFormatError(text, code="E_CORRUPT")
        return content

    def _check_names(self, names: list[str]) -> None:
        if len(names) > ENTRIES_LIMIT:
            raise FileFormatError(f"{self.where} must have at most {ENTRIES_LIMIT} entries; got {len(names)}", code="E_PICKLE_LIMIT")
        if len(set(names)) < len(names):
            seen: set[str] = set()
            twice = {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
            raise FileFormatError(f"{self.where} must name every entry once; got some twice ({listed(sorted(twice))})", code="E_ZIP_DUP")
        outside = [name for name in names if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name)]
        if outside:
            text = f"{self.where} must name entries inside itself; got {listed(outside)}; nothing was written"
            raise FileFormatError(text, code="E_ZIP_NAME")

    def _check_sizes(self, entries: list[zipfile.ZipInfo]) -> None:
        packed = [entry.filename for entry in entries if entry.compress_type or entry.compress_size != entry.file_size]
        if packed:
            text = f"{self.where} must be uncompressed, as torch writes; got compressed entries ({listed(packed)}); nothing was unpacked"
            raise FileFormatError(text, code="E_ZIP_COMPRESSED")
        outside = [entry.filename for entry in entries if entry.header_offset + entry.file_size > len(self.data)]
        if outside or sum(entry.file_size for entry in entries) > len(self.data):
            which = listed(outside) or "they overlap"
            text = f"{self.where} must be complete; its entries claim more than the {len(self.data)} bytes of the file ({which})"
            raise FileFormatError(text, code="E_SIZE_MISMATCH")

    def _places(self, entries: list[zipfile.ZipInfo]) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        last, before = 0, ""
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            header = self.data[max(entry.header_offset, 0) :][:LOCAL_HEADER].tobytes()
            start = entry.header_offset + LOCAL_HEADER + sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
            end = start + entry.file_size
            if entry.header_offset < 0 or header[:4] != b"PK\x03\x04" or end > len(self.data):
                text = f"{self.where} must be undamaged; its entry {printable(entry.filename)} is not where its directory says"
                raise FileFormatError(text, code="E_SIZE_MISMATCH")
            if entry.header_offset < last:
                text = f"{self.where} must be undamaged; its entries {printable(before)} and {printable(entry.filename)} overlap"
                raise FileFormatError(text, code="E_SIZE_MISMATCH")
            places[entry.filename.removeprefix(self._root)] = start, end
            last, before = end, entry.filename
        return places


class _View(io.RawIOBase):
    """Bytes in memory as a file, without a copy of them."""

    def __init__(self, data: np.ndarray) -> None:
        self._data, self._at = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self._data[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part.tobytes()
        self._at += len(part)
        return len(part)
