"""repro-probe attention: where the class token of a vision transformer looks, section VI-A, Fig. 3."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import AsCsv, AsJson, stdout_format
from .options import BatchSize, Checkpoint, Debug, Device, Quiet, option
from .picture_options import MAP, Against, FigureFile, Images, MapsFile
from .picture_results import Outputs, as_table

if TYPE_CHECKING:
    from repr_probe.workflows.attention import Attended


class Reduction(StrEnum):
    """How the blocks become one map."""

    mean = "mean"
    last = "last"
    rollout = "rollout"


Reduce = Annotated[Reduction, option("mean of all blocks; last block; rollout: product of the blocks.", MAP, "--reduce")]
PerHead = Annotated[bool, option("One map a head in place of their mean.", MAP, "--per-head")]
Blocks = Annotated[list[int] | None, option("A block of the mean, from 0, negative from the end; repeatable.", MAP, "--block", show_default="all")]
Renormalise = Annotated[bool, option("Let each map sum to 1, without what goes to class and register tokens.", MAP, "--renormalise")]


@takes_encoder_options
def attention_command(
    checkpoint: Checkpoint,
    images: Images,
    reduce: Reduce = Reduction.mean,
    per_head: PerHead = False,
    block: Blocks = None,
    renormalise: Renormalise = False,
    against: Against = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    device: Device = "auto",
    batch_size: BatchSize = 8,
    json: AsJson = False,
    csv: AsCsv = False,
    out: MapsFile = None,
    figure: FigureFile = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw where the class token of a vision transformer looks, with its fused attention on, as in Fig. 3 of HyDeS.

    Example: repro-probe attention vit_small.pth photos --figure attention.png --out attention.npz
    """
    outputs = Outputs(stdout_format(json=json, csv=csv), out, figure)
    from repr_probe.workflows.attention import attention, attention_rows, draw_attention
    from repr_probe.workflows.beside import save_maps

    with shown(quiet):
        results = attention(
            checkpoint, images, reduce=reduce.value, per_head=per_head, blocks=block or None, renormalise=renormalise, against=against or (),
            device=device, batch_size=batch_size, **encoder,
        )  # fmt: skip
    outputs.give("attention", results, save=save_maps, draw=draw_attention, rows=attention_rows, table=_table, lines=lambda row: [row])


def _table(result: Attended) -> str:
    from repr_probe.workflows.attention import attention_rows, described

    several = result.maps.settings["heads"]
    lines = [["image", *(["head"] if several else []), "on patches", "peak", "half within"]]
    for row in attention_rows([result]):
        numbers = [f"{row['on_patches']:.1%}", f"{row['peak']:.2f}", f"{row['half_within']:.1%}"]
        lines.append([row["image"], *([str(row["head"])] if several else []), *numbers])
    foot = "Peak: the strongest patch, in even shares. Half within: the share of the patches that holds half of the attention; 50% is uniform."
    return as_table(f"{result.label}: {described(result.maps)}", lines, foot)
