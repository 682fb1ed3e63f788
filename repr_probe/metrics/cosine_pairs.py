"""Exact sums of cosines and squared cosines over all pairs, without forming the pairs: D x D moments, and one Gram a class."""

from __future__ import annotations

import numpy as np

from repr_probe.metrics.lifted import LiftedGram, cosine_forms
from repr_probe.metrics.pair_sums import PairSums, PairTotals
from repr_probe.metrics.rows import Rows


def cosine_pair_sums(rows: Rows, codes: np.ndarray, groups: np.ndarray, gram: LiftedGram | None = None) -> PairSums:
    """PairSums of cosine (shift 1, f = cos - 1).

    rows: unit rows (N, D), sorted by (group, class).  codes, groups: (N,) class and group of each row.
    gram: LiftedGram of exactly these rows, if it is known already (saves a pass).
    Cost: 2 N D² flops for the rows' sums over all partners, plus Σ n_k² D (or n_k D², whichever is less) for the classes.
    """
    if gram is None:
        gram = _gram_of(rows)
    n, n_groups = len(rows), int(groups.max()) + 1
    sums = dict(zip(("all_1", "all_2"), _by_moments(rows, gram), strict=True)) | {"same_1": np.empty(n), "same_2": np.empty(n)}
    one_class_each = len(np.unique(codes)) == n_groups
    within = np.zeros((2, n_groups))
    for group, start, stop in _runs(groups):
        if one_class_each:
            first, second = _inner_sums(rows, gram, start, stop, None)
            sums["same_1"][start:stop], sums["same_2"][start:stop] = first, second
        else:
            sums["same_1"][start:stop], sums["same_2"][start:stop] = _inner_sums(rows, gram, start, stop, codes[start:stop])
            first, second = _inner_sums(rows, gram, start, stop, None)
        within[:, group] = first.sum(), second.sum()
    return PairSums(codes, groups, **sums, within_1=within[0], within_2=within[1], shift=1.0)


def cosine_pair_totals(rows: Rows, codes: np.ndarray) -> PairTotals:
    """Only the totals of cosine_pair_sums, for rows in runs of one class: no row sums, one pass less."""
    gram = _gram_of(rows)
    all_1, all_2 = _total_sums(gram)
    same_n = same_1 = same_2 = 0.0
    for _, start, stop in _runs(codes):
        if stop - start <= rows.n_features + 2:
            first, second = _by_gram(gram.lift(rows.block(start, stop)))
            sums = float(first.sum()), float(second.sum())
        else:
            sums = _total_sums(_gram_of(rows.select(np.arange(start, stop)), gram.reference))
        same_n, same_1, same_2 = same_n + (stop - start) * (stop - start - 1.0), same_1 + sums[0], same_2 + sums[1]
    n = float(len(rows))
    return PairTotals(*(np.asarray(part) for part in (same_n, same_1, same_2, n * (n - 1.0), all_1, all_2)), shift=1.0)


def _total_sums(gram: LiftedGram) -> tuple[float, float]:
    """Σ f and Σ f² over ordered pairs of the gram's rows: sᵀ form s and <V′V, form V′V form>."""
    full = gram.full()
    form, swapped = cosine_forms(full)
    total = full[:, -1]
    return float(total @ form @ total), float(np.sum(full * swapped))


def _gram_of(rows: Rows, reference: np.ndarray | None = None) -> LiftedGram:
    gram = LiftedGram(rows.block(0, 1)[0] if reference is None else reference)
    for _, block in rows.blocks():
        gram.add(gram.lift(block))
    return gram


def _runs(values: np.ndarray) -> list[tuple[int, int, int]]:
    """(value, start, stop) of each run of equal values."""
    edges = np.flatnonzero(np.r_[True, values[1:] != values[:-1], True])
    return [(int(values[start]), int(start), int(stop)) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


def _inner_sums(rows: Rows, gram: LiftedGram, start: int, stop: int, codes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Per row of start..stop: Σf and Σf² over the rows of its run of `codes` (None: all rows of start..stop)."""
    if codes is not None:
        parts = [_inner_sums(rows, gram, start + first, start + last, None) for _, first, last in _runs(codes)]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    if stop - start <= rows.n_features + 2:
        return _by_gram(gram.lift(rows.block(start, stop)))
    run = rows.select(np.arange(start, stop))
    return _by_moments(run, _gram_of(run, gram.reference))


def _by_moments(rows: Rows, gram: LiftedGram) -> tuple[np.ndarray, np.ndarray]:
    """Per row: Σf and Σf² over all rows of `gram`, as a linear and a quadratic form of the lifted row."""
    full = gram.full()
    form, swapped = cosine_forms(full)
    total = form @ full[:, -1]
    first, second = np.empty(len(rows)), np.empty(len(rows))
    for start, block in rows.blocks():
        lifted = gram.lift(block)
        first[start : start + len(block)] = lifted @ total
        second[start : start + len(block)] = np.einsum("ij,ij->i", lifted @ swapped, lifted)
    return first, second


def _by_gram(lifted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums from the n x n matrix of cos - 1 (few rows)."""
    half = lifted[:, -2] / 2.0
    cosine = lifted[:, :-2] @ lifted[:, :-2].T
    cosine -= half[:, None]
    cosine -= half
    return cosine.sum(axis=1), np.einsum("ij,ij->i", cosine, cosine)
