"""The options that the commands on pictures share: images, layers, checkpoints beside each other, the figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import ENCODER, OUTPUT, option

MAP = "Map"

Images = Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Image files, and folders of them.")]
Layers = Annotated[list[str] | None, option("stages, all (every block) or a name; repeatable.", MAP, show_default="stages")]
Against = Annotated[
    list[str] | None,
    option(
        "Another checkpoint on the same pictures; the encoder options describe the first alone; repeatable.", ENCODER,
        metavar="CHECKPOINT", show_default="none",
    ),
]  # fmt: skip
FigureFile = Annotated[Path | None, option("Draw: .png .svg .pdf.", OUTPUT, "--figure", show_default="none")]
MapsFile = Annotated[Path | None, option("Write the maps: .npz; further checkpoints get -2, -3.", OUTPUT, "--out", show_default="none")]
