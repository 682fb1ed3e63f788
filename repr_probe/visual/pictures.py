"""The user's pictures: any image files and folders to one normalised batch, and the very same crops to draw on."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from repr_probe.datasets.folders import IMAGE_SUFFIXES
from repr_probe.datasets.image_sources import read_image
from repr_probe.datasets.transform import build_transform
from repr_probe.errors import DatasetError, UsageError
from repr_probe.preprocessing import InputSpec

SMALLEST_SIDE = 2  # pixels; one pixel has no inside to draw a map on
LONGEST_SHAPE = 100  # times the shorter side; longer strips fill the memory when the shorter side is resized, and the crop shows nothing
_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_MODES = ("RGB", "L", "1", "P", "RGBA", "RGBX", "LA", "PA", "RGBa", "La", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L", "I;16N")
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures as a network sees them; made by `read_pictures`.

    names: file names; the whole path where two files are named alike.  images: (n, channels, height, width) float32, resized, cropped and
    normalised as the encoder wants them.  shown: (n, height, width, 3) uint8, the same crops for people, grey ones three times.
    notes: what was done to files that are no plain 8-bit pictures, a line a file.
    """

    names: tuple[str, ...]
    images: torch.Tensor
    shown: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def read_pictures(paths: str | Path | Sequence[str | Path], input: InputSpec) -> Pictures:
    """Image files, and the images below folders in the order of their names, as the encoder with this input sees them.

    EXIF rotation is applied: a picture looks here as it does in a viewer (data sets leave it out, as the usual evaluation loaders do).
    CMYK is converted without its profile, of 16 bits the upper 8 are kept, transparency is dropped, of several frames the first is taken;
    `notes` says each. Raises DatasetError naming the file for one that is not there, damaged, of another kind, thinner than 2 pixels or
    longer than 100 times its width, and for a folder without images.
    """
    files = picture_files(paths)
    transform = build_transform(input)
    images, notes = [], []
    for path in files:
        picture, said = upright_picture(path)
        images.append(transform(picture))
        notes += [f"{path.name}: {', '.join(said)}"] if said else []
    batch = torch.stack(images)
    return Pictures(names=_names(files), images=batch, shown=shown_pixels(batch, input), notes=tuple(notes))


def picture_files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files named, folders replaced by the images below them sorted by path; hidden files and folders are left out."""
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    if not named:
        raise UsageError("images must be one file or folder at least; got none")
    files: list[Path] = []
    for path in map(Path, named):
        if not path.exists():
            raise DatasetError(f"image must be a file or a folder of images; got {path}, which is not there")
        files += _images_below(path) if path.is_dir() else [path]
    return files


def upright_picture(path: Path) -> tuple[Image.Image, list[str]]:
    """(the picture, turned as its EXIF tag says; what was done to it), in an 8-bit mode or one that converts to it."""
    picture = read_image(path)
    try:
        with Image.open(path) as header:
            mode, orientation = header.mode, header.getexif().get(_ORIENTATION, 1)
            turned = header.format == "TIFF"  # by Pillow, when it decodes the pixels
            n_frames = 1 if header.format == "MPO" else getattr(header, "n_frames", 1)  # a phone's JPEG with its preview behind it
    except _DAMAGE as failure:
        raise DatasetError(f"image must be readable; got {path}: {' '.join(str(failure).split())}; replace or remove the file") from failure
    if mode not in _MODES:
        raise DatasetError(f"image must be grey, RGB, palette or CMYK; got {path} in mode {mode}; convert it to RGB")
    shorter, longer = sorted(picture.size)
    if shorter < SMALLEST_SIDE:
        raise DatasetError(f"image must have sides of {SMALLEST_SIDE} pixels or more; got {path} of {picture.width} x {picture.height}")
    if longer > LONGEST_SHAPE * shorter:
        raise DatasetError(f"image must be no strip over {LONGEST_SHAPE} : 1; got {path} of {picture.width} x {picture.height}; crop it")
    said = _departures(picture, mode, n_frames)
    if orientation in _UPRIGHT:
        picture = picture if turned else picture.transpose(_UPRIGHT[orientation])
        said.append("turned as its EXIF tag says")
    return picture, said


def shown_pixels(images: torch.Tensor, input: InputSpec) -> np.ndarray:
    """(n, channels, height, width) normalised -> (n, height, width, 3) uint8: the pixels the network was given, RGB, exactly."""
    mean, std = (torch.tensor(values, dtype=torch.float32).view(-1, 1, 1) for values in (input.mean, input.std))
    values = images.detach().to("cpu", torch.float32) * std + mean
    if input.order == "bgr":
        values = values.flip(1)
    pixels = (values * 255).round_().clamp_(0, 255).to(torch.uint8)
    return np.ascontiguousarray(pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())


def _images_below(folder: Path) -> list[Path]:
    inside = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    files = sorted(path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    if not files:
        raise DatasetError(f"folder must hold images ({' '.join(sorted(IMAGE_SUFFIXES))}); got none in {folder}")
    return files


def _departures(picture: Image.Image, mode: str, n_frames: int) -> list[str]:
    said = []
    if mode == "CMYK":
        said.append("CMYK converted to RGB without its colour profile")
    if mode.startswith("I;16"):
        said.append("of 16 bits the upper 8 kept")
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        said.append("transparency dropped")
    if n_frames > 1:
        said.append(f"the first of {n_frames} frames taken")
    return said


def _names(files: Sequence[Path]) -> tuple[str, ...]:
    short = [path.name for path in files]
    return tuple(path.as_posix() if short.count(path.name) > 1 else path.name for path in files)
