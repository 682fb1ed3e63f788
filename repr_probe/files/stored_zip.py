"""Zip archives whose entries are stored as they are, as every weight format has them: entries are views into the mapped file."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import listed, printable
from repr_probe.files.raw_tensors import map_file

LOCAL_HEADER = 30  # bytes before the name of an entry, which stands once more in front of its content


class StoredZip:
    """The archive in a file or in `source` ((n,) uint8), after its directory was checked: nothing compressed, no name twice, nothing
    outside, no overlap. `where` names it in errors (default: the path).

    names: its entries without their common first folder, which torch names after the file.
    """

    def __init__(self, source: str | Path | np.ndarray, where: str = "") -> None:
        self.where = where or str(source)
        self._data = source if isinstance(source, np.ndarray) else map_file(source)
        try:
            with zipfile.ZipFile(io.BufferedReader(_View(self._data))) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
            text = f"{self.where} must be complete; its zip directory is missing; copy it again"
            raise FileFormatError(text, code="E_TRUNCATED") from None
        self._check(entries)
        first = {entry.filename.split("/", 1)[0] for entry in entries}
        root = f"{first.pop()}/" if len(first) == 1 and all("/" in entry.filename for entry in entries) else ""
        self._places = {entry.filename[len(root) :]: self._place(entry) for entry in entries}
        self._sums = {entry.filename[len(root) :]: entry.CRC for entry in entries}
        self.names = list(self._places)

    def bytes_of(self, name: str) -> np.ndarray:
        """The content of an entry, (n,) uint8; E_MISSING_STORAGE where there is none of this name."""
        if name not in self._places:
            raise FileFormatError(f"{self.where} must be complete; its entry {printable(name)} is missing", code="E_MISSING_STORAGE")
        start, end = self._places[name]
        return self._data[start:end]

    def content(self, name: str) -> bytes:
        """The bytes of an entry, after its checksum was compared (torch can be told to write none: 0)."""
        content = self.bytes_of(name).tobytes()
        if self._sums[name] not in (0, zlib.crc32(content)):
            text = f"{self.where} must be undamaged; its entry {printable(name)} is not (checksum); copy it again"
            raise FileFormatError(text, code="E_CORRUPT")
        return content

    def _check(self, entries: list[zipfile.ZipInfo]) -> None:
        packed = [entry.filename for entry in entries if entry.compress_type or entry.compress_size != entry.file_size]
        if packed:
            text = f"{self.where} must be uncompressed, as torch writes; got compressed entries ({listed(packed)}); nothing was unpacked"
            raise FileFormatError(text, code="E_ZIP_COMPRESSED")
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            raise FileFormatError(f"{self.where} must name every entry once; got some twice", code="E_ZIP_DUP")
        ordered = sorted(entries, key=lambda entry: entry.header_offset)
        nexts = [entry.header_offset for entry in ordered[1:]] + [len(self._data)]
        for entry, following in zip(ordered, nexts, strict=True):
            if entry.header_offset < 0 or entry.header_offset + LOCAL_HEADER + entry.file_size > following:
                text = f"{self.where} must be undamaged; its entry {printable(entry.filename)} reaches into the next"
                raise FileFormatError(text, code="E_SIZE_MISMATCH")

    def _place(self, entry: zipfile.ZipInfo) -> tuple[int, int]:
        header = self._data[entry.header_offset : entry.header_offset + LOCAL_HEADER].tobytes()
        start = entry.header_offset + LOCAL_HEADER + sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        if header[:4] != b"PK\x03\x04" or start + entry.file_size > len(self._data):
            text = f"{self.where} must be undamaged; its entry {printable(entry.filename)} is not where its directory says"
            raise FileFormatError(text, code="E_SIZE_MISMATCH")
        return start, start + entry.file_size


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
