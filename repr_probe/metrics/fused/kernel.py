"""The fused pair kernel (Triton): product of a tile, angles, histogram and sums over rows and columns, without writing the tile.

Counts go straight to memory by atomic additions, into one of COPIES histograms: Triton's own histogram of 4096 bins costs each warp some 128
bins a thread for every 32 pairs, many times the rest of the tile, while hot bins spread over copies do not wait for one another.
Sums of a tile's rows and columns are float32 (256 pairs at most), everything beyond a tile is added in float64.
"""

from __future__ import annotations

import inspect
import math

import triton
import triton.language as tl

from repr_probe.metrics.angle_tiles import N_BINS

COPIES = 128
NEAR = 0.999  # beyond this |cosine| a float32 arccos is not good enough: the tile is refused

_BINS = tl.constexpr(N_BINS)
_COPIES = tl.constexpr(COPIES)
_NEAR = tl.constexpr(NEAR)
_BINS_A_RADIAN = tl.constexpr(N_BINS / math.pi)
# In which order pairs are counted is all the same. Where Triton can be told so (below 3.10), no number changes threads on its way; else all of
# a tile goes through shared memory as addresses, for which there is no room with the largest tiles.
_REORDER = tl.constexpr("can_reorder" in inspect.signature(tl.reshape).parameters)
_PI = tl.constexpr(3.14159274)  # float32, and what it lacks
_PI_REST = tl.constexpr(-8.74227766e-8)
_HALF_PI = tl.constexpr(1.57079637)
_HALF_PI_REST = tl.constexpr(-4.37113883e-8)


