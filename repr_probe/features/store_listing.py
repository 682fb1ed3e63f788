"""What lies in the home's folder of feature stores: list it, remove from it."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repr_probe.errors import StoreError
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_journal import StoreJournal
from repr_probe.features.store_lock import StoreLock
from repr_probe.files.atomic import explained
from repr_probe.files.home import features_folder

_NAME = re.compile(r"\.?([0-9a-f]{64})(\.[0-9a-z-]+){0,2}")


@dataclass(frozen=True)
class StoreEntry:
    """One key found in the home.

    state: "complete", "partial" (an interrupted or running extraction, resumable) or "damaged" (see `detail`).
    size_bytes: of everything that belongs to the key.  modified: seconds since 1970.  meta: of a complete store, else empty.
    """

    key: str
    path: Path
    state: str
    detail: str
    size_bytes: int
    modified: float
    meta: Mapping[str, Any]


def list_stores(home: str | Path | None = None) -> list[StoreEntry]:
    """Every store and every leftover in the home, newest first."""
    entries = [_entry(key, paths) for key, paths in _by_key(features_folder(home)).items()]
    return sorted(entries, key=lambda entry: (-entry.modified, entry.key))


def find_store(home: str | Path | None, key_prefix: str) -> StoreEntry:
    """The one entry whose key begins with `key_prefix`; StoreError when there is none or more than one."""
    entries = list_stores(home)
    if not key_prefix:
        raise StoreError("key must name a store; got an empty one; see repro-probe store list")
    found = [entry for entry in entries if entry.key.startswith(key_prefix.lower())]
    if not found:
        raise StoreError(f"key must begin one of the {len(entries)} stored keys; got {key_prefix!r}; see repro-probe store list")
    if len(found) > 1:
        keys = ", ".join(entry.key[: len(key_prefix) + 8] for entry in found[:4])
        raise StoreError(f"key must begin exactly one stored key; got {key_prefix!r}, which begins {len(found)}: {keys}")
    return found[0]


def remove_store(home: str | Path | None, key_prefix: str) -> StoreEntry:
    """Remove the store whose key begins with `key_prefix`, and what an interrupted extraction left of it; returns what was there.

    Raises StoreError when no key or several begin so, or while a process is writing it.
    """
    entry = find_store(home, key_prefix)
    folder = features_folder(home)
    lock = StoreLock(folder / f"{entry.key}.lock", entry.key)
    lock.acquire()
    try:
        with explained(folder):
            for path in _by_key(folder).get(entry.key, []):
                _remove(path)
    finally:
        lock.release()
    return entry


def sweep_leftovers(folder: Path, key: str) -> None:
    """Remove what lies beside a finished store: of a run killed in its last moments, or of a `fresh` one that never finished."""
    if not [*folder.glob(f"{key}.*"), *folder.glob(f".{key}.*")]:
        return
    lock = StoreLock(folder / f"{key}.lock", key)
    try:
        lock.acquire()
    except StoreError:
        return  # somebody is computing it afresh, or the home may only be read: nothing of this is ours to tidy
    try:
        for path in _by_key(folder).get(key, []):
            if path.name != key:
                _remove(path)
    finally:
        lock.release()


def _remove(path: Path) -> None:
    if path.is_dir():
        # Renamed first: a kill midway leaves no half store under its name.
        aside = path if path.name.startswith(".") else path.rename(path.with_name(f".{path.name}.rm-{secrets.token_hex(6)}"))
        shutil.rmtree(aside)
    elif path.suffix != ".lock":
        path.unlink(missing_ok=True)


def _by_key(folder: Path) -> dict[str, list[Path]]:
    """The paths that belong to each key; lock files alone do not make an entry."""
    keys: dict[str, list[Path]] = {}
    for path in _children(folder):
        match = _NAME.match(path.name)
        if match and path.suffix != ".lock":
            keys.setdefault(match[1], []).append(path)
    return keys


def _children(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        with explained(folder):
            yield from sorted(folder.iterdir())


def _entry(key: str, paths: list[Path]) -> StoreEntry:
    named = {path.name: path for path in paths}
    path = named.get(key) or named.get(f"{key}.partial") or paths[0]
    meta: Mapping[str, Any] = {}
    state, detail = "partial", _progress(named.get(f"{key}.journal"))
    if key in named:
        try:
            meta, state, detail = FeatureStore.open(path).meta, "complete", ""
        except StoreError as failure:
            state, detail = "damaged", str(failure)
    return StoreEntry(key, path, state, detail, sum(map(_size, paths)), path.stat().st_mtime, meta)


def _progress(journal: Path | None) -> str:
    content = None if journal is None else StoreJournal(journal).read()
    return "nothing to resume" if content is None else f"{content.rows} of {content.plan.get('n_samples')} rows done"


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
