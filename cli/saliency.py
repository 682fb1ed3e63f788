"""repro-probe saliency: SmoothGrad-CAM without classes, section VI-A, Fig. 2."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import AsCsv, AsJson, stdout_format
from .options import DATA, RUN, Checkpoint, Debug, Device, Quiet, Seed, Store, option
from .picture_options import MAP, Against, FigureFile, Images, Layers, MapsFile
from .picture_results import Outputs, as_table

if TYPE_CHECKING:
    from repr_probe.workflows.saliency import Saliency


class Method(StrEnum):
    """How a layer's activations become a map."""

    layercam = "layercam"
    gradcam = "gradcam"
    eigen = "eigen"


class Fusion(StrEnum):
    """How the maps of the layers become one."""

    mean_energy = "mean-energy"
    mean = "mean"


class SaliencyPreset(StrEnum):
    """default: LayerCAM of the stages; paper: Grad-CAM of all blocks."""

    default = "default"
    paper = "paper"


class Engine(StrEnum):
    """Who computes."""

    own = "own"
    captum = "captum"


TargetText = Annotated[
    str,
    option("What is explained: self, centred, similar-to=IMAGE, centroid=CLASS or class=N (row N of the file's classifier).", MAP, "--target"),
]
ReferenceStore = Annotated[
    list[str] | None,
    option(
        "Features of each checkpoint: a store, its key, a file; gives mean and centroids.", DATA, "--reference", metavar="STORE",
        show_default="none",
    ),
]  # fmt: skip
MethodName = Annotated[Method | None, option("eigen takes no gradient and has no target.", MAP, "--method", show_default="layercam")]
Sigma = Annotated[float, option("SD of the noise, as a share of the pixel range; 0: none.", MAP, min=0.0, max=1.0)]
Samples = Annotated[int, option("Noisy copies of each image.", MAP, min=1)]
FusionRule = Annotated[Fusion, option("mean-energy: every layer counts alike; mean: by its energy.", MAP, "--fusion")]
Preset = Annotated[SaliencyPreset, option("paper: Grad-CAM of all blocks. --method and --layers replace its choices.", MAP)]
EngineName = Annotated[Engine, option("captum: its LayerGradCam, layer by layer, as a check.", RUN, "--engine")]
NoisyBatch = Annotated[int, option("Noisy copies per pass; the maps are the same for any.", RUN, "--batch-size", min=1)]


@takes_encoder_options
def saliency_command(
    checkpoint: Checkpoint,
    images: Images,
    target: TargetText = "self",
    reference: ReferenceStore = None,
    layers: Layers = None,
    method: MethodName = None,
    sigma: Sigma = 0.15,
    samples: Samples = 25,
    fusion: FusionRule = Fusion.mean_energy,
    preset: Preset = SaliencyPreset.default,
    against: Against = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    engine: EngineName = Engine.own,
    device: Device = "auto",
    batch_size: NoisyBatch = 8,
    seed: Seed = 0,
    store: Store = None,
    json: AsJson = False,
    csv: AsCsv = False,
    out: MapsFile = None,
    figure: FigureFile = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw where an encoder without classes finds what its embedding says: SmoothGrad-CAM of all layers at once, as in Fig. 2 of HyDeS.

    Example: repro-probe saliency resnet50.pth photo.jpg --target similar-to=other.jpg --figure maps.png
    """
    outputs = Outputs(stdout_format(json=json, csv=csv), out, figure)
    from repr_probe.workflows.beside import save_maps
    from repr_probe.workflows.saliency import draw_saliency, saliency, saliency_rows

    with shown(quiet):
        results = saliency(
            checkpoint, images, target=target, reference=reference or None, layers=layers or None, method=method and method.value, sigma=sigma,
            samples=samples, fusion=fusion.value, preset=preset.value, engine=engine.value, against=against or (), device=device,
            batch_size=batch_size, seed=seed, store=store, **encoder,
        )  # fmt: skip
    outputs.give("saliency", results, save=save_maps, draw=draw_saliency, rows=saliency_rows, table=_table, lines=_lines)


def _lines(row: dict[str, Any]) -> list[dict[str, Any]]:
    """One line a layer."""
    numbers = {"peak": row["peak"], "standard_error": row["standard_error"]}
    return [
        {"checkpoint": row["checkpoint"], "image": row["image"], "layer": layer, "energy": share, "dead": row["dead"].get(layer, ""), **numbers}
        for layer, share in row["energy"].items()
    ]


def _table(result: Saliency) -> str:
    """A line an image, or a line a layer where that is narrower."""
    from repr_probe.workflows.saliency import described, saliency_rows

    rows = saliency_rows([result])
    lines = [["image", *result.maps.layers, "peak", "SE"], *(_cells(row) for row in rows)]
    reasons = [f"{row['image']}, {layer}: no map, {reason}" for row in rows for layer, reason in row["dead"].items()]
    foot = "Of every layer: share of the energy. Peak, SE: of the fused map, in even shares. Sigma: share of the pixel range."
    turned = len(result.maps.layers) > max(6, len(rows))
    return as_table(f"{result.label}: {described(result.maps)}", lines, *reasons, foot, turned=turned)


def _cells(row: dict[str, Any]) -> list[str]:
    shares = ["dead" if layer in row["dead"] else f"{share:.1%}" for layer, share in row["energy"].items()]
    return [row["image"], *shares, *("—" if row[key] is None else f"{row[key]:.{digits}f}" for key, digits in (("peak", 2), ("standard_error", 3)))]
