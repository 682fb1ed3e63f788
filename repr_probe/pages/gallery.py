"""Galleries: titled pictures from files or from memory, carried inside the page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from repr_probe.errors import FileFormatError, UsageError
from repr_probe.files.atomic import readable_bytes
from repr_probe.reports.safe_text import printable

KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
SUFFIXES = (".png", ".jpg", ".jpeg")
MOST_BYTES = 6_000_000  # of all pictures of a page: it is to stay small enough to be mailed


@dataclass(frozen=True)
class Picture:
    """caption: what is seen; it is also the text for those who see no pictures.  content: a PNG or JPEG."""

    caption: str
    content: bytes

    @property
    def media_type(self) -> str:
        kind = next((kind for begin, kind in KINDS.items() if self.content.startswith(begin)), "")
        if not kind:
            got = "an empty file" if not self.content else f"a file that begins with {self.content[:8]!r}"
            raise FileFormatError(f"picture must be PNG or JPEG; got {got} for {printable(self.caption)}")
        return kind


@dataclass(frozen=True)
class Gallery:
    """Pictures under one title; note: how they were made, or ""."""

    title: str
    pictures: tuple[Picture, ...]
    note: str = ""


def read_gallery(path: str | Path, *, title: str | None = None) -> Gallery:
    """One picture file, or a folder of them in the order of their names; the captions are the files' names without suffix.

    Raises UsageError where nothing is there and FileFormatError for a file that is no PNG or JPEG.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    elif path.is_file():
        files = [path]
    else:
        raise UsageError(f"gallery must be a picture or a folder of pictures; got {str(path)!r}, which is not there")
    if not files:
        raise UsageError(f"gallery must hold {', '.join(SUFFIXES)} files; got none in {path}")
    pictures = tuple(Picture(file.stem, file.read_bytes()) for file in files)
    for picture in pictures:
        _ = picture.media_type  # refused now, before the features are computed
    return Gallery(title or (path.name if path.is_dir() else path.stem), pictures)


def check_size(galleries: Sequence[Gallery]) -> None:
    """Raise UsageError when the pictures together are too large to travel inside a page."""
    total = sum(len(picture.content) for gallery in galleries for picture in gallery.pictures)
    if total > MOST_BYTES:
        most, got = readable_bytes(MOST_BYTES), readable_bytes(total)
        raise UsageError(f"galleries must hold at most {most} of pictures; got {got}; take fewer or smaller ones")


def gallery_section(galleries: Sequence[Gallery]) -> str:
    """A heading and a grid of figures for each gallery; "" for none."""
    parts = []
    for gallery in galleries:
        note = f'<p class="dim">{escape(printable(gallery.note))}</p>' if gallery.note else ""
        figures = "".join(_figure(picture) for picture in gallery.pictures)
        parts.append(f'<h3>{escape(printable(gallery.title))}</h3>{note}<div class="gallery">{figures}</div>')
    return "\n".join(parts)


def _figure(picture: Picture) -> str:
    caption = escape(printable(picture.caption))
    source = f"data:{picture.media_type};base64,{b64encode(picture.content).decode()}"
    return f'<figure><img alt="{caption}" loading="lazy" src="{source}"><figcaption>{caption}</figcaption></figure>'
