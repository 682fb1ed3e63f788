"""d-prime, CVN, mean cosine and ranks against brute force over the N x N matrix: `python tests/benchmarks/closed_forms.py [--features 64]`.

Both sides in float64, interleaved in one run; prints the largest difference and the ratio of median times, each measure alone and together.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import repr_probe


def brute(x: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], float]]:
    def cosines() -> np.ndarray:
        unit = x / np.linalg.norm(x, axis=1)[:, None]
        return unit @ unit.T

    def d_prime() -> float:
        cosine = cosines()
        upper = np.triu(np.ones(cosine.shape, bool), 1)
        same = labels[:, None] == labels
        positive, negative = cosine[upper & same], cosine[upper & ~same]
        return float((positive.mean() - negative.mean()) / np.sqrt((positive.var() + negative.var()) / 2.0))

    def mean_cosine() -> float:
        cosine = cosines()
        return float((cosine.sum() - np.trace(cosine)) / (len(x) * (len(x) - 1.0)))

    def center_vector_norm() -> float:
        return float(np.sqrt(cosines().mean()))

    return {"d_prime": d_prime, "center_vector_norm": center_vector_norm, "mean_cosine": mean_cosine}


def ours(x: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], float]]:
    return {
        "d_prime": lambda: repr_probe.d_prime(x, labels),
        "center_vector_norm": lambda: repr_probe.center_vector_norm(x),
        "mean_cosine": lambda: repr_probe.mean_cosine(x),
    }


def rank_by_gram(x: np.ndarray) -> float:
    """Effective rank from the N x N Gram matrix."""
    sigma = np.sqrt(np.maximum(np.linalg.eigvalsh(x @ x.T), 0.0))
    sigma = sigma[sigma > sigma.max() * 1e-7]
    p = sigma / sigma.sum()
    return float(np.exp(-(p @ np.log(p))))


def timed(function: Callable[[], float]) -> tuple[float, float]:
    start = time.perf_counter()
    value = function()
    return value, time.perf_counter() - start


def compare(slow: dict[str, Callable[[], float]], fast: dict[str, Callable[[], float]], repeats: int) -> tuple[float, float]:
    """Print a line a measure; return summed medians (slow, fast)."""
    totals = np.zeros(2)
    for name, function in fast.items():
        function()
        pairs = [(timed(slow[name]), timed(function)) for _ in range(repeats)]
        medians = np.median([[a[1], b[1]] for a, b in pairs], axis=0)
        totals += medians
        error = abs(pairs[0][0][0] - pairs[0][1][0]) / abs(pairs[0][0][0])
        print(f"  {name:20s} brute {medians[0]:8.3f} s, ours {medians[1]:.4f} s, {medians[0] / medians[1]:7.0f} x, relative difference {error:.1e}")
    return float(totals[0]), float(totals[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--features", type=int, nargs="*", default=[64, 512])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for width in arguments.features:
        rng = np.random.default_rng(0)
        labels = np.repeat(np.arange(100), arguments.rows // 100)
        x = rng.standard_normal((len(labels), width)) + 0.5 * rng.standard_normal((100, width))[labels]
        print(f"{len(labels)} x {width}, 100 classes")
        slow, fast = compare(brute(x, labels), ours(x, labels), arguments.repeats)
        small = x[:4000]
        _, rank_slow = timed(lambda small=small: rank_by_gram(small))
        _, rank_fast = timed(lambda small=small: repr_probe.effective_rank(small))
        print(f"  together {slow / fast:.0f} x; effective rank of the first 4000 rows by the N x N Gram {rank_slow / rank_fast:.0f} x")


if __name__ == "__main__":
    main()
