"""hypercolumns: checkpoints and pictures, by path, to principal components as colours side by side (`repro-probe hypercolumns`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from repr_probe import progress
from repr_probe.errors import UsageError
from repr_probe.workflows.beside import (
    computing,
    labelled,
    layers_for,
    made_from,
    numbered,
    opened_beside,
    pictures_for,
    random_twin_or_reason,
    unique,
)
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.preprocessing import InputSpec
    from repr_probe.visual.hypercolumns import HypercolumnPca
    from repr_probe.visual.pictures import Pictures

RANDOM = "random weights"
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class Decomposed:
    """The components of one checkpoint, and the pictures as it sees them. name: unique; of the random-initialised network RANDOM."""

    name: str
    pictures: Pictures
    pca: HypercolumnPca

    @property
    def label(self) -> str:
        """The name, with a word on weights that nobody has trained."""
        return self.name if self.name == RANDOM else labelled(self.name, self.settings["identity"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that makes the numbers."""
        return self.pca.settings


def hypercolumns(
    checkpoint: str | Path | ImageEncoder,
    images: str | Path | Sequence[str | Path],
    *,
    layers: str | Sequence[str] = "stages",
    fit: str = "joint",
    scaling: str = "equal-trace",
    precision: str = "float64",
    random: bool = True,
    against: Sequence[str | Path | ImageEncoder] = (),
    device: str = "auto",
    batch_size: int = 8,
    seed: int = 0,
    **encoder: Unpack[EncoderOptions],
) -> list[Decomposed]:
    """What the inner layers of each encoder tell apart in the same pictures: `checkpoint` first, then `against`, then random weights.

    images: files and folders.  layers, fit, scaling, precision, batch_size, seed: see `hypercolumn_pca`.
    random: also the architecture of `checkpoint` with random weights; a network that has learned should differ from it.
    The components of all others are in the order and with the signs that agree best with those of `checkpoint`.
    encoder: options of `load_encoder`, for `checkpoint` alone.

    Raises UsageError, CheckpointError, DatasetError, FileFormatError, InputError or UndefinedMeasure, each with one line.
    """
    options = {"fit": fit, "scaling": scaling, "precision": precision, "batch_size": batch_size, "seed": seed}
    networks = opened_beside([checkpoint, *against], checked_options(encoder), device)
    first = next(networks)
    pictures, input = pictures_for(images, first, first.input)
    found = [_decomposed(first.name, first, pictures, input, layers, options)]
    for network in networks:
        name = unique(network.name, [one.name for one in found])
        pictures, input = pictures_for(images, network, first.input)
        found.append(_decomposed(name, network, pictures, input, layers_for(network, layers), options, beside=found[0]))
    twin = random_twin_or_reason(first) if random else ""
    if isinstance(twin, str):
        if twin:
            progress.note(f"no network with random weights beside: {twin}")
        return found
    return [*found, _decomposed(RANDOM, twin, found[0].pictures, first.input, found[0].pca.layers, options, beside=found[0])]


def _decomposed(
    name: str, network: ImageEncoder, pictures: Pictures, input: InputSpec, layers: str | Sequence[str], options: Mapping[str, Any],
    *, beside: Decomposed | None = None,
) -> Decomposed:  # fmt: skip
    """The components of one network, matched to those of the first, `beside`, where both see the same part of the pictures."""
    from repr_probe.visual.hypercolumns import hypercolumn_pca

    shape = pictures.shown.shape if beside is None else beside.pictures.shown.shape
    alike = pictures.shown.shape[1] * shape[2] == pictures.shown.shape[2] * shape[1]
    with computing(network):
        pca = hypercolumn_pca(network, pictures.images, layers=layers, size=(shape[1], shape[2]) if alike else None, **options)
    for note in pca.notes:
        progress.note(f"{name}: {note}")
    pca = replace(pca, settings={**pca.settings, **made_from(pictures, input)})
    if beside is not None and alike:
        pca = pca.matched_to(beside.pca)
    elif beside is not None:
        progress.note(f"{name}: its pictures have another shape, so its colours are not matched to those of {beside.name}")
    return Decomposed(name, pictures, pca)


def hypercolumn_rows(results: Sequence[Decomposed]) -> list[dict[str, Any]]:
    """One JSON-ready row a checkpoint and colour: its component, explained share, correlation with the first checkpoint's, share of every layer.

    component: from 1; None where it differs from image to image. Numbers are means over the images where each has a PCA of its own.
    trace_share: of all variance after scaling, by layer; raw_trace_share: before.
    """
    rows = []
    for result in results:
        pca, order = result.pca, own_components(result.pca)
        for number in range(3):
            rows.append({
                "checkpoint": result.name, "colour": COLOURS[number], "component": order and order[number],
                "explained": float(pca.explained[:, number].mean()),
                "correlation": None if pca.correlations is None else float(pca.correlations[:, number].mean()),
                "loading_share": dict(zip(pca.layers, pca.loading_share[:, :, number].mean(0).tolist())),
                "trace_share": dict(zip(pca.layers, pca.layer_variance.mean(0).tolist())),
                "raw_trace_share": dict(zip(pca.layers, pca.raw_layer_variance.mean(0).tolist())),
            })  # fmt: skip
    return rows


def own_components(pca: HypercolumnPca) -> tuple[int, int, int] | None:
    """Which of its components are red, green and blue, from 1; None where that differs between the images."""
    orders = {tuple(order) for order in pca.settings.get("order", [[0, 1, 2]])}
    if len(orders) > 1:
        return None
    red, green, blue = orders.pop()
    return red + 1, green + 1, blue + 1


def described(pca: HypercolumnPca) -> str:
    """What the colours are, in one line."""
    said = pca.settings
    fit = "one PCA for all images" if said["fit"] == "joint" else "a PCA for each image, colours comparable only down a column"
    scaling = {"equal-trace": "layers scaled to equal variance", "none": "layers as they are", "z-score": "channels scaled to variance 1",
               "channels": "layers scaled by 1/√channels", "position": "places of each layer scaled to length 1"}[said["scaling"]]  # fmt: skip
    return f"hypercolumns of {len(pca.layers)} layers, {scaling}; {fit}"


def draw_hypercolumns(results: Sequence[Decomposed]) -> Figure:
    """The pictures, below them a row of colours for every network, with explained variance and shares of the layers at its right."""
    from repr_probe.plots.hypercolumns import HypercolumnRow, hypercolumn_figure

    if not results:
        raise UsageError("results must hold at least one checkpoint; got none")
    rows = {}
    for result in results:
        pca = result.pca
        said = "" if pca.correlations is None else f"r with the first: {', '.join(f'{value:.2f}' for value in pca.correlations.mean(0))}"
        rows[result.label] = HypercolumnRow(
            pca.colours, pca.explained.mean(0), pca.layers, pca.loading_share.mean(0), pca.layer_variance.mean(0), own_components(pca), said
        )  # fmt: skip
    first = results[0]
    titles = [Path(name).stem for name in first.pictures.names]
    return hypercolumn_figure(rows, first.pictures.shown, titles, heading=described(first.pca))


def save_hypercolumns(results: Sequence[Decomposed], path: str | Path) -> list[Path]:
    """One .npz a network: `path` for the first, -2, -3, ... before the suffix for further checkpoints, -random for random weights."""
    path = Path(path)
    return [
        result.pca.save(path.with_name(f"{path.stem}-random{path.suffix}") if result.name == RANDOM else numbered(path, number))
        for number, result in enumerate(results, start=1)
    ]
