"""Reads hostile files in a process of its own: `python read_hostile.py FOLDER NUMBER...` prints one JSON object a file.

seconds: of computing.  anonymous: the peak of memory that belongs to no file, in MiB beyond that before reading.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from hostile_files import HOSTILE, Hostile

STATUS = Path("/proc/self/status")


def anonymous_mib() -> float:
    """Memory of this process that belongs to no file; 0 where the system does not say."""
    if not STATUS.exists():
        return 0.0
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith("RssAnon")) / 1024


class Watch(threading.Thread):
    """Looks every few milliseconds how much memory is in use."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.peak = anonymous_mib()
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.004):
            self.peak = max(self.peak, anonymous_mib())


def reader_of(row: Hostile) -> Callable[[Path], Any]:
    if row.reader == "arrays":
        from repr_probe.files.arrays import read_arrays

        return read_arrays
    if row.reader == "torch":
        from repr_probe.files.safe_torch import read_torch

        return read_torch
    from repr_probe.encoders.load import load_encoder

    return load_encoder


def read(row: Hostile, path: Path) -> dict[str, Any]:
    from repr_probe.errors import ReprProbeError

    watch = Watch()
    watch.start()
    start = time.process_time()
    try:
        loaded = reader_of(row)(path)
        told = [getattr(loaded, "input", ""), *getattr(loaded, "notes", ()), *getattr(loaded, "facts", {}).values()]
        code, said = "", " | ".join(map(str, told))
    except ReprProbeError as refusal:
        code, said = refusal.code or type(refusal).__name__, str(refusal)
    except BaseException as failure:
        code, said = f"unexpected {type(failure).__name__}", str(failure)
    seconds = time.process_time() - start
    watch.stopped.set()
    watch.join()
    return {"number": row.number, "code": code, "said": said, "seconds": seconds, "anonymous": max(watch.peak, anonymous_mib()) - watch.before}


def main() -> None:
    folder, numbers = Path(sys.argv[1]), sys.argv[2:]
    warm_up(folder)
    print(json.dumps({"ready": True}), flush=True)
    for row in HOSTILE:
        if row.number in numbers:
            print(json.dumps(read(row, folder / f"{row.number}.pth")), flush=True)


def warm_up(folder: Path) -> None:
    """Import what reading imports."""
    from repr_probe.encoders.load import load_encoder
    from repr_probe.errors import ReprProbeError

    for number in ("37", "35"):  # one that loads and one that has to look for other architectures
        with contextlib.suppress(ReprProbeError):
            load_encoder(folder / f"{number}.pth")


if __name__ == "__main__":
    main()
