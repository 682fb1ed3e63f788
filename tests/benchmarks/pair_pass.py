"""Every angle between 20,000 rows against the bare float32 product of the same tiles: `python tests/benchmarks/pair_pass.py [--features 2048]`.

Prints the time of the pair pass (mean, SD, row sums and 0.05-degree histograms of all and same-class pairs, 1,000 classes) over the time of
the fastest bare product that numpy or torch (at each precision setting) reaches on the same tiles, in one run, interleaved; then with
uniformity, and with fast products. The bare product that is fastest is found on the first tiles. Peak of RssAnon (Linux) during the exact
pass, from a file that is mapped.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from memory import Watch, anonymous_megabytes

from repr_probe.metrics.inference import delete_groups
from repr_probe.metrics.pairs import BLOCK, angle_pass
from repr_probe.metrics.products import matmul_precision
from repr_probe.metrics.rows import Rows


def sample(path: Path, n: int, width: int, n_classes: int) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Rows in a mapped file, in the order of the pass."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(n_classes), -(-n // n_classes))[:n]
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, width))
    means = 0.5 * rng.standard_normal((n_classes, width), np.float32)
    for start in range(0, n, 10_000):
        part = codes[start : start + 10_000]
        values[start : start + 10_000] = rng.standard_normal((len(part), width), np.float32) + means[part]
    values.flush()
    groups = delete_groups(n_classes)[codes]
    order = np.lexsort((codes, groups))
    return Rows(np.load(path, mmap_mode="r"), order, unit=True), codes[order], groups[order]


def bare_product(rows: Rows, name: str, block: int, *, most: int | None = None) -> float:
    """Seconds for all tiles of the upper triangle (or the first `most`), without reading them."""
    n = len(rows)
    parts = {i: torch.from_numpy(rows.block(i, min(i + block, n)).astype(np.float32)) for i in range(0, min(n, 4 * block), block)}
    out, done, seconds = torch.empty(block, block), 0, 0.0
    with matmul_precision("highest" if name == "numpy" else name):
        for top in range(0, n, block):
            for side in range(top, n, block):
                left, right = parts[top % (4 * block)], parts[side % (4 * block)]
                left, right = left[: min(block, n - top)], right[: min(block, n - side)]
                target = out.view(-1)[: len(left) * len(right)].view(len(left), len(right))
                start = time.perf_counter()
                if name == "numpy":
                    np.matmul(left.numpy(), right.numpy().T, out=target.numpy())
                else:
                    torch.mm(left, right.T, out=target)
                seconds += time.perf_counter() - start
                done += 1
                if done == most:
                    return seconds
    return seconds


def fastest_bare(rows: Rows) -> str:
    found = {}
    for name in ("numpy", "highest", "high", "medium"):
        found[name] = min(bare_product(rows, name, BLOCK, most=20) for _ in range(2))
        time.sleep(0.2)  # BLAS threads spin for a while after the last call
    print("bare product, ms a tile: " + ", ".join(f"{name} {1000 * seconds / 20:.1f}" for name, seconds in found.items()), flush=True)
    return min(found, key=found.__getitem__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, codes, groups = sample(Path(folder) / "features.npy", arguments.rows, arguments.features, arguments.classes)
        angle_pass(rows.select(np.arange(4096)), codes[:0], groups[:0], shift=89.0)  # loads the libraries and their threads
        name, found = fastest_bare(rows), []
        for _ in range(arguments.repeats):
            bare = bare_product(rows, name, BLOCK)
            time.sleep(0.2)
            times = {}
            for kind, options in (("exact", {}), ("with uniformity", {"kernel": 2.0}), ("fast", {"matmul": "fast"})):
                before = anonymous_megabytes()
                start = time.perf_counter()
                with Watch() as watch:
                    result = angle_pass(rows, codes, groups, shift=89.0, **options)
                times[kind] = time.perf_counter() - start
                mean, std = result.mean_and_std()
                print(f"{kind}: {times[kind]:.2f} s, {times[kind] / bare:.2f} x the product by {name} ({bare:.2f} s); mean {mean:.6f}, SD {std:.6f}; "
                      f"RssAnon {watch.peak - before:.0f} MB above {before:.0f} MB", flush=True)  # fmt: skip
            found.append([times["exact"] / bare, times["with uniformity"] / bare, times["exact"] / times["fast"]])
    size, median = f"{arguments.rows} x {arguments.features}", np.median(found, axis=0)
    print(f"{size}: pair pass / fastest bare product {median[0]:.2f} (with uniformity {median[1]:.2f}); fast products {median[2]:.2f} times as fast")


if __name__ == "__main__":
    main()
