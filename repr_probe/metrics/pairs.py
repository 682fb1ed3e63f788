"""The pair pass: every angle between two rows, once, by tiles; sums, row sums and histograms, never an N x N matrix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from repr_probe import progress
from repr_probe.metrics.angle_sums import AnglePass, AngleSums
from repr_probe.metrics.fused.fused_pass import FusedPass, fused_pass
from repr_probe.metrics.kept_sums import KeptSums
from repr_probe.metrics.products import Product, fastest_product
from repr_probe.metrics.rows import Rows
from repr_probe.ranks import ALONE, Ranks

BLOCK = 1024
_SUPER = 4  # blocks of rows held while the columns stream past once
_RACE_TILES = 16
FUSED_PAIRS = 1 << 31  # from here on a kernel repays its compilation
_AHEAD = 8  # rectangles that a GPU may be behind what progress says


def angle_pass(rows: Rows, codes: np.ndarray, groups: np.ndarray, *, shift: float, kernel: float | None = None, device: str = "cpu",
               block: int = BLOCK, matmul: str = "exact", ranks: Ranks = ALONE, keep: Path | None = None) -> AnglePass:  # fmt: skip
    """All pairs of unit rows. rows: (N, D), labelled rows first, sorted by (group, class); codes, groups: (n_labelled,).

    shift: an angle near the mean, degrees (keeps float32 row sums exact).  kernel: t of uniformity, or None to leave it out.
    matmul: "exact", or "fast" for a coarser product (`fastest_product`).
    ranks: the processes that share the work, each with the same arguments; all get the result.
    keep: folder in which a pass of more than some minutes keeps its sums, to go on from there when it was stopped.
    Cost: N² D flops and N²/2 arccos over all ranks; memory of each: two tiles, a few blocks of rows, 8 sums a row.
    """
    sums, n = AngleSums(rows, codes, groups, shift, kernel, device, block), len(rows)
    fused = None
    if sums.device.type == "cuda" and n * (n - 1) // 2 >= FUSED_PAIRS:
        fused = fused_pass(rows, codes, groups, shift=shift, kernel=kernel, device=sums.device, matmul=matmul, ranks=ranks)
    how = f"{device} {matmul} {fused.how if fused else ''} {ranks.rank} of {ranks.world_size}"
    kept = KeptSums(keep, sums.key(how), sums.additive())
    if fused is None:
        by_tiles(sums, kept, matmul=matmul, ranks=ranks)
    else:
        by_kernel(sums, fused, kept, ranks=ranks)
    for part in sums.additive():
        ranks.sum(part)
    kept.forget()
    return sums.result()


def by_tiles(sums: AngleSums, kept: KeptSums, *, matmul: str = "exact", ranks: Ranks = ALONE) -> None:
    """This rank's share of all pairs, a tile at a time by torch's operations."""
    n, block = len(sums.rows), sums.block
    parts = [range(start, min(start + block, n)) for start in range(0, n, block)]
    work = list(dealt(len(parts), ranks))
    n_tiles = sum(min(strip.stop, j + 1) - strip.start for strip, columns in work for j in columns)
    chosen = fastest_product(sums.sample(), race=len(parts) * (len(parts) + 1) // 2 >= _RACE_TILES, matmul=matmul, ranks=ranks)
    with chosen as product, progress.task("angles between all pairs", n_tiles) as advance:
        done, before = 0, kept.steps_done()
        for strip, columns in work:
            skipped = min(max(before - done, 0), len(columns))
            done += skipped
            advance(sum(min(strip.stop, j + 1) - strip.start for j in columns[:skipped]))
            if skipped == len(columns):
                continue
            held = {i: product.prepare(sums.unit(parts[i])) for i in strip}
            for j in columns[skipped:]:
                right = held[j] if j in held else product.prepare(sums.unit(parts[j]))
                for i in range(strip.start, min(strip.stop, j + 1)):
                    sums.add(parts[i], parts[j], held[i], right, product)
                    advance(1)
                done += 1
                kept.save(done)


def by_kernel(sums: AngleSums, fused: FusedPass, kept: KeptSums, *, ranks: Ranks = ALONE) -> None:
    """The same by the fused kernel; what it refuses goes by tiles."""
    work, before = list(fused.shares(ranks)), kept.steps_done()
    with fastest_product(sums.sample(), race=False) as product:
        with progress.task("angles between all pairs", sum(part.n_pairs for part in work)) as advance:
            advance(sum(part.n_pairs for part in work[:before]))
            for done, part in enumerate(fused.run(work[before:]), before + 1):
                if done % _AHEAD == 0:
                    fused.wait()
                advance(part.n_pairs)
                if kept.is_due:
                    _settle(sums, fused, product)
                    kept.save(done)
        _settle(sums, fused, product)


def _settle(sums: AngleSums, fused: FusedPass, product: Product) -> None:
    """Bring the device's sums home, and add the pairs that it left out for lying too near 0 or 180 degrees."""
    refused = fused.collect(sums)
    if not refused:
        return
    with progress.task("angles near 0 or 180 degrees, in float64", len(refused)) as advance:
        for rectangle in refused:
            for rows in _pieces(rectangle.rows, sums.block):
                left = product.prepare(sums.unit(rows))
                for columns in _pieces(rectangle.columns, sums.block**2 // len(rows)):
                    sums.add(rows, columns, left, product.prepare(sums.unit(columns)), product)
            advance(1)


def _pieces(whole: range, width: int) -> Iterator[range]:
    return (whole[start : start + width] for start in range(0, len(whole), width))


def dealt(n_blocks: int, ranks: Ranks) -> Iterator[tuple[range, range]]:
    """Strips of blocks of rows, and with each the blocks of columns that fall to this rank: every column of the upper triangle goes to one.

    The deal runs on from strip to strip, so that ranks differ by one column of tiles at most.
    """
    before = 0
    for top in range(0, n_blocks, _SUPER):
        first = top + (ranks.rank - before) % ranks.world_size
        yield range(top, min(top + _SUPER, n_blocks)), range(first, n_blocks, ranks.world_size)
        before += n_blocks - top
