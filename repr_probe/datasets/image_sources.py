"""Where images come from: single files, or arrays that hold many. Light to pickle, so that data-loading workers start fast."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from repr_probe.errors import DatasetError

# What Pillow's plugins are known to raise on damaged or hostile files, beside its own UnidentifiedImageError (an OSError).
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error, OverflowError)


class ImageSource(Protocol):
    """Images by number."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> Image.Image: ...


@dataclass(frozen=True)
class FileSource:
    """One file per image; `paths` are relative to `folder`."""

    folder: str
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Image.Image:
        return read_image(f"{self.folder}/{self.paths[index]}")


class PackedSource:
    """Many images in one array. `load` (a picklable callable) gives it: (n, height, width) or (n, height, width, 3), uint8.

    The array is loaded on first use in each process and never pickled: a worker receives only `load`.  pixels: the array, where the
    caller has it already.
    """

    def __init__(self, load: Callable[[], np.ndarray], count: int, pixels: np.ndarray | None = None) -> None:
        self._load = load
        self._count = count
        self._pixels = pixels

    def __len__(self) -> int:
        return self._count

    def image(self, index: int) -> Image.Image:
        if self._pixels is None:
            self._pixels = self._load()
        return Image.fromarray(np.ascontiguousarray(self._pixels[index]))

    def __getstate__(self) -> dict[str, Any]:
        return {"_load": self._load, "_count": self._count, "_pixels": None}


@dataclass(frozen=True, eq=False)
class ChosenSource:
    """Some rows of another source, in the order given."""

    source: ImageSource
    rows: np.ndarray  # (n_chosen,) int64

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, index: int) -> Image.Image:
        return self.source.image(int(self.rows[index]))


def read_image(path: str | Path) -> Image.Image:
    """Decode one image file completely. EXIF rotation is not applied: the usual evaluation loaders ignore it too.

    Raises DatasetError naming the file when it is cut, damaged or no image; never returns a partly decoded one.
    16-bit grey images are scaled to 8 bits (Pillow's own conversion would clip every value above 255 to white).
    """
    try:
        with Image.open(path) as image:
            image.load()
    except FileNotFoundError as error:
        raise DatasetError(f"dataset must keep its files while it is read; got no {path}") from error
    except Image.DecompressionBombError as error:
        raise DatasetError(f"image must have a sane size; got {path}: {_one_line(error)}") from error
    except _UNREADABLE as error:
        raise DatasetError(f"image must be readable; got {path}: {_one_line(error)}; replace or remove the file") from error
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DatasetError(f"image must have 8 or 16 bits per channel; got {path} in mode {image.mode} (32 bits)")
    return image


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
