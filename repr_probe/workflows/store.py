"""The commands `repro-probe store list | rm | path`: what extraction has kept, and where."""

from __future__ import annotations

from pathlib import Path

from repr_probe.features import store_listing
from repr_probe.features.store_listing import StoreEntry
from repr_probe.files.home import home


def list_stores(store: str | Path | None = None) -> list[StoreEntry]:
    """Every store and every leftover of an interrupted extraction in the home folder, newest first."""
    return store_listing.list_stores(store)


def remove(key: str, *, store: str | Path | None = None) -> StoreEntry:
    """Remove the one store whose key begins with `key`, with its leftovers; returns what was removed.

    Raises StoreError when no key or several begin so, or while a process is writing it.
    """
    return store_listing.remove_store(store, key)


def store_path(key: str | None = None, *, store: str | Path | None = None) -> Path:
    """The folder of the one store whose key begins with `key`; without a key, the home folder."""
    return home(store) if key is None else store_listing.find_store(store, key).path
