"""The options that several commands share, each defined once: name, type, help and group."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .failures import set_debug

DATA, ENCODER, RUN, OUTPUT = "Data", "Encoder", "Running", "Output"


class Dtype(StrEnum):
    """How stored features are kept."""

    float32 = "float32"
    float16 = "float16"
    float64 = "float64"



def option(text: str, panel: str, *flags: str, **more: Any) -> Any:
    """An option with its help and its group. `show_default=TEXT` says what happens without it."""
    return typer.Option(*flags, help=text, rich_help_panel=panel, **more)


Checkpoint = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A file or folder of weights, timm:NAME, torchvision:NAME, an embedded name (hydes-digits), or module:callable with --allow-code.",
    ),
]

# --- Data
Split = Annotated[str | None, option("Split of the data set.", DATA, show_default="test; val for imagenet")]
DataRoot = Annotated[Path | None, option("Folder that holds the data sets.", DATA, show_default="$REPR_PROBE_DATA, else STORE/data")]
Limit = Annotated[int | None, option("Use N images, drawn class-balanced by --seed.", DATA, min=1, metavar="N", show_default="all")]
VerifyData = Annotated[bool, option("Recognise changed data by contents, not by sizes and times (slower).", DATA, "--verify-data")]

# --- Encoder
Layer = Annotated[list[str] | None, option("stage1..stage4, projector or a module; repeatable.", ENCODER, show_default="output before the head")]
Views = Annotated[int, option("Augmented views per image (DINO recipe) beside the plain image.", ENCODER, min=0, metavar="V")]

# --- Running
Device = Annotated[str, option("auto, cpu, cuda, cuda:1 or mps.", RUN)]
StoredDtype = Annotated[Dtype, option("Number type of the stored features.", RUN)]
BatchSize = Annotated[int, option("Images per forward pass.", RUN, min=1)]
Workers = Annotated[int | None, option("Processes that decode images.", RUN, min=0, show_default="by cores and images")]
Seed = Annotated[int, option("Seed of every random draw.", RUN, min=0)]
Fresh = Annotated[bool, option("Compute features anew even if they are stored.", RUN, "--fresh")]
Store = Annotated[Path | None, option("Home folder for features and data.", RUN, show_default="$REPR_PROBE_HOME, else the user's cache")]

# --- Output
Quiet = Annotated[bool, option("No progress and no notes on stderr.", OUTPUT, "--quiet")]
Debug = Annotated[bool, option("Print the traceback of a failure.", OUTPUT, "--debug", callback=set_debug)]
