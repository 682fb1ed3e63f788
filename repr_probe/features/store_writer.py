"""StoreWriter: features go to disk batch by batch, survive a kill at any point, and appear under their name in one rename."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from repr_probe.errors import StoreError
from repr_probe.features.store import KIND, FeatureStore
from repr_probe.features.store_key import SCHEMA, canonical_json
from repr_probe.features.store_lock import StoreLock
from repr_probe.files.atomic import atomic_write, explained, need_space, replace_folder, sync_folder

# A journal line costs two waits for the disk; a kill loses at most this much work.
SYNC_SECONDS = 2.0


class StoreWriter:
    """Writes the store `<folder>/<key>` through `<folder>/<key>.partial`; use it as a context manager, which holds the lock.

    The partial folder holds the arrays at their full size. `<folder>/<key>.journal` says in its first line what is being written and how
    (`run`), in every further line a number of rows whose bytes are safe on disk; an interrupted extraction is continued from the last
    whole line. A store that exists already stays untouched until `finish` replaces it. A kill at any point leaves a journal and arrays
    from which the next run can go on, a finished store, or nothing.

        with StoreWriter(folder, key, n_samples=1000, run={"batch_size": 64}) as writer:
            for start in range(writer.rows_done, 1000, 64):
                writer.write(start, values[start : start + 64])
            store = writer.finish(meta, ids=ids, labels=labels)

    run: facts on which equal bytes depend but which are not in the key (batch size, device, versions); recorded in the journal.
    fresh: forget what an interrupted extraction left.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        *,
        n_samples: int,
        n_views: int = 0,
        dtype: str = "float32",
        run: Mapping[str, Any],
        fresh: bool = False,
    ) -> None:
        self.key = key
        self.path = folder / key
        self.dtype = dtype
        self.partial = folder / f"{key}.partial"
        self.rows_done = 0
        self.asked_run: dict[str, Any] = json.loads(canonical_json(run))
        self.run = self.asked_run
        self._plan: dict[str, Any] = {"schema": SCHEMA, "n_samples": n_samples, "n_views": n_views, "dtype": dtype}
        self._fresh = fresh
        self._journal_path = folder / f"{key}.journal"
        self._lock = StoreLock(folder / f"{key}.lock", key)
        self._arrays: dict[str, _ArrayFile] = {}
        self._journal: IO[bytes] | None = None
        self._rows_safe = 0
        self._last_sync = time.monotonic()

    def __enter__(self) -> StoreWriter:
        self._lock.acquire()
        try:
            if self._fresh:
                self.restart()
            else:
                self._resume()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            # Also after Ctrl-C or an error of the model: what was written is kept for the next run.
            if self._journal is not None and not isinstance(error, StoreError):
                self.flush()
        finally:
            self._close()

    def write(self, start: int, values: np.ndarray, views: np.ndarray | None = None) -> None:
        """Put `values` (n_rows, n_features) and `views` (n_rows, n_views, n_features) at the rows from `start` on.

        Rows come in order. Raises StoreError when the disk is full; what was safe before stays for resuming.
        """
        if start != self.rows_done:
            raise ValueError(f"rows must be written in order; got row {start} after {self.rows_done} rows")
        if self._journal is None:
            self._begin(values.shape[1])
        chunks = {"features.npy": values} if views is None else {"features.npy": values, "views.npy": views}
        with explained(self.partial):
            for name, chunk in chunks.items():
                self._arrays[name].put(start, chunk)
        self.rows_done = start + len(values)
        if time.monotonic() - self._last_sync >= SYNC_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Wait until every row written so far is safe on disk, then say so in the journal."""
        if self._journal is None or self.rows_done == self._rows_safe:
            return
        with explained(self.partial):
            for array in self._arrays.values():
                array.sync()
            self._append_to_journal(str(self.rows_done))
        self._rows_safe = self.rows_done
        self._last_sync = time.monotonic()

    def rewind(self, rows: int) -> None:
        """Continue from row `rows` although more are done; used to bring several layers to the same row."""
        if rows < self.rows_done and self._journal is not None:
            self.rows_done = rows
            with explained(self.partial):
                self._append_to_journal(str(rows))
            self._rows_safe = rows

    def restart(self) -> None:
        """Forget every row written so far (a finished store of the same key is not touched)."""
        self._close_files()
        self.run = self.asked_run
        self.rows_done = self._rows_safe = 0
        with explained(self.partial):
            self._journal_path.unlink(missing_ok=True)
            if self.partial.exists():
                shutil.rmtree(self.partial)

    def finish(self, meta: Mapping[str, Any], *, ids: Sequence[str], labels: np.ndarray | None = None) -> FeatureStore:
        """Write what belongs beside the arrays, `meta.json` last, and rename the folder to its key, replacing an older store.

        meta: `layer`, `class_names`, `provenance`, `notes` and whatever else describes the store; must be JSON values.
        """
        if self.rows_done != self._plan["n_samples"]:
            raise ValueError(f"all {self._plan['n_samples']} rows must be written before finish; got {self.rows_done}")
        self.flush()
        self._close_files()
        with explained(self.partial):
            self._write_beside(ids, labels)
            names = sorted(entry.name for entry in self.partial.iterdir())
            shape = {name: self._plan[name] for name in ("n_samples", "n_features", "n_views", "dtype")}
            files = {name: {"bytes": (self.partial / name).stat().st_size} for name in names}
            content = json.loads(canonical_json({"kind": KIND, "schema": SCHEMA, "key": self.key, **shape, "files": files, **meta}))
            sync_folder(self.partial)
            atomic_write(self.partial / "meta.json", json.dumps(content, indent=1) + "\n")
            replace_folder(self.partial, self.path)
            self._journal_path.unlink(missing_ok=True)
            self._sweep()
        return FeatureStore.open(self.path)

    def _sweep(self) -> None:
        """Remove what a run that was killed in the middle of a rename left: an older store moved aside, a journal not yet named."""
        for trash in self.path.parent.glob(f".{self.key}.*"):
            if trash.is_dir():
                shutil.rmtree(trash, ignore_errors=True)
            else:
                trash.unlink(missing_ok=True)

    def _write_beside(self, ids: Sequence[str], labels: np.ndarray | None) -> None:
        for entry in self.partial.iterdir():
            if entry.name not in ("features.npy", "views.npy"):
                entry.unlink()  # written by a run that was killed before the rename
        (self.partial / "ids.json").write_text(json.dumps(list(ids)), encoding="ascii")
        if labels is not None:
            np.save(self.partial / "labels.npy", np.ascontiguousarray(labels, dtype="<i8"))

    def _resume(self) -> None:
        with explained(self._journal_path):
            lines = _journal_lines(self._journal_path)
            if not lines:
                return
            recorded = json.loads(lines[0])
            if {name: recorded["plan"].get(name) for name in self._plan} != self._plan:
                return
            self._plan, self.run = recorded["plan"], recorded["run"]
            arrays = self._array_files()
            if not all(array.whole() for array in arrays.values()):
                return
            self._arrays = arrays
            self._journal = self._journal_path.open("r+b", buffering=0)
            self._journal.truncate(sum(len(line) + 1 for line in lines))
            self._journal.seek(0, os.SEEK_END)
            self.rows_done = self._rows_safe = int(lines[-1]) if len(lines) > 1 else 0

    def _begin(self, n_features: int) -> None:
        self.restart()
        self._plan["n_features"] = n_features
        arrays = self._array_files()
        needed = sum(array.size for array in arrays.values())
        try:
            with explained(self.partial, needed=needed):
                need_space(self.partial, needed)
                self.partial.mkdir(parents=True)
                for array in arrays.values():
                    array.create()
                sync_folder(self.partial)
                # Written last: a journal vouches for its arrays.
                atomic_write(self._journal_path, canonical_json({"plan": self._plan, "run": self.run}) + "\n")
                self._journal = self._journal_path.open("ab", buffering=0)
        except StoreError:
            self.restart()  # without its journal the folder is of no use to a later run
            raise
        self._arrays = arrays
        self._last_sync = time.monotonic()

    def _array_files(self) -> dict[str, _ArrayFile]:
        rows, views, width = self._plan["n_samples"], self._plan["n_views"], self._plan["n_features"]
        shapes = {"features.npy": (rows, width), **({"views.npy": (rows, views, width)} if views else {})}
        return {name: _ArrayFile(self.partial / name, shape, self._plan["dtype"]) for name, shape in shapes.items()}

    def _append_to_journal(self, line: str) -> None:
        if self._journal is not None:
            self._journal.write(line.encode("ascii") + b"\n")
            os.fsync(self._journal.fileno())

    def _close_files(self) -> None:
        for array in self._arrays.values():
            array.close()
        self._arrays = {}
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _close(self) -> None:
        self._close_files()
        self._lock.release()


class _ArrayFile:
    """A .npy file of known shape, reserved on disk in full before the first row and filled by rows.

    Written with plain writes, not through a memory map: a full disk is then an error that can be caught, not a signal that kills.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str) -> None:
        self.path = path
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.row_bytes = int(np.prod(shape[1:])) * self.dtype.itemsize
        self.header = _npy_header(shape, self.dtype)
        self.size = len(self.header) + shape[0] * self.row_bytes
        self._file: IO[bytes] | None = None

    def create(self) -> None:
        with self.path.open("xb", buffering=0) as file:
            _reserve(file, self.size)
            file.write(self.header)

    def whole(self) -> bool:
        return self.path.exists() and self.path.stat().st_size == self.size

    def put(self, start: int, rows: np.ndarray) -> None:
        if self._file is None:
            self._file = self.path.open("r+b", buffering=0)
        self._file.seek(len(self.header) + start * self.row_bytes)
        left = np.ascontiguousarray(rows, dtype=self.dtype).reshape(-1).view(np.uint8).data
        while left:
            left = left[self._file.write(left) :]

    def sync(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _reserve(file: IO[bytes], size: int) -> None:
    """Make `file` `size` bytes long, with the room really taken where the system can do that."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as failure:
        if isinstance(failure, OSError) and failure.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        file.truncate(size)


def _npy_header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    buffer = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def _journal_lines(journal: Path) -> list[bytes]:
    """The whole lines of a journal; a last line without its end was cut by the kill and does not count."""
    return journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
