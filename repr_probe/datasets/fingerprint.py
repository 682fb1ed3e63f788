"""The fingerprint of a split: changes when a file is added, removed, renamed, resized or rewritten; costs nothing but `stat`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from repr_probe import progress
from repr_probe.datasets.split_contents import FileStamp
from repr_probe.errors import DatasetError

_BLOCK = 1 << 20


def fingerprint_of(folder: str, stamps: Sequence[FileStamp], *, verify: bool = False) -> str:
    """sha256 over sorted relative paths with sizes and modification times; with `verify`, with the sha256 of each file's contents instead.

    The folder's own place is no part of it: the same files elsewhere (modification times kept) have the same fingerprint.
    """
    digest = hashlib.sha256(b"contents\0" if verify else b"stat\0")
    ordered = sorted(stamps)
    if verify:
        with progress.task("hashing the data set", len(ordered)) as advance:
            for stamp in ordered:
                digest.update(os.fsencode(stamp.path) + b"\0" + _contents_digest(Path(folder) / stamp.path) + b"\n")
                advance(1)
    else:
        lines = (b"%b\0%d\0%d\n" % (os.fsencode(stamp.path), stamp.size, stamp.mtime_ns) for stamp in ordered)
        digest.update(b"".join(lines))
    return digest.hexdigest()


def _contents_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise DatasetError(f"dataset must be readable; got {path} ({error.strerror})") from error
    return digest.digest()
