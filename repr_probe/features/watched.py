"""Memory-mapped features whose file is watched: one that is cut, rewritten, replaced or removed meanwhile is an error of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import InputError

_State = tuple[int, int, int, int]  # device, inode, bytes, time of the last write in ns


class WatchedMap(np.memmap):
    """A memory map that asks before every look into it whether its file still is the one that was opened; made by `watched`.

    The system ends a process that reads a page which its file no longer has (SIGBUS), and a file rewritten in place gives the numbers of two
    files as one. Both are told here before the page is touched: the question costs microseconds, a block of rows milliseconds.
    """

    _seen: _State | None = None

    def __array_finalize__(self, obj: Any) -> None:
        super().__array_finalize__(obj)
        # As numpy has it for the map itself: views share it, results computed from it do not.
        self._seen = obj._seen if isinstance(obj, WatchedMap) and np.may_share_memory(self, obj) else None

    def __getitem__(self, index: Any) -> Any:
        self.require_unchanged()
        found = np.ndarray.__getitem__(self, index)
        return found.view(np.ndarray) if isinstance(found, WatchedMap) and found._seen is None else found

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else array.view(np.ndarray)

    def require_unchanged(self) -> None:
        """Raise InputError where the file is not the one that was opened."""
        if self._seen is None:
            return
        path = Path(str(self.filename))
        change = _change(path, self._seen)
        if change:
            remedy = "bring it back, or take the new one, by the same command"
            raise InputError(f"features must lie unchanged on disk while they are measured; got {path}, which {change}; {remedy}")


def watched(values: np.ndarray, path: Path | None = None) -> np.ndarray:
    """The same array, its file watched from now on, where it is the map of a file with a name; any other as it is.

    path: the file that `values` were read from, for maps that another library has made (torch's of .safetensors and .pt).
    """
    if isinstance(values, WatchedMap) or (path is not None and _in_memory(values)):
        return values
    place = values.filename if isinstance(values, np.memmap) else path
    state = None if place is None else _state(Path(str(place)))
    if state is None:
        return values  # nameless on purpose, too: a temporary file that only its mapping keeps
    found = values.view(WatchedMap)
    found.filename, found._seen = str(place), state
    return found


def _in_memory(values: np.ndarray) -> bool:
    """Whether numpy itself has allocated the numbers."""
    root: Any = values
    while isinstance(root, np.ndarray) and root.base is not None:
        root = root.base
    return isinstance(root, np.ndarray)


def _state(path: Path) -> _State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _change(path: Path, before: _State) -> str:
    """What became of the file, for the sentence "got PATH, which ..."; "" where nothing did."""
    now = _state(path)
    if now == before:
        return ""
    if now is None:
        return "is gone"
    if now[:2] != before[:2]:
        return "was replaced by another file"
    return f"has {now[2]:,} bytes where it had {before[2]:,}" if now[2] != before[2] else "was written to"
