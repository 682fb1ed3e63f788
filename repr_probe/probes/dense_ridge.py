"""The deterministic dense probe: weighted ridge regression on the shares of classes in cells, one pass over the maps, one solve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from repr_probe import progress
from repr_probe.probes.dense_data import DenseData
from repr_probe.probes.dense_head import DenseHead, folded
from repr_probe.probes.dense_presets import DensePreset
from repr_probe.probes.hypercolumns import upsampled

if TYPE_CHECKING:
    import torch

_ROWS = 8


def ridge_heads(data: DenseData, heads: Mapping[str, tuple[str, ...]], n_classes: int, preset: DensePreset) -> dict[str, DenseHead]:
    """Solve (Z'SZ + penalty sum(S) I) w = Z'SY for every head from one Gram matrix of all layers; the bias is not penalised.

    Z: standardised channels in cells of `preset.cell` pixels (finer maps are averaged, coarser ones interpolated).  Y: share of each
    class among the cell's pixels that are not void.  S: the share of these pixels, so that a cell of void alone has no say.
    """
    layers = list(data.arrays)
    widths = {layer: data.arrays[layer].shape[1] for layer in layers}
    gram, cross = _sums(data, layers, n_classes, preset.cell)
    starts = dict(zip(layers, np.cumsum([1, *widths.values()])))
    scales = {layer: (scale.mean, scale.inverse_std) for layer, scale in data.scales.items()}
    found = {}
    for name, members in heads.items():
        columns = np.concatenate([[0], *(np.arange(starts[layer], starts[layer] + widths[layer]) for layer in members)])
        solution = _solved(gram[columns][:, columns], cross[columns], preset.penalty)
        weights, place = {}, 1
        for layer in members:
            weights[layer] = solution[place : place + widths[layer]].T
            place += widths[layer]
        head = folded(weights, solution[0], scales, detached=True)
        found[name] = DenseHead({layer: weight.float().to(data.device) for layer, weight in head.weights.items()}, head.bias.float().to(data.device))
    return found


def _sums(data: DenseData, layers: list[str], n_classes: int, cell: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(Gram (1 + channels, 1 + channels), cross products (1 + channels, n_classes)), float64; the first column is the constant 1."""
    import torch

    n_columns = 1 + sum(data.arrays[layer].shape[1] for layer in layers)
    gram = torch.zeros(n_columns, n_columns, dtype=torch.float64)
    cross = torch.zeros(n_columns, n_classes, dtype=torch.float64)
    grid = (max(1, data.size[0] // cell), max(1, data.size[1] // cell))
    pooled = torch.nn.functional.adaptive_avg_pool2d
    with progress.task("solving the dense probe", len(data)) as advance:
        for start in range(0, len(data), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(data)))
            targets, maps = data.targets(rows), data.maps(rows)
            shares = torch.nn.functional.one_hot(targets.clamp(min=0), n_classes).permute(0, 3, 1, 2).double() * (targets >= 0)[:, None]
            shares = pooled(shares, grid)
            columns = [torch.ones_like(shares[:, :1])]
            for layer in layers:
                scale = data.scales[layer]
                mean, inverse = (tensor.to(data.device)[:, None, None] for tensor in (scale.mean, scale.inverse_std))
                standard = (maps[layer].double() - mean) * inverse
                finer = standard.shape[2] > grid[0] or standard.shape[3] > grid[1]
                columns.append(pooled(standard, grid) if finer else upsampled(standard, grid))
            table = torch.cat(columns, 1).movedim(1, -1).flatten(0, 2)  # (cells, columns)
            truth = shares.movedim(1, -1).flatten(0, 2)  # already S * Y
            gram += ((table * truth.sum(1, keepdim=True)).T @ table).cpu()
            cross += (table.T @ truth).cpu()
            advance(len(rows))
    return gram, cross


def _solved(gram: torch.Tensor, cross: torch.Tensor, penalty: float) -> torch.Tensor:
    import torch

    ridge = torch.full((len(gram),), penalty * float(gram[0, 0]), dtype=torch.float64)
    ridge[0] = 0.0
    return torch.linalg.solve(gram + ridge.diag(), cross)
