"""What a file is, told from its content. Extensions are never looked at: `.pth.tar` is no tar."""

from __future__ import annotations

import json
import re
import stat
import zipfile
from pathlib import Path

from repr_probe.errors import FileFormatError
from repr_probe.files.folder_kinds import kind_of_folder
from repr_probe.files.printable import listed, printable

HEAD_BYTES = 4096
ZEROS_LOOKED_AT = 64 << 20  # no format begins with as many
# torch.save before 1.6 starts with this number as a pickled long, whatever the protocol (the byte before it).
LEGACY_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
# The second field of an ONNX model behind its version: any field it has, as a protobuf tag.
ONNX_TAGS = b"\x12\x1a\x22\x28\x32\x3a\x42\x72"
TORCH_TAR = {b"sys_info", b"pickle", b"tensors", b"storages"}  # the members of what torch 0.1 wrote
NAME = re.compile(rb"[A-Za-z_][\w./\- ]*")


def sniff(path: str | Path) -> str:
    """Name the format of the file or folder at `path`.

    Files: "torch-zip", "torch-legacy", "torchscript", "torch-export", "safetensors", "onnx", "flax-msgpack", "keras", "npy", "npz", "hdf5",
    "parquet", "csv", "json".  Folders: "store" (a feature store, by its meta.json) and the kinds of `kind_of_folder`.
    Raises FileFormatError with a code, saying what is there instead, for everything else: nothing, a pipe or device (never opened, so it
    cannot hang), an empty or zeroed file, a web page, a git-lfs pointer, an archive, a bare pickle, plain text, unknown bytes or folders.
    """
    path = Path(path)
    size = _size_of(path)
    if size is None:
        return kind_of_folder(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as failure:
        raise FileFormatError(f"{printable(path, limit=500)} must be readable; got {failure.strerror!r}", code="E_UNREADABLE") from failure
    _refuse_known_strangers(path, head)
    for kind, fits in (
        ("npy", head.startswith(b"\x93NUMPY")),
        ("hdf5", head.startswith(b"\x89HDF\r\n\x1a\n")),
        ("parquet", head.startswith(b"PAR1")),
        ("torch-legacy", _is_legacy(head)),
    ):
        if fits:
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(path)
    if head[8:9] == b"{":
        return _checked_safetensors(path, head, size)
    if _is_onnx(head, size):
        return "onnx"
    if _is_flax(head):
        return "flax-msgpack"
    return _kind_of_text(path, head)


def _size_of(path: Path) -> int | None:
    """Size in bytes; None for a folder; an error for whatever else is no regular file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        text = f"{printable(path, limit=500)} must be an existing file; got nothing at this path"
        raise FileFormatError(text, code="E_NOT_FOUND") from None
    except (OSError, ValueError) as failure:
        text = f"{printable(path)} must be an existing file; got {printable(failure)!r}"
        raise FileFormatError(text, code="E_NOT_FOUND") from None
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise FileFormatError(f"{path} must be a regular file; got a pipe, socket or device", code="E_NOT_REGULAR")
    if status.st_size == 0:
        raise FileFormatError(f"{path} must hold data; got an empty file; copy or download it again", code="E_EMPTY")
    return status.st_size


def _refuse_known_strangers(path: Path, head: bytes) -> None:
    """Raise for content that is often mistaken for a checkpoint, with the remedy."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:256].lower()
    if not head.strip(b"\0") and _all_zero(path):
        raise FileFormatError(f"{path} must hold data; got nothing but zero bytes; copy or download it again", code="E_ZEROS")
    if start.startswith((b"<!doctype html", b"<html")):
        raise FileFormatError(f"{path} must be a data file; got an HTML page; the download failed, fetch the file itself", code="E_HTML")
    if head.startswith(b"version https://git-lfs"):
        raise FileFormatError(f"{path} must be a data file; got a git-lfs pointer; run: git lfs pull", code="E_LFS")
    if head.startswith(b"\x1f\x8b"):
        raise FileFormatError(f"{path} must not be compressed; got a gzip file; unpack it first (gunzip)", code="E_GZIP")
    if head[257:262] == b"ustar" or _tar_members(path, head) & TORCH_TAR:
        _refuse_tar(path, head)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and not _is_legacy(head) and head[8:9] != b"{":
        text = f"{path} must be written by torch.save; got a bare pickle, which could run code; nothing was run"
        raise FileFormatError(text, code="E_BARE_PICKLE")


def _is_legacy(head: bytes) -> bool:
    """The magic number behind a protocol, and behind the length of a frame from protocol 4 on."""
    return head[:1] == b"\x80" and head[11 if head[2:3] == b"\x95" else 2 :].startswith(LEGACY_MAGIC)


def _refuse_tar(path: Path, head: bytes) -> None:
    if _tar_members(path, head) & TORCH_TAR:
        text = f"{path} must be written by torch 0.2 or later; got the tar archive of torch 0.1, which cannot be read safely; nothing was run"
        raise FileFormatError(text, code="E_TORCH_TAR")
    raise FileFormatError(f"{path} must be a single data file; got a tar archive; unpack it first (tar -xf)", code="E_TAR")


def _tar_members(path: Path, head: bytes) -> set[bytes]:
    """Names of the first members of a tar archive, from their headers alone; nothing where the first is no header."""
    found: set[bytes] = set()
    at = 0
    with path.open("rb") as file:
        for _ in range(16):
            file.seek(at)
            header = head[:512] if at == 0 else file.read(512)
            stated = header[148:156].strip(b" \0")
            total = sum(header[:148]) + 8 * 32 + sum(header[156:])
            if len(header) < 512 or not re.fullmatch(rb"[0-7]{1,8}", stated) or int(stated, 8) != total:
                break
            found.add(header[:100].rstrip(b"\0").removeprefix(b"./"))
            length = header[124:136].strip(b" \0")
            if not re.fullmatch(rb"[0-7]{1,12}", length):
                break
            at += 512 + -(-int(length, 8) // 512) * 512
    return found


def _all_zero(path: Path) -> bool:
    with path.open("rb") as file:
        return not any(chunk.strip(b"\0") for chunk in (file.read(1 << 20) for _ in range(ZEROS_LOOKED_AT >> 20)))


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        text = f"{path} must be complete; got a file cut short (its zip directory is missing); copy it again"
        raise FileFormatError(text, code="E_TRUNCATED") from None
    leaves = {name.split("/", 1)[-1] for name in names} | set(names)
    for kind, fits in (
        ("torchscript", "data.pkl" in leaves and ("constants.pkl" in leaves or any(leaf.startswith("code/") for leaf in leaves))),
        ("torch-zip", "data.pkl" in leaves),
        ("torch-export", any(leaf.startswith(("data/weights/", "serialized_exported_program")) for leaf in leaves)),
        ("torch-export", "archive_format" in leaves and any(leaf.startswith("models/") for leaf in leaves)),
        ("keras", "config.json" in names and ("model.weights.h5" in names or "metadata.json" in names)),
        ("npz", bool(names) and all(name.endswith(".npy") for name in names)),
    ):
        if fits:
            return kind
    if any(leaf.startswith("code/") for leaf in leaves):
        text = f"{path} must hold its tensors in data.pkl; got a TorchScript archive without it, which only running it would read"
        raise FileFormatError(f"{text}; save its state_dict()", code="E_NEEDS_CODE")
    text = f"{path} must be a checkpoint or arrays; got a zip archive of something else ({listed(names) or 'empty'})"
    raise FileFormatError(text, code="E_UNKNOWN")


def _checked_safetensors(path: Path, head: bytes, size: int) -> str:
    declared = int.from_bytes(head[:8], "little")
    if declared + 8 > size:
        text = f"{path} must be a complete safetensors file; its header claims {declared} bytes but the file has {size}; copy it again"
        raise FileFormatError(text, code="E_TRUNCATED")
    return "safetensors"


def _is_onnx(head: bytes, size: int) -> bool:
    """A protobuf whose first field is a small version number and whose second is one that a model has, of a possible length."""
    if len(head) < 4 or head[0] != 0x08 or not 1 <= head[1] <= 32 or head[2] not in ONNX_TAGS:
        return False
    length, shift = 0, 0
    for byte in head[3:13]:
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    return head[2] == 0x28 or 0 < length < size


def _is_flax(head: bytes) -> bool:
    """A msgpack map whose first key is a name."""
    skip = 1 if 0x81 <= head[0] <= 0x8F else {0xDE: 3, 0xDF: 5}.get(head[0], 0)
    lead = head[skip] if skip and len(head) > skip + 2 else 0
    if 0xA1 <= lead <= 0xBF:
        start, length = skip + 1, lead & 31
    elif lead == 0xD9:
        start, length = skip + 2, head[skip + 1]
    else:
        return False
    return NAME.fullmatch(head[start : start + length]) is not None and len(head) > start + length


def _kind_of_text(path: Path, head: bytes) -> str:
    text = _as_text(head)
    if text is None:
        got = f"got unknown content that starts with the bytes {head[:8].hex(' ')}"
        raise FileFormatError(f"{path} must be of a known format; {got}", code="E_UNKNOWN")
    if text.lstrip()[:1] in ("{", "["):
        return "json"
    if _looks_like_table(text):
        return "csv"
    start = json.dumps(printable(text.strip(), limit=40))
    raise FileFormatError(f"{path} must be a checkpoint or arrays; got plain text that starts with {start}", code="E_TEXT")


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
