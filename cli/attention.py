"""repro-probe attention: where the class token of a vision transformer looks, section VI-A, Fig. 3."""

from __future__ import annotations

import csv as csv_format
import io
import json as json_format
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from .columns import aligned
from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import AsCsv, AsJson, stdout_format
from .options import OUTPUT, BatchSize, Checkpoint, Debug, Device, Quiet, option
from .output import say
from .picture_options import MAP, Against, FigureFile, Images

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
Out = Annotated[Path | None, option("Write the maps: .npz; further checkpoints get -2, -3.", OUTPUT, show_default="none")]


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
    out: Out = None,
    figure: FigureFile = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw where the class token of a vision transformer looks, with its fused attention on, as in Fig. 3 of HyDeS.

    Example: repro-probe attention vit_small.pth photos --figure attention.png --out attention.npz
    """
    kind = stdout_format(json=json, csv=csv)
    from repr_probe.plots.figures import check_figure
    from repr_probe.workflows.attention import attention, draw_attention, save_attention
    from repr_probe.workflows.beside import check_arrays

    if out is not None:
        check_arrays(out)
    if figure is not None:
        check_figure(figure)
    with shown(quiet):
        results = attention(
            checkpoint, images, reduce=reduce.value, per_head=per_head, blocks=block or None, renormalise=renormalise, against=against or (),
            device=device, batch_size=batch_size, **encoder,
        )  # fmt: skip
    if out is not None:
        save_attention(results, out)
    if figure is not None:
        from repr_probe.plots.figures import save_figure

        save_figure(draw_attention(results), figure)
    say(_rendered(results, kind))


def _rendered(results: list[Attended], kind: str) -> str:
    from repr_probe.workflows.attention import attention_rows

    rows = attention_rows(results)
    if kind == "json":
        settings = {result.name: {**result.maps.settings, "query": result.maps.query, "n_blocks": result.maps.n_blocks,
                                  "n_heads": result.maps.n_heads, "n_prefix": result.maps.n_prefix} for result in results}  # fmt: skip
        document = {"kind": "attention", "schema": 1, "settings": settings, "rows": rows}
        return json_format.dumps(document, indent=2, default=str, allow_nan=False)
    if kind == "csv":
        written = io.StringIO()
        table = csv_format.DictWriter(written, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        return written.getvalue()
    return "\n\n".join(_as_text(result) for result in results)


def _as_text(result: Attended) -> str:
    from repr_probe.workflows.attention import attention_rows, described

    several = result.maps.settings["heads"]
    lines = [["image", *(["head"] if several else []), "on patches", "peak", "half within"]]
    for row in attention_rows([result]):
        numbers = [f"{row['on_patches']:.1%}", f"{row['peak']:.2f}", f"{row['half_within']:.1%}"]
        lines.append([row["image"], *([str(row["head"])] if several else []), *numbers])
    foot = "Peak: the strongest patch, in even shares. Half within: the share of the patches that holds half of the attention; 50% is uniform."
    return "\n".join([f"{result.label}: {described(result.maps)}", aligned(lines), foot])
