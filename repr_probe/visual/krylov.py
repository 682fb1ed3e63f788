"""Leading eigenpairs of a symmetric matrix known only by its products: block Krylov space, Rayleigh-Ritz, thick restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

_SPARE = 5  # vectors of a block beyond those asked for
_MOST_BLOCKS = 12  # of the space before it is restarted from its best vectors


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """values: (k,) falling, not negative.  vectors: (width, k) orthonormal.  residual: largest |A v - λ v| / λ.  products: blocks multiplied."""

    values: torch.Tensor
    vectors: torch.Tensor
    residual: float
    converged: bool
    products: int


def leading_eigenpairs(
    multiply: Callable[[torch.Tensor], torch.Tensor],
    width: int,
    k: int,
    *,
    like: torch.Tensor,
    tolerance: float,
    max_products: int = 200,
    scale: float = 1.0,
    seed: int = 0,
) -> Eigenpairs:
    """The k largest eigenvalues of a positive semi-definite matrix A (width, width) and their vectors.

    multiply: (width, b) -> A @ (width, b).  like: a tensor of the dtype and device to work in.  scale: the trace of A; eigenvalues below
    its rounding count as 0, with whatever orthonormal vectors.  The start is drawn by `seed` on the CPU, the same for every device.
    A gap between neighbouring eigenvalues decides how fast it converges; when `max_products` do not suffice, `converged` is False.

    >>> matrix = torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64))
    >>> found = leading_eigenpairs(lambda vectors: matrix @ vectors, 4, 2, like=matrix, tolerance=1e-10, scale=10.0)
    >>> found.values.round(decimals=9).tolist(), found.converged
    ([4.0, 3.0], True)
    """
    block = min(width, k + _SPARE)
    generator = torch.Generator().manual_seed(seed)

    def drawn(columns: int) -> torch.Tensor:
        return torch.randn(width, columns, generator=generator, dtype=torch.float64).to(like.device, like.dtype)

    new = torch.linalg.qr(drawn(block)).Q
    basis = images = new[:, :0]  # images: A @ basis
    floor = 32 * scale * torch.finfo(like.dtype).eps  # rounding of the trace: an eigenvalue below it has nothing to converge to
    products = 0
    while True:
        latest = multiply(new)
        basis, images = torch.cat([basis, new], 1), torch.cat([images, latest], 1)
        products += 1
        projected = basis.T @ images
        values, rotation = (part.flip(-1) for part in torch.linalg.eigh((projected + projected.T) / 2))
        errors = (images @ rotation[:, :k] - basis @ rotation[:, :k] * values[:k]).norm(dim=0)
        residual = float((errors / values[:k].clamp_min(floor / tolerance)).max())
        if residual <= tolerance or products >= max_products or basis.shape[1] == width:
            return Eigenpairs(values[:k].clamp_min(0), basis @ rotation[:, :k], residual, residual <= tolerance, products)
        room = min(block, width - basis.shape[1])
        new = _orthonormal(latest, basis, drawn(room), floor)
        if basis.shape[1] + room > _MOST_BLOCKS * block:  # the best vectors and the new block carry the space on (Krylov-Schur)
            basis, images = basis @ rotation[:, : 2 * block], images @ rotation[:, : 2 * block]


def _orthonormal(vectors: torch.Tensor, basis: torch.Tensor, spare: torch.Tensor, floor: float) -> torch.Tensor:
    """What `vectors` add to the `basis`, orthonormal, in as many columns as `spare` has, which stands in where they add nothing."""
    added = vectors[:, : spare.shape[1]] - basis @ (basis.T @ vectors[:, : spare.shape[1]])
    added = torch.where(added.norm(dim=0) > floor, added, spare)
    for _ in range(2):  # once more, because rounding leaves a part of the basis in small remainders
        added = torch.linalg.qr(added - basis @ (basis.T @ added)).Q
    return added
