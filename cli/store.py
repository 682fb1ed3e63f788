"""repro-probe store list | rm | path: the features that are kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .columns import aligned
from .options import Debug, Store
from .output import say

if TYPE_CHECKING:
    from repr_probe.features.store_listing import StoreEntry

store_app = typer.Typer(no_args_is_help=True, help="List, locate and remove stored features.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="The beginning of a key, as `store list` prints it.")]


@store_app.command("list")
def list_command(store: Store = None, debug: Debug = False) -> None:
    """List stored features and what interrupted runs left, newest first.

    Example: repro-probe store list
    """
    from repr_probe.files.atomic import readable_bytes
    from repr_probe.workflows.store import list_stores, store_path

    entries = list_stores(store)
    if not entries:
        say(f"no stored features in {store_path(store=store)}")
        return
    rows = [["key", "state", "features", "layer", "data", "encoder", "size", "written"]]
    rows += [[*_described(entry), readable_bytes(entry.size_bytes), _when(entry.modified)] for entry in entries]
    say(aligned(rows))


@store_app.command("rm")
def rm_command(key: Key, store: Store = None, debug: Debug = False) -> None:
    """Remove one entry of the store.

    Example: repro-probe store rm 3fa9c1
    """
    from repr_probe.files.atomic import readable_bytes
    from repr_probe.workflows.store import remove

    removed = remove(key, store=store)
    say(f"removed {removed.key[:12]} ({readable_bytes(removed.size_bytes)})")


@store_app.command("path")
def path_command(
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="The beginning of a key; without one the home folder.")] = None,
    store: Store = None,
    debug: Debug = False,
) -> None:
    """Print the folder of one entry, or the home folder.

    Example: repro-probe store path 3fa9c1
    """
    from repr_probe.workflows.store import store_path

    say(str(store_path(key, store=store)))


def _described(entry: StoreEntry) -> list[str]:
    meta = entry.meta
    if not meta:
        return [entry.key[:12], entry.state, "", "", "", entry.detail]
    provenance: dict[str, Any] = dict(meta.get("provenance", {}))
    shape = f"{meta.get('n_samples')} x {meta.get('n_features')}"
    data = " ".join(str(provenance[name]) for name in ("dataset", "split") if provenance.get(name))
    encoder = str(provenance.get("encoder") or provenance.get("architecture") or "")
    return [entry.key[:12], entry.state, shape, str(meta.get("layer", "")), data, encoder]


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
