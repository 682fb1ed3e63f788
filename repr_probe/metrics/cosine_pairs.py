"""Exact sums of cosines and squared cosines over all pairs, without forming the pairs: D x D moments, and one small Gram a class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from repr_probe.metrics.algebra import HOST, Algebra, Array
from repr_probe.metrics.lifted import Lift, LiftedGram, cosine_forms
from repr_probe.metrics.pair_sums import PairSums, PairTotals
from repr_probe.metrics.rows import Rows
from repr_probe.ranks import ALONE, Ranks

Run = tuple[int, int]  # start and stop of rows of one class (or group)


@dataclass(frozen=True)
class _Piece:
    """Consecutive rows of one group: all, or those of one class. `classes`: whose same-class sums they give; `whole`: they are the group."""

    run: Run
    group: int
    classes: tuple[Run, ...]
    whole: bool

    def __len__(self) -> int:
        return self.run[1] - self.run[0]


def cosine_pair_sums(rows: Rows, codes: np.ndarray, groups: np.ndarray, gram: LiftedGram | None = None, *, algebra: Algebra = HOST,
                     ranks: Ranks = ALONE) -> PairSums:  # fmt: skip
    """PairSums of cosine (shift 1, f = cos - 1).

    rows: unit rows (N, D), sorted by (group, class).  codes, groups: (N,) class and group of each row.
    gram: LiftedGram of exactly these rows, if it is known already (saves a pass).
    algebra: where the products are taken.  ranks: the processes that share them, each with the same arguments; all get the result.
    Cost: 2 N D² flops for the rows' sums over all partners, plus Σ n² D (or n D², where that is less) over the groups.
    """
    sums = algebra.zeros(4, len(rows))  # of each row: Σf and Σf² over all partners, then over those of its class
    within = np.zeros((2, int(groups.max()) + 1))
    part = ranks.run_of(len(rows), step=rows.block_size)
    if gram is None:
        gram = _gram_of(rows, algebra=algebra, part=part)
        ranks.sum(gram.matrix)
    _by_moments(rows, gram, sums[:2], algebra, part)
    lift = Lift(gram.reference, algebra)
    for piece in ranks.mine(sorted(_pieces(codes, groups, _largest_gram(rows)), key=len, reverse=True)):
        within[:, piece.group] += _add_piece(rows, lift, piece, sums[2:])
    found = algebra.host(sums)
    ranks.sum(found)
    ranks.sum(within)
    all_1, all_2, same_1, same_2 = found
    return PairSums(codes, groups, all_1, all_2, same_1, same_2, within_1=within[0], within_2=within[1], shift=1.0)


def _pieces(codes: np.ndarray, groups: np.ndarray, largest: int) -> Iterator[_Piece]:
    """A group of up to `largest` rows at once; of a larger one each class, and the group for its total."""
    for start, stop in _runs(groups):
        group = int(groups[start])
        classes = tuple((start + first, start + last) for first, last in _runs(codes[start:stop]))
        at_once = stop - start <= largest or len(classes) == 1
        yield _Piece((start, stop), group, classes if at_once else (), whole=True)
        if not at_once:
            yield from (_Piece(run, group, (run,), whole=False) for run in classes)


def _add_piece(rows: Rows, lift: Lift, piece: _Piece, same: Array) -> tuple[float, float]:
    """Fill `same` (2, N) for the piece's classes; return Σf and Σf² over its ordered pairs if it is a whole group, else zeros."""
    start, stop = piece.run
    algebra = lift.algebra
    if len(piece) <= _largest_gram(rows):
        deficit = _cosines_less_one(lift.lift_rows(rows, start, stop))
        for first, last in piece.classes:
            part = deficit[first - start : last - start, first - start : last - start]
            same[0][first:last], same[1][first:last] = part.sum(axis=1), algebra.xp.einsum("ij,ij->i", part, part)
        return (float(deficit.sum()), float(algebra.xp.einsum("ij,ij->", deficit, deficit))) if piece.whole else (0.0, 0.0)
    inner = rows.select(np.arange(start, stop))
    gram = _gram_of(inner, lift.reference, algebra=algebra)
    if not piece.classes:
        return _total_sums(gram)
    _by_moments(inner, gram, same[:, start:stop], algebra, (0, len(inner)))
    return (float(same[0][start:stop].sum()), float(same[1][start:stop].sum())) if piece.whole else (0.0, 0.0)


