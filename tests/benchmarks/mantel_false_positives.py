"""How often p < 0.05 where nothing is there: `python tests/benchmarks/mantel_false_positives.py [--classes 10 30 100] [--runs 400]`.

Representation and reference are drawn independently. Representation: 1 - cosine of random class positions: centred; nonnegative as after a
ReLU; or around one common mean at different distances. In the last two some classes are near all others and some far from all. Reference:
the same with other positions, or the distances of a random binary tree, where some classes branch off early. Where both sides have such
classes, the pairs of a class are alike and few pairs are independent.
Printed: the share of runs with p < 0.05 of scipy's spearmanr (takes all pairs for independent), of the Mantel test, and of jackknife intervals
that leave out 0; the SD of Spearman over runs beside the 1/sqrt(pairs - 1) that scipy believes.
The last table does the same for the comparison of two representations, neither of which is better.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
from scipy.stats import spearmanr

from repr_probe.metrics.matrix_alignment import align, compare
from repr_probe.metrics.noise_ceiling import centroid_distances


def positions(rng: np.random.Generator, n_classes: int, width: int, kind: str) -> np.ndarray:
    values = rng.normal(size=(n_classes, width))
    if kind == "nonnegative":
        values = np.maximum(values, 0.01)
    elif kind == "one mean":
        values = values * np.exp(rng.normal(size=(n_classes, 1))) + 2.0 * np.sqrt(width) * np.eye(width)[0]
    return centroid_distances(values)


def random_tree(rng: np.random.Generator, n_classes: int) -> np.ndarray:
    """Classes split in two at random until each stands alone; the distance of two is the size of the smallest part that holds both."""
    found = np.zeros((n_classes, n_classes))
    waiting = [rng.permutation(n_classes)]
    while waiting:
        part = waiting.pop()
        found[np.ix_(part, part)] = np.log(len(part))
        if len(part) > 1:
            cut = int(rng.integers(1, len(part)))
            waiting += [part[:cut], part[cut:]]
    np.fill_diagonal(found, 0.0)
    return found


def one_row(n_classes: int, width: int, kind: str, reference: str, runs: int, permutations: int) -> str:
    upper = np.triu_indices(n_classes, 1)
    naive, tested, interval, values = 0, 0, 0, []
    for run in range(runs):
        rng = np.random.default_rng([n_classes, width, run])
        first = positions(rng, n_classes, width, kind)
        second = random_tree(rng, n_classes) if reference == "tree" else positions(rng, n_classes, width, kind)
        found = align(first, second, permutations=permutations, seed=run)
        naive += spearmanr(first[upper], second[upper]).pvalue < 0.05
        tested += found.mantel_p < 0.05
        interval += found.spearman_ci is not None and not found.spearman_ci[0] <= 0 <= found.spearman_ci[1]
        values.append(found.spearman)
    shares = "  ".join(f"{100 * share / runs:5.1f} %" for share in (naive, tested, interval))
    return f"{n_classes:5d}  {width:5d}  {kind:11s}  {reference:9s}  {shares}   {np.std(values):.4f}  {1 / np.sqrt(len(upper[0]) - 1):.4f}"


def compared(n_classes: int, runs: int) -> str:
    wrong = 0
    for run in range(runs):
        rng = np.random.default_rng([n_classes, run])
        hidden = rng.normal(size=(n_classes, 5))
        both = [centroid_distances(hidden + rng.normal(size=hidden.shape)) for _ in range(2)]
        wrong += compare(*both, centroid_distances(hidden)).spearman.p < 0.05
    return f"{n_classes:5d}  {100 * wrong / runs:5.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--widths", type=int, nargs="+", default=[3, 20])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--permutations", type=int, default=199)
    arguments = parser.parse_args()
    print(f"{arguments.runs} runs, {arguments.permutations} permutations; share with p < 0.05 where nothing is there")
    print("    K  width  positions    reference    naive   Mantel  interval   SD      naive SD")
    for n_classes in arguments.classes:
        for width in arguments.widths:
            for kind, reference in product(("centred", "nonnegative", "one mean"), ("positions", "tree")):
                print(one_row(n_classes, width, kind, reference, arguments.runs, arguments.permutations), flush=True)
    print("\n    K  two equally good representations, difference significant")
    for n_classes in arguments.classes:
        print(compared(n_classes, arguments.runs))


if __name__ == "__main__":
    main()
