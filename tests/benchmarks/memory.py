"""Anonymous memory of geometry_report on 50,000 x 2048 memory-mapped features: `python tests/benchmarks/memory.py [--preset paper]`.

Prints the peak of RssAnon (Linux) above what the loaded libraries hold, and the time. No N x N matrix, no copy of the features.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np


def anonymous_megabytes() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024.0
    return float("nan")


class Watch:
    """Peak of RssAnon while the block runs, sampled every 5 ms."""

    def __enter__(self) -> Watch:
        self.peak, self.stop = anonymous_megabytes(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def _run(self) -> None:
        while not self.stop.wait(0.005):
            self.peak = max(self.peak, anonymous_megabytes())

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


def write_features(path: Path, n: int, width: int) -> None:
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, width))
    rng = np.random.default_rng(0)
    for start in range(0, n, 1000):
        values[start : start + 1000] = np.maximum(rng.standard_normal((min(1000, n - start), width), np.float32) + 0.2, 0.0)
    values.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--preset", default="paper")
    arguments = parser.parse_args()
    from repr_probe.reports.geometry import geometry_report

    labels = np.random.default_rng(1).integers(0, 1000, arguments.rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        write_features(path, arguments.rows, arguments.features)
        warm = np.random.default_rng(0).standard_normal((64, 16), np.float32)
        geometry_report(warm, np.arange(64) % 12, preset=arguments.preset)  # loads the libraries and their threads
        values = np.load(path, mmap_mode="r")
        before = anonymous_megabytes()
        start = time.perf_counter()
        with Watch() as watch:
            report = geometry_report(values, labels, preset=arguments.preset)
        seconds = time.perf_counter() - start
    print(report)
    size = f"{arguments.rows} x {arguments.features}, preset {arguments.preset}"
    print(f"{size}: RssAnon peak {watch.peak - before:.0f} MB above the libraries' {before:.0f} MB; {seconds:.0f} s")


if __name__ == "__main__":
    main()
