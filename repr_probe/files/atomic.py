"""Writing that is whole or absent: into a temporary neighbour first, then one rename; a failure leaves nothing behind."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from repr_probe.errors import StoreError


def atomic_write(path: str | Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path` whole or not at all; missing parent folders are created.

    Raises StoreError naming the place when the disk is full or may not be written.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix) to write to; it takes the name `path` when the block ends well."""
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(6)}{path.suffix}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with explained(path):
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new temporary folder beside `path`; it takes the name `path`, replacing what was there, when the block ends well."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with explained(path):
            temporary.mkdir(parents=True)
            yield temporary
            sync_folder(temporary)
            replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(source: Path, path: Path) -> None:
    """Rename the finished folder `source` to `path`; a folder already there is moved aside first and then removed.

    No system call replaces a folder that has files in it, so for an instant `path` is absent; it is never half.
    """
    aside = path.with_name(f".{path.name}.old-{secrets.token_hex(6)}")
    if path.exists():
        path.replace(aside)
    try:
        source.replace(path)
    except OSError:
        if aside.exists():
            aside.replace(path)
        raise
    sync(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def sync(path: Path) -> None:
    """Make the content of a file, or the list of names of a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as failure:
        # Some network file systems cannot sync a folder; the rename itself is still atomic there.
        if not path.is_dir() or failure.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """`sync` every file below `folder` and the folders themselves."""
    for directory, _, names in os.walk(folder):
        for name in names:
            sync(Path(directory) / name)
        sync(Path(directory))


@contextmanager
def explained(path: str | Path, *, needed: int | None = None) -> Iterator[None]:
    """Turn the operating system's refusal to write at `path` into a StoreError of one line; `needed`: bytes to be written there."""
    try:
        yield
    except StoreError:
        raise
    except OSError as failure:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreError(_no_room(path, needed)) from failure
        if failure.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason = failure.strerror or type(failure).__name__
            raise StoreError(f"{path} must be writable; got {reason!r}; choose another place") from failure
        if failure.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
            raise StoreError(f"{path} must be a place for new files; got {failure.strerror!r} at {failure.filename}") from failure
        raise


def need_space(path: str | Path, needed: int) -> None:
    """Raise StoreError when the disk that holds `path` has less than `needed` bytes free."""
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise StoreError(_no_room(path, needed, free))


def _no_room(path: str | Path, needed: int | None, free: int | None = None) -> str:
    amount = "more room" if needed is None else f"{readable_bytes(needed)} of room"
    got = "a full disk" if free is None else f"{readable_bytes(free)} free"
    return f"{path} must have {amount}; got {got}; free some space or choose another place"


def readable_bytes(count: int) -> str:
    """A number of bytes for people.

    >>> readable_bytes(999), readable_bytes(5_300_000)
    ('999 bytes', '5.3 MB')
    """
    size = float(count)
    if size < 1000:
        return f"{count} bytes"
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 1000 or unit == "TB":
            break
    return f"{size:.1f} {unit}"
