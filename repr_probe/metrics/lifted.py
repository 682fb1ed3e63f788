"""LiftedGram: second moments about a fixed reference, from which means, scatter, cosine moments and HSIC follow without cancellation.

A row x is lifted to v = (e, q, 1) with e = x - reference and q = ‖e‖²; the state is Σ v vᵀ, a (D+2) x (D+2) matrix.
It is additive, and moving the reference is a linear map of v, so two states merge exactly whatever their references are.
For unit rows and a unit reference, cosᵢⱼ - 1 = eᵢ·eⱼ - (qᵢ + qⱼ)/2: differences of cosines survive even when all cosines are near 1,
where E[c²] - E[c]² would lose every digit (METRICS: "variances by shift").
"""

from __future__ import annotations

import numpy as np

from repr_probe.metrics.algebra import HOST, Algebra, Array
from repr_probe.metrics.rows import Rows


class Lift:
    """x -> (x - reference, ‖x - reference‖², 1), where `algebra` works; reference (n_features,)."""

    def __init__(self, reference: Array, algebra: Algebra = HOST) -> None:
        self.algebra = algebra
        self.reference = algebra.asarray(reference)

    def lift(self, block: Array) -> Array:
        """(rows, D) -> (rows, D + 2)."""
        lifted = self.algebra.empty(len(block), block.shape[1] + 2)
        self.algebra.xp.subtract(block, self.reference, out=lifted[:, :-2])
        return self._with_tail(lifted)

    def lift_rows(self, rows: Rows, start: int, stop: int) -> Array:
        """The same for rows start..stop of `rows`, read straight into place."""
        lifted = self.algebra.empty(stop - start, rows.n_features + 2)
        self.algebra.read(rows, start, stop, out=lifted[:, :-2])
        lifted[:, :-2] -= self.reference
        return self._with_tail(lifted)

    def _with_tail(self, lifted: Array) -> Array:
        lifted[:, -2] = self.algebra.xp.einsum("ij,ij->i", lifted[:, :-2], lifted[:, :-2])
        lifted[:, -1] = 1.0
        return lifted


class LiftedGram(Lift):
    """Σ v vᵀ over rows, v = (x - reference, ‖x - reference‖², 1); reference (n_features,).

    Rows are added where `algebra` works; `settle` brings the sum home, and what follows from it is computed there.
    """

    def __init__(self, reference: Array, matrix: np.ndarray | None = None, algebra: Algebra = HOST) -> None:
        super().__init__(reference, algebra)
        size = len(self.reference) + 2
        self.matrix = algebra.zeros(size, size) if matrix is None else matrix
        self._product: Array | None = None

    def add(self, lifted: Array) -> None:
        """Add lifted rows. numpy sees the same array twice and does half the work; scipy's own BLAS would fight numpy's for the cores."""
        xp = self.algebra.xp
        if self._product is None:
            self._product = xp.empty_like(self.matrix)
        xp.matmul(lifted.T, lifted, out=self._product)
        self.matrix += self._product

    def settle(self) -> None:
        """Give back the working memory and leave the device; more rows may still come, from the processor."""
        self._product = None
        self.reference, self.matrix = self.algebra.host(self.reference), self.algebra.host(self.matrix)
        self.algebra = HOST

    def moved(self, reference: np.ndarray) -> LiftedGram:
        """The same rows about another reference: v′ = T v with e′ = e + d, q′ = q + 2 d·e + ‖d‖², d = old - new reference."""
        d = self.reference - reference
        if not d.any():
            return self
        size = len(d) + 2
        transform = np.eye(size)
        transform[:-2, -1] = d
        transform[-2, :-2] = 2.0 * d
        transform[-2, -1] = d @ d
        return LiftedGram(reference, transform @ self.matrix @ transform.T)

    def merged(self, other: LiftedGram) -> LiftedGram:
        """Both sets of rows, about this state's reference."""
        return LiftedGram(self.reference, self.matrix + other.moved(self.reference).matrix)

    # --- what follows from the matrix ---------------------------------------------------------------------------------------------------

    @property
    def count(self) -> float:
        return float(self.matrix[-1, -1])

    def mean(self) -> np.ndarray:
        """(D,) mean row."""
        return self.reference + self.matrix[:-2, -1] / self.count

    def scatter(self) -> np.ndarray:
        """(D, D) Σ (x - mean)(x - mean)ᵀ."""
        shift = self.matrix[:-2, -1]
        block = self.matrix[:-2, :-2].copy()
        _add_outer(block, shift, -shift / self.count)
        return block

    def second_moment(self) -> np.ndarray:
        """(D, D) Σ x xᵀ, about the origin."""
        total, reference = self.matrix[:-2, -1], self.reference
        block = self.matrix[:-2, :-2].copy()
        _add_outer(block, total, reference)
        _add_outer(block, reference, total + self.count * reference)
        return block

    def hsic1(self) -> float:
        """Unbiased estimate of ‖C‖² (C the covariance), HSIC₁ of the rows with themselves (Song et al. 2012); needs four rows."""
        n, full = self.count, self.matrix
        gram, total = full[:-2, :-2], full[:-2, -1]
        a, c, weighted = full[-2, -1], full[-2, -2], full[:-2, -2]
        total2 = total @ total
        pairs = (total2 - a) ** 2 / ((n - 1) * (n - 2))
        rows = total @ gram @ total - 2.0 * (total @ weighted) + c
        return float((np.sum(gram * gram) - c + pairs - 2.0 * rows / (n - 2)) / (n * (n - 3)))


def _add_outer(block: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """block += left rightᵀ without a second matrix of that size."""
    for start in range(0, len(block), 256):
        block[start : start + 256] += left[start : start + 256, None] * right


def cosine_forms(full: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(form, swapped): for lifted unit rows v, cosᵢⱼ - 1 = vᵢᵀ form vⱼ and Σⱼ (cosᵢⱼ - 1)² = vᵢᵀ swapped vᵢ over all rows j of `full`."""
    size = len(full)
    form = np.eye(size)
    form[-2:, -2:] = [[0.0, -0.5], [-0.5, 0.0]]
    swapped = full.copy()
    swapped[-2:] = -0.5 * full[[-1, -2]]
    swapped[:, -2:] = -0.5 * swapped[:, [-1, -2]]
    return form, swapped
