"""attention: vision transformers and pictures, by path, to attention maps side by side (`repro-probe attention`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from repr_probe.workflows.beside import computing, labelled, made_from, opened_beside, pictures_for, unique
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.visual.attention import AttentionMaps
    from repr_probe.visual.pictures import Pictures


@dataclass(frozen=True, eq=False)
class Attended:
    """The maps of one checkpoint, and the pictures as it sees them. name: unique among those side by side; weights: "random, seed 0" or ""."""

    name: str
    pictures: Pictures
    maps: AttentionMaps

    @property
    def label(self) -> str:
        """The name, with a word on weights that nobody has trained."""
        return labelled(self.name, self.settings["identity"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that makes the numbers, and what was found of the network's attention."""
        return {**self.maps.settings, **{name: getattr(self.maps, name) for name in ("query", "n_blocks", "n_heads", "n_prefix")}}


def attention(
    checkpoint: str | Path | ImageEncoder,
    images: str | Path | Sequence[str | Path],
    *,
    reduce: str = "mean",
    per_head: bool = False,
    blocks: Sequence[int] | None = None,
    renormalise: bool = False,
    against: Sequence[str | Path | ImageEncoder] = (),
    device: str = "auto",
    batch_size: int = 8,
    **encoder: Unpack[EncoderOptions],
) -> list[Attended]:
    """Where the class token of each vision transformer looks, on the same pictures: `checkpoint` first, then those of `against`.

    images: files and folders.  reduce, blocks, renormalise, batch_size: see `attention_maps`.  per_head: one map a head (its `heads`).
    encoder: options of `load_encoder`, for `checkpoint` alone.

    Raises UsageError, CheckpointError, DatasetError, FileFormatError or InputError, each with one line that says what to do.
    """
    from repr_probe.visual.attention import attention_maps

    found: list[Attended] = []
    first = None
    for network in opened_beside([checkpoint, *against], checked_options(encoder), device):
        first = first or network.input
        pictures, input = pictures_for(images, network, first)
        with computing(network):
            maps = attention_maps(
                network, pictures.images, reduce=reduce, heads=per_head, blocks=blocks, renormalise=renormalise, batch_size=batch_size
            )  # fmt: skip
        maps = replace(maps, settings={**maps.settings, **made_from(pictures, input)})
        found.append(Attended(unique(network.name, [one.name for one in found]), pictures, maps))
    return found


def attention_rows(results: Sequence[Attended]) -> list[dict[str, Any]]:
    """One JSON-ready row a checkpoint, image and head (None: their mean).

    on_patches: share of the attention that goes to patches.  peak: the strongest patch, in multiples of an even share.  half_within: the
    smallest share of the patches that holds half of what goes to patches; 0.5 is uniform.
    """
    rows = []
    for result in results:
        for image, name in enumerate(result.pictures.names):
            for head, one in _heads(result, image):
                share = np.sort(one.ravel().astype(np.float64))[::-1] / one.sum(dtype=np.float64)
                on_patches = result.maps.on_patches[image] if head is None else result.maps.on_patches[image, head]
                rows.append({
                    "checkpoint": result.name, "image": name, "head": head, "on_patches": float(on_patches), "peak": float(share[0] * share.size),
                    "half_within": float(np.searchsorted(np.cumsum(share), 0.5 - 1e-9) + 1) / share.size,
                })  # fmt: skip
    return rows


def described(*maps: AttentionMaps) -> str:
    """What the maps are, in one line, without the numbers that differ between them."""
    said = maps[0].settings
    n_blocks = "".join(f"{count} " for count in _common({each.n_blocks for each in maps}))
    n_heads = "".join(f"{count} " for count in _common({each.n_heads for each in maps}))
    which = f"mean of blocks {', '.join(map(str, said['blocks']))}" if said["blocks"] else f"{said['reduce']} of {n_blocks or 'all '}blocks"
    heads = "each head" if said["heads"] else f"mean of {n_heads or 'all '}heads"
    queries = dict.fromkeys("class token to patches" if each.query == "class token" else each.query for each in maps)
    return f"attention, {' or '.join(queries)}; {which}, {heads}" + ("; each map sums to 1" if said["renormalise"] else "")


def _common(counts: set[int]) -> set[int]:
    return counts if len(counts) == 1 else set()


def draw_attention(results: Sequence[Attended]) -> Figure:
    """The pictures, below them a row of maps for every checkpoint, or for every head of every checkpoint."""
    from repr_probe.plots.overlays import picture_grid

    rows: dict[str, list[Any]] = {}
    captions: dict[str, list[str]] = {}
    texts = {(row["checkpoint"], row["image"], row["head"]): f"peak {row['peak']:.1f} × even, half in {row['half_within']:.0%}"
             for row in attention_rows(results)}  # fmt: skip
    for result in results:
        for image, name in enumerate(result.pictures.names):
            for head, one in _heads(result, image):
                label = result.label if head is None else f"{result.label} head {head}"
                rows.setdefault(label, []).append((result.pictures.shown[image], one))
                captions.setdefault(label, []).append(texts[result.name, name, head])
    first = results[0]
    titles = [Path(name).stem for name in first.pictures.names]
    return picture_grid(rows, titles, images=list(first.pictures.shown), heading=described(*(result.maps for result in results)), captions=captions)


def _heads(result: Attended, image: int) -> list[tuple[int | None, np.ndarray]]:
    """(number of the head or None, (rows, columns) map) of one image."""
    maps = result.maps.maps[image]
    return [(None, maps)] if maps.ndim == 2 else list(enumerate(maps))
