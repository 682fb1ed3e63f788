"""PCA of hypercolumns as colours (Fig. 4 of HyDeS): which parts of the images a network's inner layers tell apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repr_probe import progress
from repr_probe.encoders.adapters.protocol import ImageEncoder
from repr_probe.encoders.maps import feature_maps
from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_file
from repr_probe.visual.colours import best_match, border_signs, coloured, robust_limits
from repr_probe.visual.layers import chosen_layers
from repr_probe.visual.lean_pca import LeanPca, lean_pca

FITS = ("joint", "per-image")
PRECISIONS = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True, eq=False)
class HypercolumnPca:
    """Made by `hypercolumn_pca`. One fit serves all images (joint), or there is one an image; `fits` below is 1 or n.

    scores: float32 (n, height, width, k), components by falling variance, or in the order of another network's (`matched_to`).
    colours: uint8 (n, height, width, 3), components 1 to 3 as red, green, blue.
    explained: (fits, k), each component's share of the variance of the scaled hypercolumns.
    layers; loading_share: (fits, layers, k), how much of a component's variance comes through each layer.
    layer_variance, raw_layer_variance: (fits, layers), each layer's share of the total variance after and before scaling.
    correlations: (fits, 3) with the components of the network it was matched to; None before.
    notes: what a reader has to know.  settings: everything that makes the numbers.
    """

    scores: np.ndarray
    colours: np.ndarray
    explained: np.ndarray
    layers: tuple[str, ...]
    loading_share: np.ndarray
    layer_variance: np.ndarray
    raw_layer_variance: np.ndarray
    correlations: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def matched_to(self, reference: HypercolumnPca) -> HypercolumnPca:
        """The same components in the order and with the signs that agree best with those of `reference` on the same pixels (48 are tried).

        Colours then mean the same in both as far as `correlations` says. InputError where the pixels are not the same in number.
        """
        if self.settings.get("fit") != reference.settings.get("fit"):
            raise UsageError(f"fit must be the same for a match; got {self.settings.get('fit')!r} and {reference.settings.get('fit')!r}")
        groups = _groups(len(self.scores), len(self.explained))
        matches = [best_match(self.scores[rows], reference.scores[rows]) for rows in groups]
        scores = np.concatenate([match.applied(self.scores[rows]) for match, rows in zip(matches, groups)])
        turned = [[*match.order, *range(3, self.scores.shape[-1])] for match in matches]
        settings = {**self.settings, "matched_to": reference.settings.get("encoder"), "order": [list(match.order) for match in matches]}
        return replace(
            self, scores=scores, colours=_colours(scores, groups), settings=settings,
            explained=np.stack([each[order] for each, order in zip(self.explained, turned)]),
            loading_share=np.stack([each[:, order] for each, order in zip(self.loading_share, turned)]),
            correlations=np.array([match.correlations for match in matches]),
        )  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that is numbers, by name."""
        named = {name: getattr(self, name) for name in ("scores", "colours", "explained", "loading_share", "layer_variance", "raw_layer_variance")}
        return named if self.correlations is None else {**named, "correlations": self.correlations}

    def save(self, path: str | Path) -> Path:
        """Write `arrays` as an .npz, settings, layers and notes as JSON in its `settings`; UsageError for another suffix."""
        path = Path(path)
        if path.suffix.lower() != ".npz":
            raise UsageError(f"the file of the scores must end in .npz; got {str(path)!r}")
        facts = {**self.settings, "layers": list(self.layers), "notes": list(self.notes)}
        with atomic_file(path) as temporary:
            np.savez_compressed(temporary, settings=np.array(json.dumps(facts, default=str)), **self.arrays())  # type: ignore[arg-type]
        return path


