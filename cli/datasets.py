"""repro-probe datasets [list] | get NAME: the data sets known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .columns import aligned
from .display import shown
from .options import DataRoot, Debug, Quiet
from .output import say

if TYPE_CHECKING:
    from repr_probe.workflows.datasets import DatasetRecord

datasets_app = typer.Typer(invoke_without_command=True)


@datasets_app.callback()
def list_command(context: typer.Context, data_root: DataRoot = None, debug: Debug = False) -> None:
    """List the data sets known by name, with what is on this disk; download one with `get NAME`.

    Example: repro-probe datasets
    """
    if context.invoked_subcommand is not None:
        return
    from repr_probe.workflows.datasets import list_datasets

    rows = [["name", "images per split", "classes", "image", "download", "here", "place"]]
    rows += [_row(record) for record in list_datasets(data_root)]
    say(aligned(rows))


@datasets_app.command("get")
def get_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set, as `repro-probe datasets` lists it.")],
    data_root: DataRoot = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Download a data set, check its md5 and unpack it; prints the folder.

    Example: repro-probe datasets get food101
    """
    from repr_probe.workflows.datasets import get_dataset

    with shown(quiet):
        place = get_dataset(name, data_root)
    say(str(place))


def _row(record: DatasetRecord) -> list[str]:
    from repr_probe.files.atomic import readable_bytes

    splits = ", ".join(f"{split} {count:,}" if count else split for split, count in record.splits.items())
    if record.download_bytes:
        download = readable_bytes(record.download_bytes)
    else:
        download = "embedded" if record.name == "digits" else "by hand"
    return [record.name, splits, f"{record.n_classes:,}", record.image_size, download, ", ".join(record.present) or "-", record.place]
