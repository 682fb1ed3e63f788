"""One writer a store: a lock that the operating system lets go of when its process dies, however it dies."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from repr_probe.errors import StoreError
from repr_probe.files.atomic import explained

# Record locks belong to the process, so a second attempt inside one process has to be caught here.
_held_here: set[Path] = set()


class StoreLock:
    """Exclusive right to write one store, as a file `<key>.lock` that holds the process id, for messages.

    A POSIX record lock on the file decides, not its presence: a file left by a killed process locks nothing, worker processes do not
    inherit the lock, and a process id used again by another program cannot block anybody.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise StoreError at once, naming the process that has it."""
        if self.path in _held_here:
            raise StoreError(self._busy(str(os.getpid())))
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            while self._descriptor is None:
                self._try()
        _held_here.add(self.path)

    def release(self) -> None:
        """Remove the file and let go; harmless when the lock is not held."""
        if self._descriptor is None:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None
        _held_here.discard(self.path)

    def _try(self) -> None:
        import fcntl

        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            # The holder before us may have removed the file between our open and our lock; then this lock protects nothing: once more.
            current = self.path.exists() and os.path.samestat(os.fstat(descriptor), self.path.stat())
        except OSError as failure:
            owner = os.pread(descriptor, 20, 0).decode(errors="replace") or "unknown"
            os.close(descriptor)
            if failure.errno in (errno.EACCES, errno.EAGAIN):
                raise StoreError(self._busy(owner)) from failure
            raise
        if current:
            self._descriptor = descriptor
        else:
            os.close(descriptor)

    def _busy(self, owner: str) -> str:
        return f"store {self.key[:12]} must be written by one process at a time; process {owner} is writing it; wait for it or end it"
