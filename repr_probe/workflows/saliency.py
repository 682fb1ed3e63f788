"""saliency: checkpoints and pictures, by path, to SmoothGrad-CAM maps side by side (`repro-probe saliency`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from repr_probe import progress
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.workflows.beside import labelled, layers_for, made_from, opened_beside, pictures_for, unique
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.visual.cam_maps import SaliencyMaps
    from repr_probe.visual.cam_reference import Reference
    from repr_probe.visual.pictures import Pictures
    from repr_probe.visual.targets import OwnTarget, Target

MOST_LAYER_ROWS = 6  # in a figure of one checkpoint; of more layers only the fused map is drawn
NAMES = {"layercam": "LayerCAM", "gradcam": "Grad-CAM", "eigen": "Eigen-CAM"}


@dataclass(frozen=True, eq=False)
class Saliency:
    """The maps of one checkpoint, and the pictures as this checkpoint sees them. name: unique among those side by side."""

    name: str
    pictures: Pictures
    maps: SaliencyMaps

    @property
    def label(self) -> str:
        """The name, with a word on weights that nobody has trained."""
        return labelled(self.name, self.settings["identity"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that makes the numbers."""
        return self.maps.settings


def saliency(
    checkpoint: str | Path | ImageEncoder,
    images: str | Path | Sequence[str | Path],
    *,
    target: str | Target | OwnTarget = "self",
    reference: str | Path | Sequence[str | Path] | None = None,
    layers: str | Sequence[str] | None = None,
    method: str | None = None,
    sigma: float = 0.15,
    samples: int = 25,
    fusion: str = "mean-energy",
    preset: str | None = None,
    engine: str = "own",
    against: Sequence[str | Path | ImageEncoder] = (),
    device: str = "auto",
    batch_size: int = 8,
    seed: int = 0,
    store: str | Path | None = None,
    **encoder: Unpack[EncoderOptions],
) -> list[Saliency]:
    """Where each encoder finds what its embedding says, on the same pictures with the same noise: `checkpoint` first, then those of `against`.

    images: files and folders.  target: a text of `repr_probe.visual.targets.KINDS`, or a target made by its functions.
        similar-to=IMAGE is a cosine, with the mean of the reference taken off where there is one; class=N is row N of the classifier in the
        checkpoint's file, of any data set.
    reference: stored features of each checkpoint, in their order: a feature store, the beginning of its key, or a file of features.
    layers, method, sigma, samples, fusion, preset, engine, batch_size, seed: see `smoothgrad_cam`.
    encoder: options of `load_encoder`, for `checkpoint` alone.

    Raises UsageError, CheckpointError, DatasetError, FileFormatError, InputError or StoreError, each with one line that says what to do.
    """
    from repr_probe.encoders.adapters.protocol import require
    from repr_probe.files.home import using_home
    from repr_probe.visual.cam import WITHOUT_TARGET
    from repr_probe.visual.smoothgrad_cam import smoothgrad_cam

    options = checked_options(encoder)
    checkpoints = [checkpoint, *against]
    references = _one_each(reference, len(checkpoints))
    _check_target(target, references, method)
    found: list[Saliency] = []
    first = None
    for number, network in enumerate(opened_beside(checkpoints, options, device)):
        first = first or network.input
        for capability in ("maps",) if method in WITHOUT_TARGET else ("maps", "grad"):
            require(network, capability)
        with using_home(store):
            goal = _goal(target, network, checkpoints[number], references[number], {} if number else options)
        pictures, input = pictures_for(images, network, first)
        maps = smoothgrad_cam(
            network, pictures.images, target=goal, layers=layers_for(network, layers) if number and layers else layers, method=method,
            sigma=sigma, samples=samples, fusion=fusion, preset=preset, engine=engine, batch_size=batch_size, seed=seed,
        )  # fmt: skip
        more = {**made_from(pictures, input), "reference": None if reference is None else str(references[number])}
        name = unique(network.name, [one.name for one in found])
        found.append(Saliency(name, pictures, replace(maps, settings={**maps.settings, **more})))
        _tell_dead(found[-1])
    return found


def saliency_rows(results: Sequence[Saliency]) -> list[dict[str, Any]]:
    """One JSON-ready row a checkpoint and image: energy share of every layer, peak and standard error of the fused map, dead layers.

    peak: the largest value of the fused map, in multiples of an even share.  standard_error: root mean square over the pixels, in the same
    unit.  None where it does not exist.
    """
    rows = []
    for result in results:
        maps = result.maps
        for image, name in enumerate(result.pictures.names):
            even = 1.0 if maps.settings["fusion"] == "mean-energy" else float(maps.fused[image].mean(dtype=np.float64))
            error = float(np.sqrt(np.mean(np.square(maps.standard_error[image], dtype=np.float64)))) / even
            peak = float(maps.fused[image].max()) / even
            rows.append({
                "checkpoint": result.name, "image": name,
                "energy": {layer: float(share) for layer, share in zip(maps.layers, maps.energy[image])},
                "peak": peak if np.isfinite(peak) else None, "standard_error": error if np.isfinite(error) else None,
                "dead": {layer: reason for number, layer, reason in maps.dead if number == image},
            })  # fmt: skip
    return rows


def described(*maps: SaliencyMaps) -> str:
    """What the maps are, in one line; sigma is a share of the pixel range."""
    said = maps[0].settings
    what = NAMES[said["method"]] + (f" of the target {said['target']}" if said["target"] else "")
    noise = f"{said['samples']} sample{'s' if said['samples'] > 1 else ''}, sigma {said['sigma']:g}" if said["sigma"] else "no noise"
    counts = sorted({len(each.layers) for each in maps})
    n_layers = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return f"{what}; {n_layers} layer{'s' if counts[-1] > 1 else ''}, {said['fusion']}; {noise}; seed {said['seed']}"


