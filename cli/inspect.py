"""repro-probe inspect: what a checkpoint holds and what would be made of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .encoder_options import NO_OPTIONS, takes_encoder_options
from .failures import ERROR
from .options import OUTPUT, Checkpoint, Debug, Quiet, option
from .output import say


@takes_encoder_options
def inspect_command(
    checkpoint: Checkpoint,
    encoder: dict[str, Any] = NO_OPTIONS,
    json: Annotated[bool, option("Print JSON.", OUTPUT, "--json")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Look into a checkpoint: containers, encoders, which is taken and why, what matched, and every assumption with its flag.

    Nothing in the file is run. Exit code 0 when an encoder can be loaded, else 1 with the reason.

    Example: repro-probe inspect checkpoint.pth
    """
    from repr_probe.workflows.inspect import inspect

    from .display import shown

    with shown(quiet):
        found = inspect(checkpoint, **encoder)
    if json:
        import json as writer

        say(writer.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        say(str(found))
    if not found.ok:
        raise typer.Exit(ERROR)
