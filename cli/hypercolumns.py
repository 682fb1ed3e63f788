"""repro-probe hypercolumns: inner layers as colours, section VI-A, Fig. 4."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import AsCsv, AsJson, stdout_format
from .options import OUTPUT, RUN, BatchSize, Checkpoint, Debug, Device, Quiet, Seed, option
from .picture_options import MAP, Against, FigureFile, Images, Layers
from .picture_results import Outputs, as_table

if TYPE_CHECKING:
    from repr_probe.workflows.hypercolumns import Decomposed


class Fit(StrEnum):
    """What a principal component is of."""

    joint = "joint"
    per_image = "per-image"


class Scaling(StrEnum):
    """What each layer is multiplied with."""

    equal_trace = "equal-trace"
    none = "none"
    z_score = "z-score"
    channels = "channels"
    position = "position"


class Precision(StrEnum):
    """In which the components are computed."""

    float64 = "float64"
    float32 = "float32"


FitKind = Annotated[Fit, option("joint: a colour means the same in all images; per-image: as in the paper.", MAP, "--fit")]
ScalingKind = Annotated[Scaling, option("equal-trace: every layer has the same variance; z-score: every channel.", MAP, "--scaling")]
NoRandom = Annotated[bool, option("Leave out the same network with random weights.", MAP, "--no-random")]
Digits = Annotated[Precision, option("float32 halves the memory.", RUN, "--precision")]
Out = Annotated[Path | None, option("Write scores and colours: .npz; further ones get -2, -3, -random.", OUTPUT, show_default="none")]


@takes_encoder_options
def hypercolumns_command(
    checkpoint: Checkpoint,
    images: Images,
    layers: Layers = None,
    fit: FitKind = Fit.joint,
    scaling: ScalingKind = Scaling.equal_trace,
    no_random: NoRandom = False,
    against: Against = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    precision: Digits = Precision.float64,
    device: Device = "auto",
    batch_size: BatchSize = 8,
    seed: Seed = 0,
    json: AsJson = False,
    csv: AsCsv = False,
    out: Out = None,
    figure: FigureFile = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw what the inner layers of an encoder tell apart: exact PCA of hypercolumns as colours, beside random weights, as in Fig. 4 of HyDeS.

    Example: repro-probe hypercolumns resnet50.pth photos --against vicreg.pth --figure hypercolumns.png
    """
    outputs = Outputs(stdout_format(json=json, csv=csv), out, figure)
    from repr_probe.workflows.hypercolumns import draw_hypercolumns, hypercolumn_rows, hypercolumns, save_hypercolumns

    with shown(quiet):
        results = hypercolumns(
            checkpoint, images, layers=layers or "stages", fit=fit.value, scaling=scaling.value, precision=precision.value, random=not no_random,
            against=against or (), device=device, batch_size=batch_size, seed=seed, **encoder,
        )  # fmt: skip
    outputs.give(
        "hypercolumns", results, save=save_hypercolumns, draw=draw_hypercolumns, rows=hypercolumn_rows, table=_table, lines=_lines
    )  # fmt: skip


def _lines(row: dict[str, Any]) -> list[dict[str, Any]]:
    """One line a layer."""
    component = {name: row[name] for name in ("checkpoint", "colour", "component", "explained", "correlation")}
    shares = ("loading_share", "trace_share", "raw_trace_share")
    return [{**component, "layer": layer, **{name: row[name][layer] for name in shares}} for layer in row["loading_share"]]


def _table(result: Decomposed) -> str:
    from repr_probe.workflows.hypercolumns import described, hypercolumn_rows

    rows = hypercolumn_rows([result])
    matched = rows[0]["correlation"] is not None
    lines = [["", "explained", *(["r with the first"] if matched else []), *result.pca.layers]]
    for key, text in (("raw_trace_share", "all, before scaling"), ("trace_share", "all, scaled")):
        lines.append([text, "", *([""] if matched else []), *(f"{share:.1%}" for share in rows[0][key].values())])
    for row in rows:
        number = "" if row["component"] is None else f", PC{row['component']}"
        correlation = [f"{row['correlation']:.3f}"] if matched else []
        shares = [f"{share:.1%}" for share in row["loading_share"].values()]
        lines.append([f"{row['colour']}{number}", f"{row['explained']:.1%}", *correlation, *shares])
    foot = "Of every layer: its share of the variance, of all and of each component."
    return as_table(f"{result.label}: {described(result.pca)}", lines, foot, turned=len(lines[0]) > 9)
