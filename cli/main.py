"""The program: the commands, and `main()`, which turns every failure into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from .attention import attention_command
from .compare import compare_command
from .datasets import datasets_app
from .dynamics import dynamics_command
from .extract import extract_command
from .failures import INTERRUPTED, OK, explain, set_debug
from .geometry import geometry_command
from .hypercolumns import hypercolumns_command
from .inspect import inspect_command
from .localise import localise_command
from .output import abandon_stdout
from .probe import probe_command
from .report import report_command
from .saliency import saliency_command
from .segment import segment_command
from .semantic import semantic_command
from .store import store_app
from .train import train_command

app = typer.Typer(
    name="repro-probe",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("geometry")(geometry_command)
app.command("extract")(extract_command)
app.command("inspect")(inspect_command)
app.command("semantic")(semantic_command)
app.command("probe")(probe_command)
app.command("segment")(segment_command)
app.command("saliency")(saliency_command)
app.command("attention")(attention_command)
app.command("hypercolumns")(hypercolumns_command)
app.command("localise")(localise_command)
app.command("compare")(compare_command)
app.command("report")(report_command)
app.command("train")(train_command)
app.command("dynamics")(dynamics_command)
app.add_typer(store_app, name="store")
app.add_typer(datasets_app, name="datasets")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"repro-probe {version('repr-probe')}")
        except PackageNotFoundError:
            typer.echo("repro-probe (not installed: run from a checkout)")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """What did this image encoder learn? Exact geometry of its representations, from a checkpoint or a feature file.

    Example: repro-probe geometry hydes-digits --dataset digits
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for an error, 2 for wrong usage, 130 when interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign (d′, ↑) gets a question mark instead of a crash.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    set_debug(False)
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="repro-probe", standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except BaseException as failure:  # the boundary: nothing may pass it as a traceback
        if isinstance(failure, SystemExit):
            raise
        code = explain(failure)
        with suppress(AttributeError, ValueError):
            _flush_or_abandon()
    return code if isinstance(code, int) else OK


def _flush_or_abandon() -> None:
    """After a failure: what stdout still holds is written, or dropped where that is what failed (a full disk)."""
    try:
        sys.stdout.flush()
    except OSError:
        abandon_stdout()


if __name__ == "__main__":
    sys.exit(main())
