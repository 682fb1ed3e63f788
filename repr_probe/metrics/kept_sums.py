"""Sums of an unfinished pair pass on disk: a long pass that is stopped goes on where it was."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from repr_probe import progress

SAVE_SECONDS = 300.0


class KeptSums:
    """The additive arrays of a pass and how many of its steps they hold, in `folder`/<hash of `key`>.npz; nothing is kept without a folder.

    key: all that the sums depend on.  Written every five minutes, so a shorter pass leaves no file.
    A folder that cannot be read or written costs the keeping, with a note, never the pass.
    """

    def __init__(self, folder: Path | None, key: Sequence[bytes | np.ndarray], sums: Sequence[np.ndarray]) -> None:
        self.sums = sums
        self.path = None
        if folder is not None:
            digest = hashlib.sha256()
            for part in key:
                digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
            self.path = folder / f"{digest.hexdigest()[:32]}.npz"
        self._saved = time.monotonic()
        self._refused = False

    def steps_done(self) -> int:
        """Fill the arrays with what an earlier run kept; 0 where it kept nothing that can be read."""
        if self.path is None:
            return 0
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                found, done = [kept[f"arr_{number}"] for number in range(len(self.sums))], int(kept["done"])
            if [part.shape for part in found] != [own.shape for own in self.sums]:
                raise ValueError
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as damage:
            progress.note(f"the sums of an interrupted pair pass cannot be used ({type(damage).__name__}); starting over")
            return 0
        for own, part in zip(self.sums, found, strict=True):
            own[...] = part
        progress.note("going on with the sums of an interrupted pair pass")
        return done

    @property
    def is_due(self) -> bool:
        """Whether sums are kept and the last time is long ago."""
        return self.path is not None and not self._refused and time.monotonic() - self._saved >= SAVE_SECONDS

    def save(self, done: int) -> None:
        """Keep what the first `done` steps gave, if it is due."""
        if self.path is None or not self.is_due:
            return
        unfinished = self.path.with_name(f"{self.path.stem}.{os.getpid()}.npz")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(unfinished, *self.sums, done=np.array(done))
            unfinished.replace(self.path)
        except OSError as failure:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            # What an earlier save left stays: there the next run goes on, should this one be stopped.
            progress.note(f"the sums of the pair pass cannot be kept in {self.path.parent} ({failure.strerror}); the pass itself goes on")
            self._refused = True
        self._saved = time.monotonic()

    def forget(self) -> None:
        """Remove what was kept, and what runs that were killed in the middle of a save have left."""
        if self.path is not None:
            with suppress(OSError):
                for left in self.path.parent.glob(f"{self.path.stem}*.npz"):
                    left.unlink(missing_ok=True)
