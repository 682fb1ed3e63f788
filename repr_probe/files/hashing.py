"""SHA-256 of a file, remembered by absolute path, size and modification time so that a second command need not read it again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from repr_probe.errors import FileFormatError, StoreError
from repr_probe.files.atomic import atomic_write
from repr_probe.files.home import home

# A file changed again within the resolution of the clock keeps its size and time; so young a file is not remembered.
_SETTLED_SECONDS = 2.0
_MOST_FILES = 10_000


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of the content of the file at `path`; cached in `hashes.json` of the home folder.

    Raises FileFormatError when there is no such file or it may not be read.
    """
    place = Path(path).absolute()
    try:
        before = place.stat()
        signature = [before.st_size, before.st_mtime_ns]
        cache = home() / "hashes.json"
        known = _read(cache).get(str(place))
        if known is not None and known[:2] == signature:
            return str(known[2])
        digest = _digest(place)
        after = place.stat()
    except OSError as failure:
        raise FileFormatError(f"{path} must be a readable file; got {failure.strerror or failure}") from failure
    settled = time.time() - after.st_mtime > _SETTLED_SECONDS
    if settled and [after.st_size, after.st_mtime_ns] == signature:
        _remember(cache, str(place), [*signature, digest])
    return digest


def sha256_of_all(path: str | Path) -> str:
    """`sha256_of` for a file; for a folder the hash of every file's relative path and hash, in the order of the paths."""
    place = Path(path)
    if not place.is_dir():
        return sha256_of(place)
    lines = [f"{file.relative_to(place).as_posix()} {sha256_of(file)}" for file in files_in(place)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def sha256_of_files(files: Sequence[Path]) -> str:
    """`sha256_of` of one file; of several the hash of their names and hashes."""
    if len(files) == 1:
        return sha256_of(files[0])
    return hashlib.sha256("\n".join(f"{file.name} {sha256_of(file)}" for file in files).encode()).hexdigest()


def files_in(folder: Path) -> list[Path]:
    """The regular files below a folder, sorted; FileFormatError when there are more than any checkpoint has."""
    found: list[Path] = []
    for file in folder.rglob("*"):
        if file.is_file():
            found.append(file)
        if len(found) > _MOST_FILES:
            raise FileFormatError(f"{folder} must be a folder of one checkpoint; got more than {_MOST_FILES} files", code="E_DIR_UNKNOWN")
    return sorted(found)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(cache: Path) -> dict[str, list]:
    """The cache's entries; a missing or damaged cache is an empty one, because every entry can be computed again."""
    try:
        entries = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {name: entry for name, entry in entries.items() if _well_formed(entry)}


def _well_formed(entry: object) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 3
        and all(isinstance(number, int) for number in entry[:2])
        and isinstance(entry[2], str)
        and len(entry[2]) == 64
    )


def _remember(cache: Path, name: str, entry: list) -> None:
    # Read again just before the rename: of two processes writing at once the last wins, and only the other's one entry is computed anew.
    # A home that cannot be written costs time and no correctness here; whoever must write there says so.
    with suppress(StoreError):
        atomic_write(cache, json.dumps({**_read(cache), name: entry}, indent=0, sort_keys=True))
