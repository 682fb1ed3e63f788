"""Every angle between 20,000 rows against the bare float32 product of the same tiles: `python tests/benchmarks/pair_pass.py [--features 2048]`.

Prints the time of the pair pass (mean, SD, row sums and 0.05-degree histograms of all and same-class pairs, 1,000 classes) over the time of
the fastest bare product that numpy or torch (at each precision setting) reaches on the same tiles, in one run, interleaved.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from repr_probe.metrics.inference import delete_groups
from repr_probe.metrics.pairs import BLOCK, angle_pass
from repr_probe.metrics.products import matmul_precision
from repr_probe.metrics.rows import Rows


def sample(n: int, width: int, n_classes: int) -> tuple[Rows, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(n_classes), n // n_classes)
    values = rng.standard_normal((n, width), np.float32) + 0.5 * rng.standard_normal((n_classes, width), np.float32)[codes]
    groups = delete_groups(n_classes)[codes]
    order = np.lexsort((codes, groups))
    return Rows(values, order, unit=True), codes[order], groups[order]


def bare_products(rows: Rows, block: int) -> dict[str, float]:
    """Seconds for all tiles of the upper triangle, by backend."""
    unit = torch.from_numpy(rows.block(0, len(rows)).astype(np.float32))
    parts, out = unit.split(block), torch.empty(block, block)
    tiles = [(i, j) for i in range(len(parts)) for j in range(i, len(parts))]
    seconds = {}
    for name in ("numpy", "highest", "high", "medium"):
        with matmul_precision("highest" if name == "numpy" else name):
            start = time.perf_counter()
            for i, j in tiles:
                target = out.view(-1)[: len(parts[i]) * len(parts[j])].view(len(parts[i]), len(parts[j]))
                if name == "numpy":
                    np.matmul(parts[i].numpy(), parts[j].numpy().T, out=target.numpy())
                else:
                    torch.mm(parts[i], parts[j].T, out=target)
            seconds[name] = time.perf_counter() - start
        time.sleep(0.2)  # BLAS threads spin for a while after the last call
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rows, codes, groups = sample(arguments.rows, arguments.features, arguments.classes)
    ratios, uniform = [], []
    for _ in range(arguments.repeats):
        bare = bare_products(rows, BLOCK)
        fastest = min(bare, key=bare.__getitem__)
        times = []
        for kernel in (None, 2.0):
            start = time.perf_counter()
            angle_pass(rows, codes, groups, shift=89.0, kernel=kernel)
            times.append(time.perf_counter() - start)
        ratios.append(times[0] / bare[fastest])
        uniform.append(times[1] / bare[fastest])
        shown = ", ".join(f"{name} {seconds:.2f}" for name, seconds in bare.items())
        print(f"bare product, s: {shown}; pair pass {times[0]:.2f} s, with uniformity {times[1]:.2f} s; ratio {ratios[-1]:.2f} / {uniform[-1]:.2f}")
    size = f"{arguments.rows} x {arguments.features}"
    print(f"pair pass / fastest bare product, {size}: median {np.median(ratios):.2f} (with uniformity {np.median(uniform):.2f})")


if __name__ == "__main__":
    main()
