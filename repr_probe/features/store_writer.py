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
from repr_probe.features.store_journal import StoreJournal
from repr_probe.features.store_key import SCHEMA, canonical_json
from repr_probe.features.store_lock import StoreLock
from repr_probe.files.atomic import atomic_write, explained, need_space, replace_folder, sync_folder

# A journal line costs two waits for the disk; a kill loses at most this much work.
SYNC_SECONDS = 2.0


class StoreWriter:
    """Writes the store `<folder>/<key>` through `<folder>/<key>.partial`; use it as a context manager, which holds the lock.

    The partial folder holds the arrays at their full size. `<folder>/<key>.journal` says what is being written, how (`run`), and how many
    rows are safe on disk; an interrupted extraction is continued from there. A store that exists already stays untouched until `finish`
    replaces it. A kill at any point leaves a journal and arrays from which the next run can go on, a finished store, or nothing.

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
        self._lock = StoreLock(folder / f"{key}.lock", key)
        self._arrays: dict[str, _ArrayFile] = {}
        self._journal = StoreJournal(folder / f"{key}.journal")
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
            if not isinstance(error, StoreError):
                self.flush()
        finally:
            self._close()

    def write(self, start: int, values: np.ndarray, views: np.ndarray | None = None) -> None:
        """Put `values` (n_rows, n_features) and `views` (n_rows, n_views, n_features) at the rows from `start` on.

        Rows come in order. Raises StoreError when the disk is full; what was safe before stays for resuming.
        """
        if start != self.rows_done:
            raise ValueError(f"rows must be written in order; got row {start} after {self.rows_done} rows")
        if not self._journal.is_open:
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
        if not self._journal.is_open or self.rows_done == self._rows_safe:
            return
        with explained(self.partial):
            for array in self._arrays.values():
                array.sync()
            self._journal.append(self.rows_done)
        self._rows_safe = self.rows_done
        self._last_sync = time.monotonic()

    def rewind(self, rows: int) -> None:
        """Continue from row `rows` although more are done; used to bring several layers to the same row."""
        if rows < self.rows_done and self._journal.is_open:
            self.rows_done = rows
            with explained(self.partial):
                self._journal.append(rows)
            self._rows_safe = rows

    def restart(self) -> None:
        """Forget every row written so far (a finished store of the same key is not touched)."""
        self._close_files()
        self.run = self.asked_run
        self.rows_done = self._rows_safe = 0
        with explained(self.partial):
            self._journal.remove()
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
            self._journal.remove()
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
        with explained(self._journal.path):
            content = self._journal.read()
            if content is None or {name: content.plan.get(name) for name in self._plan} != self._plan:
                return
            arrays = self._array_files(content.plan)
            if all(array.whole() for array in arrays.values()):
                self._journal.reopen(content)
                self._plan, self.run, self._arrays = content.plan, content.run, arrays
                self.rows_done = self._rows_safe = content.rows

    def _begin(self, n_features: int) -> None:
        self.restart()
        self._plan["n_features"] = n_features
        arrays = self._array_files(self._plan)
        needed = sum(array.size for array in arrays.values())
        try:
            with explained(self.partial, needed=needed):
                need_space(self.partial, needed)
                self.partial.mkdir(parents=True)
                for array in arrays.values():
                    array.create()
                sync_folder(self.partial)
                # Written last: a journal vouches for its arrays.
                self._journal.begin(self._plan, self.run)
        except StoreError:
            self.restart()  # without its journal the folder is of no use to a later run
            raise
        self._arrays = arrays
        self._last_sync = time.monotonic()

    def _array_files(self, plan: Mapping[str, Any]) -> dict[str, _ArrayFile]:
        rows, views, width = plan["n_samples"], plan["n_views"], plan["n_features"]
        shapes = {"features.npy": (rows, width), **({"views.npy": (rows, views, width)} if views else {})}
        return {name: _ArrayFile(self.partial / name, shape, plan["dtype"]) for name, shape in shapes.items()}

    def _close_files(self) -> None:
        for array in self._arrays.values():
            array.close()
        self._arrays = {}
        self._journal.close()

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
