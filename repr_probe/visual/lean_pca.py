"""Exact PCA of hypercolumns without building one: nothing is upsampled or concatenated until the few scores asked for.

A hypercolumn is h = concat_l U_l F_l: F_l the map of layer l, U_l its bilinear upsampling, separable into rows R_l and columns C_l. Each U_l
leaves constants alone, so that centring the small maps (by the mean of the large ones) centres the hypercolumns. Then the covariance takes
    (A v)_l = F_l' sum_m U_l' U_m (F_m v_m) / (N - 1),   U_l' U_m = R_l' R_m x C_l' C_m,
products of maps at native resolution with matrices of a few dozen rows: no pixel-sized array, no channels x channels matrix.
The leading eigenvectors come from a block Krylov space with Rayleigh-Ritz, which stops at a residual and says whether it got there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from repr_probe.errors import InputError, UndefinedMeasure, UsageError
from repr_probe.probes.hypercolumns import Hypercolumns, upsampled
from repr_probe.visual.krylov import leading_eigenpairs

SCALINGS = ("equal-trace", "none", "z-score", "channels", "position")
_CHANNELS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class LeanPca:
    """Made by `lean_pca`, in its dtype.

    scores: (n, k, height, width), mean 0 over all pixels.  variances: (k,) of the scores (n - 1), falling.
    total: the variance of all hypercolumns, so that variances / total is the explained share.
    loadings: {layer: (k, channels)}, the unit vectors, for maps scaled as `scales` says.
    layer_variance: {layer: share of `total`} after scaling; raw_layer_variance: before it.
    loading_share: {layer: (k,)}, the sum of squared loadings; as the covariance maps a component onto itself, this is also the share of
        the component's variance that comes through the layer (its covariance with the score).
    residual: largest |A v - λ v| / λ of the components.  converged: whether it is within the tolerance.  iterations: products with A.
    """

    scores: torch.Tensor
    variances: torch.Tensor
    total: float
    loadings: Mapping[str, torch.Tensor]
    layer_variance: Mapping[str, float]
    raw_layer_variance: Mapping[str, float]
    loading_share: Mapping[str, torch.Tensor]
    residual: float
    converged: bool
    iterations: int

    @property
    def explained(self) -> torch.Tensor:
        """(k,) share of the variance of all hypercolumns that each component has."""
        return self.variances / self.total


def lean_pca(
    maps: Mapping[str, torch.Tensor],
    size: tuple[int, int],
    *,
    n_components: int = 3,
    scaling: str = "equal-trace",
    dtype: torch.dtype = torch.float64,
    tolerance: float | None = None,
    max_iterations: int = 200,
    seed: int = 0,
) -> LeanPca:
    """PCA of the hypercolumns at every pixel of every image: the same as concatenating all upsampled maps and taking an SVD.

    maps: {layer: (n, channels, h, w)}.  size: (height, width) the maps are upsampled to, bilinear, align_corners=False.
    scaling: what each layer is multiplied with, at the upsampled size: "equal-trace" so that all layers have the same total variance;
        "none"; "z-score" so that all channels have variance 1 (constant ones 0), "channels" 1 / √channels, or "position", which gives
        every place of a layer length 1 before upsampling.
    dtype: float64; float32 halves memory, with scores that correlate above 1 - 1e-6 where components are 5 % apart in variance.
    tolerance: for the residual, relative; default 1e-8 in float64, 1e-4 in float32. Components whose variances agree to within it are
        any rotation of each other.

    Raises InputError for maps that are no such maps or not finite, UsageError for options, UndefinedMeasure for maps that nowhere vary.
    """
    _check(maps, size, n_components, scaling, dtype)
    layers = {name: _Layer.of(each, size, scaling, dtype) for name, each in maps.items()}
    n_pixels = len(next(iter(maps.values()))) * size[0] * size[1]
    raw = {name: layer.variance(n_pixels) for name, layer in layers.items()}
    total_raw = sum(float(each.sum()) for each in raw.values())
    # Maps that are constant still vary by their rounding once they are centred.
    if total_raw <= sum(layer.rounding for layer in layers.values()):
        raise UndefinedMeasure("maps must vary over the pixels for a PCA; they are constant")
    for name, layer in layers.items():
        layer.scale(raw[name], scaling)
    variance = {name: float(layer.variance(n_pixels).sum()) for name, layer in layers.items()}
    total = sum(variance.values())
    covariance = _Covariance(list(layers.values()), n_pixels)
    found = leading_eigenpairs(
        covariance, covariance.width, n_components, like=next(iter(layers.values())).maps, tolerance=tolerance or _tolerance(dtype),
        max_products=max_iterations, scale=total, seed=seed,
    )  # fmt: skip
    loadings = dict(zip(layers, (part.T for part in covariance.split(found.vectors))))
    scores = Hypercolumns({name: layer.maps for name, layer in layers.items()}, size).projected(loadings)
    return LeanPca(
        scores=scores, variances=found.values, total=total, loadings=loadings,
        layer_variance={name: each / total for name, each in variance.items()},
        raw_layer_variance={name: float(each.sum()) / total_raw for name, each in raw.items()},
        loading_share={name: each.square().sum(1) for name, each in loadings.items()},
        residual=found.residual, converged=found.converged, iterations=found.products,
    )  # fmt: skip


def _tolerance(dtype: torch.dtype) -> float:
    return 1e-8 if dtype == torch.float64 else 1e-4


def _check(maps: Mapping[str, torch.Tensor], size: tuple[int, int], n_components: int, scaling: str, dtype: torch.dtype) -> None:
    if scaling not in SCALINGS:
        raise UsageError(f"scaling must be one of {', '.join(SCALINGS)}; got {scaling!r}")
    if dtype not in (torch.float64, torch.float32):
        raise UsageError(f"dtype must be float64 or float32; got {str(dtype).removeprefix('torch.')}")
    columns = Hypercolumns(maps, size)
    n = len(next(iter(maps.values())))
    largest = min(columns.n_features, n * size[0] * size[1] - 1)
    if not 1 <= n_components <= largest:
        raise UsageError(f"n_components must be from 1 to {largest}, the channels and pixels there are; got {n_components}")
    for name, each in maps.items():
        if not bool(torch.isfinite(each).all()):
            raise InputError(f"maps must be finite; those of {name} are not")


@dataclass(eq=False)
class _Layer:
    """maps: (n, channels, h, w), centred in the mean over the upsampled pixels.  rows (height, h), columns (width, w): the upsampling.

    rounding: variance that rounding alone may leave of constant maps.
    """

    maps: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    rounding: float

    @classmethod
    def of(cls, maps: torch.Tensor, size: tuple[int, int], scaling: str, dtype: torch.dtype) -> _Layer:
        maps = maps.detach().to(dtype, copy=True)
        if scaling == "position":
            maps /= maps.norm(dim=1, keepdim=True).clamp_min(torch.finfo(dtype).tiny)
        rows, columns = (_upsampling(old, new, maps) for old, new in zip(maps.shape[2:], size))
        weights = rows.sum(0)[:, None] * columns.sum(0)  # (h, w): how many pixels each place stands for
        mean = (maps * weights).sum((0, 2, 3)) / (len(maps) * weights.sum())
        largest = float(maps.abs().max())
        maps -= mean[:, None, None]
        return cls(maps, rows, columns, maps.shape[1] * (16 * torch.finfo(dtype).eps * largest) ** 2)

    def variance(self, n_pixels: int) -> torch.Tensor:
        """(channels,) variance (n - 1) of every upsampled channel, some channels at a time."""
        rows, columns = self.rows.T @ self.rows, self.columns.T @ self.columns
        parts = [((rows @ part @ columns) * part).sum((0, 2, 3)) for part in self.maps.split(_CHANNELS_AT_ONCE, 1)]
        return torch.cat(parts) / (n_pixels - 1)

    def scale(self, variance: torch.Tensor, scaling: str) -> None:
        if scaling == "equal-trace":
            self.maps *= _inverse_root(variance.sum(), self.rounding)
        elif scaling == "z-score":
            self.maps *= _inverse_root(variance, self.rounding / len(variance))[:, None, None]
        elif scaling == "channels":
            self.maps *= self.maps.shape[1] ** -0.5


def _upsampling(old: int, new: int, like: torch.Tensor) -> torch.Tensor:
    """(new, old): what every new place takes from the old ones."""
    return upsampled(torch.eye(old, dtype=like.dtype, device=like.device)[None, None], (new, old))[0, 0]


def _inverse_root(variance: torch.Tensor, rounding: float) -> torch.Tensor:
    return torch.where(variance > rounding, variance, torch.inf).rsqrt()


class _Covariance:
    """(D, b) -> covariance @ (D, b), D the channels of all layers together."""

    def __init__(self, layers: Sequence[_Layer], n_pixels: int) -> None:
        self._layers = layers
        self._n_pixels = n_pixels
        # [l][m]: (h_l, h_m) and (w_l, w_m)
        self._rows = [[one.rows.T @ other.rows for other in layers] for one in layers]
        self._columns = [[one.columns.T @ other.columns for other in layers] for one in layers]

    @property
    def width(self) -> int:
        return sum(layer.maps.shape[1] for layer in self._layers)

    def split(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return vectors.split([layer.maps.shape[1] for layer in self._layers])

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        # (b, n, h, w): the layers' own parts of the scores, at native resolution
        parts = [torch.einsum("nchw,cb->bnhw", layer.maps, part) for layer, part in zip(self._layers, self.split(vectors))]
        results = []
        for layer, rows, columns in zip(self._layers, self._rows, self._columns):
            mixed = sum((row @ part @ column.T for row, column, part in zip(rows, columns, parts)), torch.zeros((), dtype=vectors.dtype))
            results.append(torch.einsum("nchw,bnhw->cb", layer.maps, mixed))
        return torch.cat(results) / (self._n_pixels - 1)