def draw_saliency(results: Sequence[Saliency]) -> Figure:
    """The pictures, below them a row of fused maps for every checkpoint; of a single checkpoint also its layers, where they are few."""
    from repr_probe.plots.overlays import picture_grid

    rows: dict[str, list[Any]] = {}
    captions: dict[str, list[str]] = {}
    for result in results:
        shown, maps = result.pictures.shown, result.maps
        single = len(results) == 1 and len(maps.layers) <= MOST_LAYER_ROWS
        label = "all layers" if single else result.label
        rows[label] = [(picture, heat if np.isfinite(heat).all() else "every layer is dead") for picture, heat in zip(shown, maps.fused)]
        captions[label] = [_peak_text(row) for row in saliency_rows([result])]
        for number, layer in enumerate(maps.layers if single else ()):
            dead = {image: reason for image, name, reason in maps.dead if name == layer}
            rows[layer] = [(picture, dead.get(image, maps.per_layer[number][image])) for image, picture in enumerate(shown)]
            captions[layer] = [f"{share:.{0 if share >= 0.1 else 1}%} of the energy" for share in maps.energy[:, number]]
    first = results[0]
    said = described(*(result.maps for result in results))
    names = [Path(name).stem for name in first.pictures.names]
    heading = f"{first.label}: {said}" if len(results) == 1 else said
    return picture_grid(rows, names, images=list(first.pictures.shown), heading=heading, captions=captions)


def _peak_text(row: Mapping[str, Any]) -> str:
    if row["peak"] is None:
        return ""
    error = "" if row["standard_error"] is None else f", SE {row['standard_error']:.2f}"
    return f"peak {row['peak']:.1f}×{error}"


def _one_each(reference: str | Path | Sequence[str | Path] | None, n: int) -> list[str | Path | None]:
    given = [] if reference is None else [reference] if isinstance(reference, str | Path) else list(reference)
    if given and len(given) != n:
        raise UsageError(f"reference must be one a checkpoint, in their order; got {len(given)} for {n}")
    return list(given) or [None] * n


def _check_target(target: Any, references: Sequence[Any], method: str | None) -> None:
    """What can be said before anything is loaded."""
    from repr_probe.visual.cam import WITHOUT_TARGET
    from repr_probe.visual.targets import split_target

    if method in WITHOUT_TARGET and target != "self":
        raise UsageError(f"target must be left out for the method {method}, which has none; got {target if isinstance(target, str) else 'one'}")
    if isinstance(target, str) and split_target(target)[0] in ("centred", "centroid") and references[0] is None:
        raise UsageError(f"target {split_target(target)[0]} must have a reference; got none; give the feature store of the checkpoint (--reference)")


def _goal(target: Any, network: ImageEncoder, checkpoint: Any, source: Any, options: Mapping[str, Any]) -> Any:
    """The target with everything it needs from this checkpoint."""
    from repr_probe.visual.targets import parse_target

    if not isinstance(target, str) or target == "self":
        return target
    reference = None if source is None else _reference(source, network)
    return parse_target(
        target,
        mean=lambda: _given(reference).mean,
        embed=lambda path: _embedding(path, network),
        centroid=lambda name: _given(reference).centroid(name),
        class_row=lambda number: _class_row(number, checkpoint, options),
        centred_queries=reference is not None,
    )


def _given(reference: Reference | None) -> Reference:
    if reference is None:
        raise UsageError("target must have a reference; got none")
    return reference


def _reference(source: str | Path, network: ImageEncoder) -> Reference:
    from repr_probe.features.store_listing import find_store
    from repr_probe.files.home import home
    from repr_probe.visual.cam_reference import read_reference

    return read_reference(source if Path(source).expanduser().exists() else find_store(home(), str(source)).path, network)


def _embedding(path: str, network: ImageEncoder) -> Any:
    from repr_probe.encoders.encoder import POOLED
    from repr_probe.exact_pass import exact_pass, module_device
    from repr_probe.visual.pictures import read_pictures

    device = module_device(network.module, "auto")
    with exact_pass(network.module, device):
        return network.features(read_pictures([path], network.input).images[:1].to(device), [POOLED])[POOLED][0].clone()


def _class_row(number: str, checkpoint: Any, options: Mapping[str, Any]) -> np.ndarray:
    from repr_probe.workflows.classifier_rows import read_classifier

    if not number.isdecimal():
        raise UsageError(f"target class=N must have a whole number; got {number!r}")
    if not isinstance(checkpoint, str | Path) or not Path(checkpoint).exists():
        raise UsageError(f"target class=N must have a checkpoint file, whose classifier is read; got {checkpoint}")
    try:
        found = read_classifier(checkpoint, key=options.get("key"))
    except CheckpointError as failure:
        if failure.code != "E_CLASSIFIER":
            raise
        name = Path(checkpoint).name
        raise UsageError(f"target class=N must have a classifier in {name}; got none; use similar-to=IMAGE or centroid=CLASS") from None
    if int(number) >= len(found.rows):
        raise UsageError(f"target class=N must be below {len(found.rows):,}, the classes of {found.tensor}; got {number}")
    progress.note(f"class {number} is {found.names[int(number)] if found.names else f'row {number} of {len(found.rows):,} of {found.tensor}'}")
    return found.rows[int(number)]


def _tell_dead(result: Saliency) -> None:
    for image, layer, reason in result.maps.dead:
        progress.note(f"{result.name}: {result.pictures.names[image]} has no map at {layer}: {reason}")