def cosine_pair_totals(rows: Rows, codes: np.ndarray, *, algebra: Algebra = HOST) -> PairTotals:
    """Only the totals of cosine_pair_sums, for rows in runs of one class: one pass, no row sums."""
    gram = LiftedGram(rows.block(0, 1)[0], algebra=algebra)
    same = np.zeros(3)
    for runs in _class_blocks(_runs(codes), algebra.block_size(rows)):
        start, stop = runs[0][0], runs[-1][1]
        if stop - start > max(algebra.block_size(rows), _largest_gram(rows)):  # one class, too large to hold
            inner = _gram_of(rows.select(np.arange(start, stop)), gram.reference, algebra=algebra)
            gram.matrix += algebra.asarray(inner.matrix)
            same += (stop - start) * (stop - start - 1.0), *_total_sums(inner)
            continue
        lifted = gram.lift_rows(rows, start, stop)
        gram.add(lifted)
        for first, last in runs:
            same += (last - first) * (last - first - 1.0), *_class_totals(lifted[first - start : last - start], gram, _largest_gram(rows))
    gram.settle()
    n = float(len(rows))
    all_1, all_2 = (np.asarray(total) for total in _total_sums(gram))
    return PairTotals(same[0], same[1], same[2], np.asarray(n * (n - 1.0)), all_1, all_2, shift=1.0)


def _class_totals(lifted: Array, lift: Lift, largest: int) -> tuple[float, float]:
    if len(lifted) <= largest:
        deficit = _cosines_less_one(lifted)
        return float(deficit.sum()), float(lift.algebra.xp.einsum("ij,ij->", deficit, deficit))
    inner = LiftedGram(lift.reference, algebra=lift.algebra)
    inner.add(lifted)
    inner.settle()
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


def _gram_of(rows: Rows, reference: Array | None = None, *, algebra: Algebra = HOST, part: Run | None = None) -> LiftedGram:
    """Settled, of rows start..stop (part) or all, about the first of all unless `reference` is given."""
    gram = LiftedGram(rows.block(0, 1)[0] if reference is None else reference, algebra=algebra)
    size, (first, last) = algebra.block_size(rows), part or (0, len(rows))
    for start in range(first, last, size):
        gram.add(gram.lift_rows(rows, start, min(start + size, last)))
    gram.settle()
    return gram


def _runs(values: np.ndarray) -> list[Run]:
    """(start, stop) of each run of equal values."""
    edges = np.flatnonzero(np.r_[True, values[1:] != values[:-1], True]).tolist()
    return list(pairwise(edges))


def _by_moments(rows: Rows, gram: LiftedGram, out: Array, algebra: Algebra, part: Run) -> None:
    """Into out (2, N), for rows start..stop (part): Σf and Σf² over all rows of `gram`, a linear and a quadratic form of the lifted row."""
    form, swapped = cosine_forms(gram.matrix)
    total, swapped = algebra.asarray(form @ gram.matrix[:, -1]), algebra.asarray(swapped)
    lift, size = Lift(gram.reference, algebra), algebra.block_size(rows)
    for start in range(*part, size):
        stop = min(start + size, part[1])
        lifted = lift.lift_rows(rows, start, stop)
        out[0][start:stop] = lifted @ total
        out[1][start:stop] = algebra.xp.einsum("ij,ij->i", lifted @ swapped, lifted)


def _cosines_less_one(lifted: Array) -> Array:
    """(n, n) cos - 1 of lifted unit rows."""
    half = lifted[:, -2] / 2.0
    cosine = lifted[:, :-2] @ lifted[:, :-2].T
    cosine -= half[:, None]
    cosine -= half
    return cosine
