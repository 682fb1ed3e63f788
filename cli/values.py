"""Option texts into values: --image-size, --mean, --std, --pairs."""

from __future__ import annotations

import math
import re

from repr_probe.errors import UsageError

FEWEST_PAIRS = 1000  # as `geometry_report` has it; said here before hours of extraction, not after


def parse_image_size(text: str | None) -> int | tuple[int, int] | None:
    """ "224" -> 224, "224x192" -> (224, 192): height, width.

    >>> parse_image_size("224"), parse_image_size("224x192")
    (224, (224, 192))
    """
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d{1,6})\s*(?:[x×,]\s*(\d{1,6})\s*)?", text)
    sides = [int(side) for side in found.groups() if side is not None] if found else []
    if not sides or min(sides) < 1:
        raise UsageError(f"--image-size must be one positive number or two, 224 or 224x192; got {text!r}")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def parse_channels(text: str | None, *, option: str) -> tuple[float, ...] | None:
    """One number or three, with commas or blanks between them.

    >>> parse_channels("0.485, 0.456,0.406", option="--mean")
    (0.485, 0.456, 0.406)
    """
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in re.split(r"[,\s]+", text.strip()))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(math.isfinite(number) for number in numbers):
        raise UsageError(f"{option} must be one number or three, 0.5 or 0.485,0.456,0.406; got {text!r}")
    if option == "--std" and min(numbers) <= 0:
        raise UsageError(f"{option} must be positive; got {text!r}")
    return numbers


def parse_pairs(text: str) -> str | int:
    """ "exact" stays, "sample:M" becomes the number M.

    >>> parse_pairs("exact"), parse_pairs("sample:1000000")
    ('exact', 1000000)
    """
    if text == "exact":
        return text
    found = re.fullmatch(r"sample:(\d{1,15})", text)
    if not found or int(found[1]) < FEWEST_PAIRS:
        raise UsageError(f"--pairs must be exact or sample:M with M pairs, {FEWEST_PAIRS} or more; got {text!r}")
    return int(found[1])