@triton.jit
def _place(n_top, n_side, ROWS: tl.constexpr, COLUMNS: tl.constexpr, BAND: tl.constexpr):
    """First row and column of this program's tile; tiles that run together lie in a band, so that their rows and columns stay in the cache."""
    down, across = tl.cdiv(n_top, ROWS), tl.cdiv(n_side, COLUMNS)
    band, rest = tl.program_id(0) // (BAND * across), tl.program_id(0) % (BAND * across)
    height = tl.minimum(down - band * BAND, BAND)
    return (band * BAND + rest % height) * ROWS, (rest // height) * COLUMNS


@triton.jit
def _product(left, right, row, column, n_top, n_side, WIDTH: tl.constexpr, SEGMENTS: tl.constexpr, PRECISION: tl.constexpr,
             ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr):  # fmt: skip
    """(ROWS, COLUMNS) float32 products. SEGMENTS 1: of rows of WIDTH numbers; 3: of [high | low] rows, high·high + high·low + low·high.

    Rows past the end are the last one again: loads need no mask, and nobody counts them.
    """
    stride: tl.constexpr = WIDTH * ((SEGMENTS + 1) // 2)
    steps: tl.constexpr = WIDTH // DEPTH
    depth = tl.arange(0, DEPTH)
    top = left + tl.minimum(row + tl.arange(0, ROWS), n_top - 1).to(tl.int64)[:, None] * stride + depth[None, :]
    side = right + tl.minimum(column + tl.arange(0, COLUMNS), n_side - 1).to(tl.int64)[None, :] * stride + depth[:, None]
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for step in range(SEGMENTS * steps):
        segment, at = step // steps, (step % steps) * DEPTH
        total = tl.dot(tl.load(top + (segment // 2 * WIDTH + at)), tl.load(side + (segment % 2 * WIDTH + at)), total, input_precision=PRECISION)
    return total


@triton.jit
def arccos(x):
    """Float32 arccos for |x| <= 0.999, within 3e-7 radian: pi/2 - asin(x) in the middle, 2 asin(√((1 - |x|)/2)) from the nearer end outside."""
    middle = tl.abs(x) <= 0.5
    half = 0.5 - 0.5 * tl.abs(x)
    inverse = tl.rsqrt(half)
    root = half * inverse
    root += 0.5 * inverse * (half - root * root)  # the GPU's quick root is off by an ulp, which counts twice here
    t = tl.where(middle, x, root)
    z = tl.where(middle, x * x, half)
    series = 0.03380591 * z + 0.01707775  # (asin(√z)/√z - 1)/z on 0..1/4, fitted at Chebyshev's points: asin within 5e-10
    series = series * z + 0.03111618
    series = series * z + 0.04459803
    series = series * z + 0.07500099
    series = series * z + 0.16666666
    asin = series * z * t + t
    outer = tl.where(x > 0.0, 2.0 * asin, _PI - (2.0 * asin - _PI_REST))
    return tl.where(middle, _HALF_PI - (asin - _HALF_PI_REST), outer)


@triton.jit
def _add_sums(f, sums, n, rows, columns, row_is_in, column_is_in):
    """Add Σf and Σf² over rows and columns to sums (2, n)."""
    square = f * f
    tl.atomic_add(sums + rows, tl.sum(f, 1).to(tl.float64), mask=row_is_in, sem="relaxed")
    tl.atomic_add(sums + columns, tl.sum(f, 0).to(tl.float64), mask=column_is_in, sem="relaxed")
    tl.atomic_add(sums + n + rows, tl.sum(square, 1).to(tl.float64), mask=row_is_in, sem="relaxed")
    tl.atomic_add(sums + n + columns, tl.sum(square, 0).to(tl.float64), mask=column_is_in, sem="relaxed")


@triton.jit
def _count(counts, bins, which):
    """Add to one of COPIES histograms."""
    bins = tl.where(which, bins, _BINS)
    if _REORDER:
        bins = tl.reshape(bins, [bins.numel], can_reorder=True)
    else:
        bins = tl.ravel(bins)
    tl.atomic_add(counts + (tl.program_id(0) % _COPIES) * _BINS + bins, tl.full(bins.shape, 1, tl.int32), mask=bins < _BINS, sem="relaxed")


@triton.jit
def _alike(marks, rows, columns, row_is_in, column_is_in):
    """Which pairs bear the same mark."""
    of_rows = tl.load(marks + rows, mask=row_is_in, other=-1)
    of_columns = tl.load(marks + columns, mask=column_is_in, other=-2)
    return of_rows[:, None] == of_columns[None, :]


@triton.jit
def _add_kernel(cosine, counted, kernel_sums, rate, rows, columns, row_is_in, column_is_in):
    """Σ exp(2t(cos - 1)) over rows and columns; rate: 2t."""
    value = tl.where(counted, tl.exp(rate * (cosine - 1.0)), 0.0)
    tl.atomic_add(kernel_sums + rows, tl.sum(value, 1).to(tl.float64), mask=row_is_in, sem="relaxed")
    tl.atomic_add(kernel_sums + columns, tl.sum(value, 0).to(tl.float64), mask=column_is_in, sem="relaxed")


@triton.jit(do_not_specialize=["top", "side", "n_top", "n_side", "n"])
def pair_kernel(left, right, sums, counts, class_marks, same_sums, same_counts, group_marks, group_sums, kernel_sums, refused,
                top, side, n_top, n_side, n, shift, rate, LABELLED: tl.constexpr, SPLIT: tl.constexpr, KERNEL: tl.constexpr,
                WIDTH: tl.constexpr, SEGMENTS: tl.constexpr, PRECISION: tl.constexpr,
                ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, BAND: tl.constexpr):  # fmt: skip
    """All pairs (row, column) with row < column of rows top.. (n_top of them, at `left`) and side.. (n_side, at `right`); one tile a program.

    LABELLED: all rows here have marks, which rise from row to row: a tile whose last row has a lower mark than its first column holds no
    same-class pair.  SPLIT: groups are not classes and have sums of their own.  refused: 1 where a tile held a near pair and added nothing.
    """
    row, column = _place(n_top, n_side, ROWS, COLUMNS, BAND)
    last_row, last_column = tl.minimum(row + ROWS, n_top) - 1, tl.minimum(column + COLUMNS, n_side) - 1
    if top + row < side + last_column:
        cosine = _product(left, right, row, column, n_top, n_side, WIDTH, SEGMENTS, PRECISION, ROWS, COLUMNS, DEPTH)
        rows, columns = top + row + tl.arange(0, ROWS), side + column + tl.arange(0, COLUMNS)
        row_is_in, column_is_in = rows < top + n_top, columns < side + n_side
        counted = rows[:, None] < tl.where(column_is_in, tl.minimum(columns, top + n_top), 0)[None, :]  # one comparison a pair
        cosine = tl.where(counted, cosine, 0.0)
        if tl.max(tl.max(tl.abs(cosine), 1), 0) > _NEAR:
            tl.store(refused + (row // ROWS) * tl.cdiv(n_side, COLUMNS) + column // COLUMNS, 1)
        else:
            if KERNEL:
                _add_kernel(cosine, counted, kernel_sums, rate, rows, columns, row_is_in, column_is_in)
            angle = arccos(cosine)
            bins = (angle * _BINS_A_RADIAN).to(tl.int32)
            f = tl.where(counted, angle - shift, 0.0)
            _count(counts, bins, counted)
            _add_sums(f, sums, n, rows, columns, row_is_in, column_is_in)
            if LABELLED:
                if tl.load(class_marks + top + last_row) >= tl.load(class_marks + side + column):
                    alike = _alike(class_marks, rows, columns, row_is_in, column_is_in)
                    _count(same_counts, bins, alike & counted)
                    _add_sums(tl.where(alike, f, 0.0), same_sums, n, rows, columns, row_is_in, column_is_in)
                if SPLIT:  # noqa: SIM102 - a constant, which cannot share a line with what is loaded
                    if tl.load(group_marks + top + last_row) >= tl.load(group_marks + side + column):
                        alike = _alike(group_marks, rows, columns, row_is_in, column_is_in)
                        _add_sums(tl.where(alike, f, 0.0), group_sums, n, rows, columns, row_is_in, column_is_in)


@triton.jit(do_not_specialize=["n_top", "n_side"])
def product_kernel(left, right, out, n_top, n_side, WIDTH: tl.constexpr, SEGMENTS: tl.constexpr, PRECISION: tl.constexpr,
                   ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, BAND: tl.constexpr):  # fmt: skip
    """The same products and nothing else, written to out (n_top, n_side) float32: to measure their error and their rate."""
    row, column = _place(n_top, n_side, ROWS, COLUMNS, BAND)
    cosine = _product(left, right, row, column, n_top, n_side, WIDTH, SEGMENTS, PRECISION, ROWS, COLUMNS, DEPTH)
    rows, columns = row + tl.arange(0, ROWS), column + tl.arange(0, COLUMNS)
    where = rows.to(tl.int64)[:, None] * n_side + columns[None, :]
    tl.store(out + where, cosine, mask=(rows < n_top)[:, None] & (columns < n_side)[None, :])


@triton.jit
def arccos_kernel(x, out, n, SIZE: tl.constexpr):
    """`arccos` of n numbers, for its test."""
    index = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    tl.store(out + index, arccos(tl.load(x + index, mask=index < n, other=0.0)), mask=index < n)