def hypercolumn_pca(
    encoder: ImageEncoder,
    images: torch.Tensor,
    *,
    layers: str | Sequence[str] = "stages",
    fit: str = "joint",
    scaling: str = "equal-trace",
    n_components: int = 3,
    size: tuple[int, int] | None = None,
    precision: str = "float64",
    batch_size: int = 8,
    seed: int = 0,
) -> HypercolumnPca:
    """Exact PCA of the hypercolumns at every pixel, for images (n, channels, height, width) preprocessed as the encoder wants them.

    layers: "stages" (four blocks at even depths of a network without stages), "all" blocks, or names.
    fit: "joint", one PCA for all images, so that a colour means the same in each; "per-image", one each, as the paper has it: colours of
        two images then have nothing to do with each other.
    scaling, precision: see `lean_pca`; by default every layer has the same say, whatever its units and number of channels.
    size: (height, width) of the scores, default that of the images.  seed: of the start of the iteration; it does not show in the scores.

    Signs: the border of the images is negative on average. Colours: the 1st to 99th percentile over the images of a fit.
    An untrained network gives smooth pictures too: compare with one. Raises CheckpointError for encoders without maps, UsageError for
    options and layers that are not there, UndefinedMeasure for images on which nothing varies.
    """
    if fit not in FITS:
        raise UsageError(f"fit must be one of {', '.join(FITS)}; got {fit!r}")
    if precision not in PRECISIONS:
        raise UsageError(f"precision must be one of {', '.join(PRECISIONS)}; got {precision!r}")
    if n_components < 3:
        raise UsageError(f"n_components must be 3 or more, for three colours; got {n_components}")
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more; got {batch_size}")
    names, _ = chosen_layers(encoder, layers, gradients=False)
    place = (images.shape[2], images.shape[3]) if size is None else size
    maps = _maps(encoder, images, names, batch_size)
    groups = _groups(len(images), 1 if fit == "joint" else len(images))
    found = []
    with progress.task("principal components", len(groups)) as advance:
        for rows in groups:
            part = {name: each[rows] for name, each in maps.items()}
            found.append(lean_pca(part, place, n_components=n_components, scaling=scaling, dtype=PRECISIONS[precision], seed=seed))
            advance(1)
    settings = {
        "layers": names, "fit": fit, "scaling": scaling, "n_components": n_components, "size": list(place), "precision": precision, "seed": seed,
        "upsampling": "bilinear, align_corners=False", "encoder": encoder.name, "architecture": encoder.architecture,
        "identity": dict(encoder.identity), "input": encoder.input.to_dict(), "residual": max(each.residual for each in found),
        "converged": all(each.converged for each in found), "iterations": [each.iterations for each in found],
    }  # fmt: skip
    return _result(found, tuple(names), groups, settings)


def _groups(n: int, fits: int) -> list[slice]:
    """Which images each fit is of: all, or one each."""
    return [slice(0, n)] if fits == 1 else [slice(row, row + 1) for row in range(n)]


def _maps(encoder: ImageEncoder, images: torch.Tensor, names: Sequence[str], batch_size: int) -> dict[str, torch.Tensor]:
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    with progress.task("maps", len(images)) as advance:
        for batch in images.split(batch_size):
            for name, each in feature_maps(encoder, batch, names).items():
                parts[name].append(each.cpu())
            advance(len(batch))
    return {name: torch.cat(several) for name, several in parts.items()}


def _result(found: Sequence[LeanPca], names: tuple[str, ...], groups: Sequence[slice], settings: Mapping[str, Any]) -> HypercolumnPca:
    signed = []
    for pca in found:
        scores = pca.scores.permute(0, 2, 3, 1).numpy()
        signed.append(scores * border_signs(scores))
    scores = np.concatenate(signed).astype(np.float32)
    return HypercolumnPca(
        scores=scores,
        colours=_colours(scores, groups),
        explained=np.stack([pca.explained.numpy() for pca in found]),
        layers=names,
        loading_share=np.stack([[pca.loading_share[name].numpy() for name in names] for pca in found]),
        layer_variance=np.array([[pca.layer_variance[name] for name in names] for pca in found]),
        raw_layer_variance=np.array([[pca.raw_layer_variance[name] for name in names] for pca in found]),
        notes=tuple(_notes(found)),
        settings=settings,
    )


def _colours(scores: np.ndarray, groups: Sequence[slice]) -> np.ndarray:
    return np.concatenate([coloured(scores[rows], robust_limits(scores[rows])) for rows in groups])


def _notes(found: Sequence[LeanPca]) -> list[str]:
    notes = []
    slow = [pca for pca in found if not pca.converged]
    if slow:
        worst = max(pca.residual for pca in slow)
        notes.append(f"{len(slow)} of {len(found)} PCAs stopped at a residual of {worst:.0e}: components of nearly equal variance, which are mixed")
    for name in found[0].layer_variance:
        if any(pca.layer_variance[name] == 0 for pca in found):
            notes.append(f"{name} does not vary over the pixels and takes no part")
    return notes
