"""What a file is, told from its content. Extensions are never looked at: `.pth.tar` is no tar."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import listed, printable

HEAD_BYTES = 4096
# torch.save before 1.6 starts with this number as a pickled long, whatever the protocol (the byte before it).
LEGACY_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"


def sniff(path: str | Path) -> str:
    """Name the format of the file (or store) at `path`.

    Returns "torch-zip", "torch-legacy", "safetensors", "npy", "npz", "hdf5", "parquet", "csv", "json" or "store" (a folder with meta.json).
    Raises FileFormatError, saying what is there instead, for everything else: nothing, a folder, a pipe or device (never opened, so it
    cannot hang), an empty or zeroed file, a web page, a git-lfs pointer, an archive, a bare pickle, plain text, unknown bytes.
    """
    path = Path(path)
    size = _size_of(path)
    if size is None:
        return "store"
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as failure:
        raise FileFormatError(f"{path} must be readable; got {failure.strerror!r}") from failure
    _refuse_known_strangers(path, head)
    for kind, fits in (
        ("npy", head.startswith(b"\x93NUMPY")),
        ("hdf5", head.startswith(b"\x89HDF\r\n\x1a\n")),
        ("parquet", head.startswith(b"PAR1")),
        ("torch-legacy", head[:1] == b"\x80" and head[2:14] == LEGACY_MAGIC),
    ):
        if fits:
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(path)
    if head[8:9] == b"{":
        return _checked_safetensors(path, head, size)
    return _kind_of_text(path, head)


def _size_of(path: Path) -> int | None:
    """Size in bytes; None for a store; an error for whatever is neither a regular file nor a store."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileFormatError(f"{path} must be an existing file; got nothing at this path") from None
    except (OSError, ValueError) as failure:
        raise FileFormatError(f"{printable(path)} must be an existing file; got {printable(failure)!r}") from None
    if stat.S_ISDIR(status.st_mode):
        if (path / "meta.json").is_file():
            return None
        names = sorted(os.listdir(path))  # noqa: PTH208 - names only, no Path objects for a folder of a million files
        raise FileFormatError(f"{path} must be a file or a feature store; got a folder without meta.json ({listed(names) or 'empty'})")
    if not stat.S_ISREG(status.st_mode):
        raise FileFormatError(f"{path} must be a regular file; got a pipe, socket or device")
    if status.st_size == 0:
        raise FileFormatError(f"{path} must hold data; got an empty file; copy or download it again")
    return status.st_size


def _refuse_known_strangers(path: Path, head: bytes) -> None:
    """Raise for content that is often mistaken for a checkpoint, with the remedy."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:256].lower()
    if not head.strip(b"\0") and _all_zero(path):
        raise FileFormatError(f"{path} must hold data; got nothing but zero bytes; copy or download it again")
    if start.startswith((b"<!doctype html", b"<html")):
        raise FileFormatError(f"{path} must be a data file; got an HTML page; the download failed, fetch the file itself")
    if head.startswith(b"version https://git-lfs"):
        raise FileFormatError(f"{path} must be a data file; got a git-lfs pointer; run: git lfs pull")
    if head.startswith(b"\x1f\x8b"):
        raise FileFormatError(f"{path} must not be compressed; got a gzip file; unpack it first (gunzip)")
    if head[257:262] == b"ustar":
        raise FileFormatError(f"{path} must be a single data file; got a tar archive; unpack it first (tar -xf)")
    legacy = head[2:14] == LEGACY_MAGIC
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and not legacy and head[8:9] != b"{":
        raise FileFormatError(f"{path} must be written by torch.save; got a bare pickle, which could run code; nothing was run")


def _all_zero(path: Path) -> bool:
    with path.open("rb") as file:
        return not any(chunk.strip(b"\0") for chunk in iter(lambda: file.read(1 << 20), b""))


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        raise FileFormatError(f"{path} must be complete; got a file cut short (its zip directory is missing); copy it again") from None
    leaves = {name.split("/", 1)[-1] for name in names}
    if any(leaf.startswith("code/") for leaf in leaves):
        raise FileFormatError(f"{path} must hold tensors by name; got a TorchScript archive, which is code; save its state_dict()")
    if "data.pkl" in leaves:
        return "torch-zip"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    if any(leaf.startswith("data/weights/") for leaf in leaves):
        raise FileFormatError(f"{path} must hold tensors by name; got a torch.export archive; save the model's state_dict() instead")
    raise FileFormatError(f"{path} must be a checkpoint or arrays; got a zip archive of something else ({listed(names) or 'empty'})")


def _checked_safetensors(path: Path, head: bytes, size: int) -> str:
    declared = int.from_bytes(head[:8], "little")
    if declared + 8 > size:
        raise FileFormatError(
            f"{path} must be a complete safetensors file; its header claims {declared} bytes but the file has {size}; copy it again"
        )
    return "safetensors"


def _kind_of_text(path: Path, head: bytes) -> str:
    text = _as_text(head)
    if text is None:
        raise FileFormatError(f"{path} must be of a known format; got unknown content that starts with the bytes {head[:8].hex(' ')}")
    if text.lstrip()[:1] in ("{", "["):
        return "json"
    if _looks_like_table(text):
        return "csv"
    start = json.dumps(printable(text.strip(), limit=40))
    raise FileFormatError(f"{path} must be a checkpoint or arrays; got plain text that starts with {start}")


def _as_text(head: bytes) -> str | None:
    """The head as text, or None where it is not text; the last character may have been cut by the read."""
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        return text if all(character.isprintable() or character in "\t\r\n" for character in text) else None
    return None


def separator_of(line: str) -> str:
    """The one of comma, semicolon and tab that occurs most often in the first line of a table."""
    return max(",;\t", key=line.count)


def _looks_like_table(text: str) -> bool:
    """Two or more columns and at least one number in the second line (in the first when it is alone)."""
    lines = [line for line in text.splitlines() if line.strip()][:2]
    if not lines or (separator := separator_of(lines[0])) not in lines[0]:
        return False
    return any(_is_number(cell) for cell in lines[-1].split(separator))


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().strip('"'))
    except ValueError:
        return False
    return True
