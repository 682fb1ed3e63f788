"""SaliencyMaps: the maps of a batch of images, with everything they were made with; saved as one .npz file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError, UsageError
from repr_probe.files.atomic import atomic_file
from repr_probe.visual.cam_sums import FusedMaps

KIND, SCHEMA = "repr_probe saliency maps", 1


@dataclass(frozen=True, eq=False)
class SaliencyMaps:
    """Maps of n images from L layers; made by `smoothgrad_cam`.

    fused: (n, H, W) float32 >= 0. With the fusion "mean-energy" its mean over an image is 1, so 3 means three times an even share; NaN where
    every layer is dead.  layers: their names.  per_layer[l]: (n, h, w) float32 >= 0 mean over the samples, in the unit of the target's score;
    NaN where dead.  energy: (n, L) each layer's share of the summed maps of all layers.  standard_error: (n, H, W) of `fused` over the
    samples; NaN for one noisy sample.  dead: (number of the image, layer, reason) of every map that is none: never stretched to a picture.
    settings: target, layers, method, sigma, samples, fusion, seed, engine, encoder.
    """

    fused: np.ndarray
    layers: tuple[str, ...]
    per_layer: tuple[np.ndarray, ...]
    energy: np.ndarray
    standard_error: np.ndarray
    dead: tuple[tuple[int, str, str], ...]
    settings: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.fused)

    def __repr__(self) -> str:
        dead = f", {len(self.dead)} dead" if self.dead else ""
        return f"SaliencyMaps({len(self)} images, {len(self.layers)} layers, {self.settings['method']} of {self.settings['target']}{dead})"

    def save(self, path: str | Path) -> Path:
        """Write `path` (.npz): fused, standard_error, energy, layer_0, layer_1, ..., and `meta`, a JSON text with the rest. Whole or absent."""
        path = Path(path).expanduser()
        check_maps_suffix(path)
        meta = {"kind": KIND, "schema": SCHEMA, "layers": self.layers, "dead": self.dead, "settings": dict(self.settings)}
        arrays: dict[str, Any] = {f"layer_{number}": maps for number, maps in enumerate(self.per_layer)}
        arrays |= {"fused": self.fused, "standard_error": self.standard_error, "energy": self.energy}
        with atomic_file(path) as temporary:
            np.savez_compressed(temporary, meta=np.array(json.dumps(meta, default=str)), **arrays)
        return path

    @classmethod
    def load(cls, path: str | Path) -> SaliencyMaps:
        """What `save` wrote; FileFormatError for another file."""
        try:
            with np.load(Path(path).expanduser(), allow_pickle=False) as file:
                arrays = dict(file)
            meta = json.loads(str(arrays.pop("meta")))
        except (OSError, ValueError, KeyError, EOFError) as failure:
            raise FileFormatError(f"maps must be a .npz file of saliency maps; got {path}") from failure
        if not isinstance(meta, dict) or (meta.get("kind"), meta.get("schema")) != (KIND, SCHEMA):
            raise FileFormatError(f"maps must be a .npz file of saliency maps, schema {SCHEMA}; got {path}")
        return cls(
            fused=arrays["fused"], layers=tuple(meta["layers"]), per_layer=tuple(arrays[f"layer_{n}"] for n in range(len(meta["layers"]))),
            energy=arrays["energy"], standard_error=arrays["standard_error"],
            dead=tuple((int(image), str(layer), str(reason)) for image, layer, reason in meta["dead"]), settings=meta["settings"],
        )  # fmt: skip


def check_maps_suffix(path: str | Path) -> None:
    """UsageError unless `path` ends in .npz."""
    if Path(path).suffix.lower() != ".npz":
        raise UsageError(f"the file of maps must end in .npz; got {Path(path).name!r}")


def maps_of(results: Sequence[FusedMaps], layers: Sequence[str], settings: Mapping[str, Any]) -> SaliencyMaps:
    """The results of all images, in order, as one object."""
    energies = np.stack([each.energies for each in results])  # (n, L)
    total = energies.sum(1, keepdims=True)
    return SaliencyMaps(
        fused=np.stack([each.fused for each in results]),
        layers=tuple(layers),
        per_layer=tuple(np.stack([each.layers[number] for each in results]) for number in range(len(layers))),
        energy=np.divide(energies, total, out=np.zeros_like(energies), where=total > 0),
        standard_error=np.stack([each.standard_error for each in results]),
        dead=tuple((image, layers[number], reason) for image, each in enumerate(results) for number, reason in each.reasons.items()),
        settings=settings,
    )
