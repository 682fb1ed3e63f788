"""Exact sums of cosines and squared cosines over all pairs, without forming the pairs: D x D moments, and one small Gram a class."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from repr_probe.metrics.lifted import LiftedGram, cosine_forms
from repr_probe.metrics.pair_sums import PairSums, PairTotals
from repr_probe.metrics.rows import Rows

Run = tuple[int, int]  # start and stop of rows of one class (or group)


def cosine_pair_sums(rows: Rows, codes: np.ndarray, groups: np.ndarray, gram: LiftedGram | None = None) -> PairSums:
    """PairSums of cosine (shift 1, f = cos - 1).

    rows: unit rows (N, D), sorted by (group, class).  codes, groups: (N,) class and group of each row.
    gram: LiftedGram of exactly these rows, if it is known already (saves a pass).
    Cost: 2 N D² flops for the rows' sums over all partners, plus Σ n² D (or n D², where that is less) over the groups.
    """
    if gram is None:
        gram = _gram_of(rows)
    n, n_groups = len(rows), int(groups.max()) + 1
    all_1, all_2 = _by_moments(rows, gram)
    same_1, same_2, within = np.empty(n), np.empty(n), np.zeros((2, n_groups))
    for start, stop in _runs(groups):
        inner = [(start + first, start + last) for first, last in _runs(codes[start:stop])]
        within[:, groups[start]] = _group_sums(rows, gram, (start, stop), inner, same_1, same_2)
    return PairSums(codes, groups, all_1, all_2, same_1, same_2, within_1=within[0], within_2=within[1], shift=1.0)


def _group_sums(
    rows: Rows, gram: LiftedGram, group: Run, classes: list[Run], same_1: np.ndarray, same_2: np.ndarray
) -> tuple[float, float]:
    """Fill the same-class sums of the group's rows; return Σf and Σf² over ordered pairs inside the group."""
    start, stop = group
    if stop - start <= _largest_gram(rows):
        deficit = _cosines_less_one(gram.lift_rows(rows, start, stop))
        for first, last in classes:
            part = deficit[first - start : last - start, first - start : last - start]
            same_1[first:last], same_2[first:last] = part.sum(axis=1), np.einsum("ij,ij->i", part, part)
        return float(deficit.sum()), float(np.einsum("ij,ij->", deficit, deficit))
    if len(classes) > 1:
        for run in classes:
            _group_sums(rows, gram, run, [run], same_1, same_2)
        return _total_sums(_gram_of(rows.select(np.arange(start, stop)), gram.reference))
    run_rows = rows.select(np.arange(start, stop))
    same_1[start:stop], same_2[start:stop] = _by_moments(run_rows, _gram_of(run_rows, gram.reference))
    return float(same_1[start:stop].sum()), float(same_2[start:stop].sum())


def cosine_pair_totals(rows: Rows, codes: np.ndarray) -> PairTotals:
    """Only the totals of cosine_pair_sums, for rows in runs of one class: one pass, no row sums."""
    gram = LiftedGram(rows.block(0, 1)[0])
    same = np.zeros(3)
    for runs in _class_blocks(_runs(codes), rows.block_size):
        start, stop = runs[0][0], runs[-1][1]
        if stop - start > max(rows.block_size, _largest_gram(rows)):  # one class, too large to hold
            inner = _gram_of(rows.select(np.arange(start, stop)), gram.reference)
            gram.matrix += inner.matrix
            same += (stop - start) * (stop - start - 1.0), *_total_sums(inner)
            continue
        lifted = gram.lift_rows(rows, start, stop)
        gram.add(lifted)
        for first, last in runs:
            same += (last - first) * (last - first - 1.0), *_class_totals(lifted[first - start : last - start], gram, _largest_gram(rows))
    n = float(len(rows))
    all_1, all_2 = (np.asarray(total) for total in _total_sums(gram))
    return PairTotals(same[0], same[1], same[2], np.asarray(n * (n - 1.0)), all_1, all_2, shift=1.0)


def _class_totals(lifted: np.ndarray, gram: LiftedGram, largest: int) -> tuple[float, float]:
    if len(lifted) <= largest:
        deficit = _cosines_less_one(lifted)
        return float(deficit.sum()), float(np.einsum("ij,ij->", deficit, deficit))
    inner = LiftedGram(gram.reference)
    inner.add(np.ascontiguousarray(lifted))
    return _total_sums(inner)


def _class_blocks(runs: list[Run], size: int) -> Iterator[list[Run]]:
    """Consecutive runs of about `size` rows together; a longer run alone."""
    block: list[Run] = []
    for run in runs:
        if block and run[1] - block[0][0] > size:
            yield block
            block = []
        block.append(run)
    if block:
        yield block


def _largest_gram(rows: Rows) -> int:
    """Rows up to which their n x n Gram is cheaper than D x D moments (and small: at most 32 MiB)."""
    return min(max(2 * (rows.n_features + 2), 256), 2048)


def _total_sums(gram: LiftedGram) -> tuple[float, float]:
    """Σ f and Σ f² over ordered pairs of the gram's rows: sᵀ form s and <V′V, form V′V form>."""
    full = gram.matrix
    form, swapped = cosine_forms(full)
    total = full[:, -1]
    return float(total @ form @ total), float(np.einsum("ij,ij->", full, swapped))


def _gram_of(rows: Rows, reference: np.ndarray | None = None) -> LiftedGram:
    gram = LiftedGram(rows.block(0, 1)[0] if reference is None else reference)
    for start in range(0, len(rows), rows.block_size):
        gram.add(gram.lift_rows(rows, start, min(start + rows.block_size, len(rows))))
    gram.settle()
    return gram


def _runs(values: np.ndarray) -> list[Run]:
    """(start, stop) of each run of equal values."""
    edges = np.flatnonzero(np.r_[True, values[1:] != values[:-1], True]).tolist()
    return list(pairwise(edges))


def _by_moments(rows: Rows, gram: LiftedGram) -> tuple[np.ndarray, np.ndarray]:
    """Per row: Σf and Σf² over all rows of `gram`, as a linear and a quadratic form of the lifted row."""
    full = gram.matrix
    form, swapped = cosine_forms(full)
    total = form @ full[:, -1]
    first, second = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), rows.block_size):
        stop = min(start + rows.block_size, len(rows))
        lifted = gram.lift_rows(rows, start, stop)
        first[start:stop] = lifted @ total
        second[start:stop] = np.einsum("ij,ij->i", lifted @ swapped, lifted)
    return first, second


def _cosines_less_one(lifted: np.ndarray) -> np.ndarray:
    """(n, n) cos - 1 of lifted unit rows."""
    half = lifted[:, -2] / 2.0
    cosine = lifted[:, :-2] @ lifted[:, :-2].T
    cosine -= half[:, None]
    cosine -= half
    return cosine
