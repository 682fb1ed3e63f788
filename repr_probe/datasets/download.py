"""Fetching a known data set, on request only. torchvision downloads, checks the md5 and unpacks; here it is made all or nothing."""

from __future__ import annotations

import http.client
import os
import shutil
import tarfile
import urllib.error
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from repr_probe import progress
from repr_probe.datasets.catalog import CatalogEntry
from repr_probe.datasets.presence import present_splits
from repr_probe.errors import DatasetError

_FAILURES = (OSError, RuntimeError, EOFError, tarfile.TarError, zlib.error, http.client.HTTPException)


class OfficialFile(NamedTuple):
    """One file as its authors publish it."""

    url: str
    md5: str


def official_files(entry: CatalogEntry) -> tuple[OfficialFile, ...]:
    """Addresses and md5 sums of the official files, as torchvision records them; none for sets that are not fetched."""
    if entry.torchvision_name is None:
        return ()
    import torchvision.datasets as torchvision_datasets

    kind: Any = getattr(torchvision_datasets, entry.torchvision_name)
    if hasattr(kind, "resources"):
        return tuple(OfficialFile(kind.mirrors[0] + name, md5) for name, md5 in kind.resources)
    if hasattr(kind, "tgz_md5"):
        return (OfficialFile(kind.url, kind.tgz_md5),)
    return (OfficialFile(kind._URL, kind._MD5),)


def fetch(entry: CatalogEntry, root: Path) -> Path:
    """Download a data set into `root` and return its folder; nothing is done when it is there already.

    Everything happens in ROOT/.NAME.partial, which takes its final place in one rename after torchvision has checked the md5 and unpacked:
    a broken download never looks complete, and an archive that had arrived whole is not fetched again. Progress goes to stderr.
    Raises DatasetError in one line for sets that cannot be fetched, without network, for a wrong checksum, and for a full disk.
    """
    final = root / entry.place
    if not entry.torchvision_name:
        raise DatasetError(_why_not(entry))
    if len(present_splits(entry, root)) == len(entry.splits):
        place = present_splits(entry, root)[entry.default_split]
        progress.note(f"{entry.name} is already in {place}")
        return place
    if final.exists():
        raise DatasetError(f"download must not overwrite an incomplete set; got files in {final}; remove that folder and try again")
    partial = root / f".{entry.name}.partial"
    try:
        root.mkdir(parents=True, exist_ok=True)
        _check_space(entry, root)
        partial.mkdir(exist_ok=True)
        progress.note(f"downloading {entry.name}: {entry.archive_bytes / 1e6:,.0f} MB from {official_files(entry)[0].url}")
        _download(entry, partial)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial / entry.place, final)  # noqa: PTH105  (one system call: all or nothing)
    except _FAILURES as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        _clear_unpacked(entry, partial)
        with suppress(OSError):
            partial.rmdir()  # only when nothing has arrived
        raise DatasetError(_failure(entry, root, error)) from error
    shutil.rmtree(partial)
    return final


def _download(entry: CatalogEntry, folder: Path) -> None:
    from torchvision.datasets.utils import download_and_extract_archive

    _clear_unpacked(entry, folder)  # an earlier try may have been killed while unpacking
    files = official_files(entry)
    # One archive brings its folder with it; several files go into the folder they are read from.
    target = folder if len(files) == 1 else folder / entry.place
    for url, md5 in files:
        download_and_extract_archive(url, str(target), md5=md5, remove_finished=len(files) > 1)


def _clear_unpacked(entry: CatalogEntry, partial: Path) -> None:
    shutil.rmtree(partial / Path(entry.place).parts[0], ignore_errors=True)


def _check_space(entry: CatalogEntry, root: Path) -> None:
    needed, free = entry.archive_bytes + entry.unpacked_bytes, shutil.disk_usage(root).free
    if free < needed:
        raise DatasetError(
            f"disk must have {needed / 1e6:,.0f} MB free to download and unpack {entry.name}; got {free / 1e6:,.0f} MB in {root}"
        )


def _why_not(entry: CatalogEntry) -> str:
    if entry.name == "digits":
        return "dataset must be one that can be downloaded; got 'digits', which comes with scikit-learn and is always there"
    return (
        f"dataset must be one that can be downloaded; got {entry.name!r}, which asks for an account; get ILSVRC 2012 from {entry.homepage} "
        "and give the folder that holds train/WNID/*.JPEG and val/WNID/*.JPEG with --data-root"
    )


def _failure(entry: CatalogEntry, root: Path, error: Exception) -> str:
    if isinstance(error, RuntimeError):  # the only one of torchvision's downloader is about the checksum, and does not say so
        reason = "a file whose md5 is not the published one"
    else:
        reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return (
        f"download of {entry.name} must succeed; got {reason}; check the network and the disk and run the command again, "
        f"or put the official files into {root / entry.place} by hand ({entry.homepage})"
    )
