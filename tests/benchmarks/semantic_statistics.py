"""Times of the statistics of two distance matrices: `python tests/benchmarks/semantic_statistics.py [--classes 1000]`.

The representation is 1 - cosine of noisy copies of hidden class positions, the reference the hidden distances on a grid of 0.02 (ties).
The Mantel test is put beside the plain loop (gather all rows, then all columns; multiply; sum) in the same process.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from repr_probe.metrics.cophenetic import cophenetic_alignment
from repr_probe.metrics.group_alignment import group_control
from repr_probe.metrics.mantel import mantel
from repr_probe.metrics.matrix_alignment import align, compare, row_alignment, surprising_pairs
from repr_probe.metrics.matrix_ranks import matrix_pair
from repr_probe.metrics.noise_ceiling import centroid_distances, noise_ceiling

PLAIN = 30  # permutations of the plain loop that are timed


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """On the clock, and of the processor (what a machine without other work would take)."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def plain_permutations(first: np.ndarray, second: np.ndarray, count: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(count):
        order = rng.permutation(len(first))
        np.sum(first * second[order][:, order])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--permutations", type=int, default=999)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(arguments.classes, 30))
    halves = [hidden + rng.normal(size=hidden.shape) for _ in range(2)]
    first, other = (centroid_distances(half) for half in halves)
    second = np.round(centroid_distances(hidden) / 0.02) * 0.02
    ranks = matrix_pair(first, second).rank_scores()
    kept = ~np.eye(arguments.classes, dtype=bool)
    groups = hidden[:, 0] > 0
    many = arguments.permutations
    works: dict[str, Callable[[], object]] = {
        "ranks of both": lambda: matrix_pair(first, second).rank_scores(),
        "Spearman, Pearson, Kendall, intervals": lambda: align(first, second, permutations=0),
        f"Mantel, {many} permutations": lambda: mantel(*ranks, kept, permutations=many),
        "align, everything (two Mantel tests)": lambda: align(first, second, permutations=many),
        "cophenetic, no test, no interval": lambda: cophenetic_alignment(first, second, permutations=0, intervals=False),
        "cophenetic, everything": lambda: cophenetic_alignment(first, second, permutations=many),
        f"control for two groups, {many} permutations": lambda: group_control(first, second, groups, permutations=many),
        "comparison of two representations": lambda: compare(first, other, second),
        "rows and surprising pairs": lambda: (row_alignment(first, second), surprising_pairs(first, second)),
        "noise ceiling": lambda: noise_ceiling(*halves),
    }
    print(f"{arguments.classes} classes, {kept.sum() // 2} pairs")
    for name, work in works.items():
        wall, busy = seconds(work)
        print(f"{name:40s} {wall:8.2f} s, processor {busy:6.2f} s", flush=True)
    fast, plain = seconds(lambda: mantel(*ranks, kept, permutations=PLAIN))[1], seconds(lambda: plain_permutations(*ranks, PLAIN))[1]
    print(f"one permutation, processor: {1e3 * fast / PLAIN:.2f} ms; gathered in one piece {1e3 * plain / PLAIN:.2f} ms")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
