"""The zip archives torch writes: every entry stored as it is, so that it can be mapped; the directory is checked before anything is read."""

from __future__ import annotations

import mmap
import re
import zipfile
import zlib
from pathlib import Path

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import listed, printable

LOCAL_HEADER = 30  # bytes before the name of an entry, which stands once more in front of its content
ENTRIES_LIMIT = 400_000
CODE = re.compile(r"(^|.*/)code/")  # of TorchScript: compressed, and never read


class ZipRecords:
    """The archive at `path`, after its directory was checked: nothing compressed, nothing twice, nothing outside the file, no overlap.

    places: name of an entry -> (start, end) of its content in the file.
    Raises FileFormatError: E_TRUNCATED, E_ZIP_COMPRESSED, E_ZIP_DUP, E_ZIP_NAME, E_SIZE_MISMATCH.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        entries = self._directory()
        with self.path.open("rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._check_names(entries)
        self._check_sizes([entry for entry in entries if not CODE.match(entry.filename)])
        self._sums = {entry.filename: entry.CRC for entry in entries}
        self.places = self._places([entry for entry in entries if not CODE.match(entry.filename)])

    def content(self, name: str) -> bytes:
        """The bytes of an entry, after its checksum was compared (torch can be told to write none: 0)."""
        start, end = self.places[name]
        content = self.data[start:end]
        if self._sums[name] not in (0, zlib.crc32(content)):
            raise FileFormatError(f"{self.path} must be undamaged; its entry {printable(name)} is not (checksum); copy it again", code="E_CORRUPT")
        return content

    def _directory(self) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, UnicodeError):
            text = f"{self.path} must be complete; got a file cut short (its zip directory is missing); copy it again"
            raise FileFormatError(text, code="E_TRUNCATED") from None
        if len(entries) > ENTRIES_LIMIT:
            raise FileFormatError(f"{self.path} must have at most {ENTRIES_LIMIT} entries; got {len(entries)}", code="E_PICKLE_LIMIT")
        return entries

    def _check_names(self, entries: list[zipfile.ZipInfo]) -> None:
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            seen: set[str] = set()
            twice = {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
            raise FileFormatError(f"{self.path} must name every entry once; got some twice ({listed(sorted(twice))})", code="E_ZIP_DUP")
        outside = [name for name in names if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name)]
        if outside:
            text = f"{self.path} must name entries inside itself; got {listed(outside)}; nothing was written"
            raise FileFormatError(text, code="E_ZIP_NAME")

    def _check_sizes(self, entries: list[zipfile.ZipInfo]) -> None:
        stored = [entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size for entry in entries]
        if not all(stored):
            packed = listed(entry.filename for entry, plain in zip(entries, stored) if not plain)
            text = f"{self.path} must be uncompressed, as torch.save writes; got compressed entries ({packed}); nothing was unpacked"
            raise FileFormatError(text, code="E_ZIP_COMPRESSED")
        outside = [entry.filename for entry in entries if entry.header_offset + entry.file_size > len(self.data)]
        if outside or sum(entry.file_size for entry in entries) > len(self.data):
            which = listed(outside) or "they overlap"
            text = f"{self.path} must be complete; its entries claim more than the {len(self.data)} bytes of the file ({which})"
            raise FileFormatError(text, code="E_SIZE_MISMATCH")

    def _places(self, entries: list[zipfile.ZipInfo]) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        last, before = 0, ""
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            header = self.data[entry.header_offset : entry.header_offset + LOCAL_HEADER]
            lengths = [int.from_bytes(header[at : at + 2], "little") for at in (26, 28)]
            start = entry.header_offset + LOCAL_HEADER + sum(lengths)
            end = start + entry.file_size
            if header[:4] != b"PK\x03\x04" or end > len(self.data):
                text = f"{self.path} must be undamaged; its entry {printable(entry.filename)} is not where its directory says"
                raise FileFormatError(text, code="E_SIZE_MISMATCH")
            if entry.header_offset < last:
                text = f"{self.path} must be undamaged; its entries {printable(before)} and {printable(entry.filename)} overlap"
                raise FileFormatError(text, code="E_SIZE_MISMATCH")
            places[entry.filename] = start, end
            last, before = end, entry.filename
        return places
