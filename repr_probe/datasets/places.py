"""Where a known data set lies below the data root, and the one error when it does not."""

from __future__ import annotations

from pathlib import Path

from repr_probe.datasets.catalog import CatalogEntry
from repr_probe.datasets.names import shortened
from repr_probe.errors import DatasetError
from repr_probe.files.home import data_root

GZIP = ".gz"  # Fashion-MNIST is published, and packaged by Debian, with each file compressed


def find_folder(entry: CatalogEntry, split: str, root: Path) -> Path:
    """The folder that holds every file of a split: ROOT/place, ROOT/name/place, ROOT/name or ROOT itself.

    Raises DatasetError naming the command that fetches the set and the place where it was looked for.
    """
    found = locate(entry, split, root)
    if found:
        return found
    folders = _candidates(entry, root)
    for folder in folders:
        missing = missing_files(entry, split, folder)
        if len(missing) < len(entry.files[split]):
            raise _missing(entry, root, f"got no {shortened(missing)} in {folder}")
    raise _missing(entry, root, f"got no {entry.name} in {folders[0]}")


def locate(entry: CatalogEntry, split: str, root: Path) -> Path | None:
    """The first of those folders that holds every file of a split (sets of single images: the list of them), or None."""
    return next((folder for folder in _candidates(entry, root) if not missing_files(entry, split, folder)), None)


def missing_files(entry: CatalogEntry, split: str, folder: Path) -> list[str]:
    """The files of a split that `folder` does not hold, plain or compressed."""
    return [name for name in entry.files[split] if not actual_name(folder, name)]


def actual_name(folder: Path, name: str) -> str | None:
    """`name`, or `name.gz` where only that is there, or None."""
    for spelling in (name, name + GZIP):
        if (folder / spelling).is_file():
            return spelling
    return None


def get_command(entry: CatalogEntry, root: Path) -> str:
    """The command that fetches a set to where it was looked for.

    >>> from repr_probe.datasets.catalog import find_entry
    >>> get_command(find_entry("food101"), Path("/data"))
    'repro-probe datasets get food101 --data-root /data'
    """
    command = f"repro-probe datasets get {entry.name}"
    return command if root == data_root() else f"{command} --data-root {root}"


def _candidates(entry: CatalogEntry, root: Path) -> tuple[Path, ...]:
    return root / entry.place, root / entry.name / entry.place, root / entry.name, root


def _missing(entry: CatalogEntry, root: Path, what: str) -> DatasetError:
    size = f"{entry.archive_bytes / 1e6:,.0f} MB"
    return DatasetError(
        f"dataset must be on disk; {what}; run `{get_command(entry, root)}` ({size}), give the folder that holds it with --data-root, "
        f"or name a folder of images by its path (./{entry.name})"
    )
