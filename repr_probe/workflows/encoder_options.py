"""The options of every workflow that opens a checkpoint: those of `load_encoder`, defined and checked once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class EncoderOptions(TypedDict, total=False):
    """See `load_encoder` for each; `device` is an option of the workflow."""

    arch: str | None
    key: str | None
    prefix: str | None
    role: str | None
    heads: int | None
    stem: str | None
    map: Sequence[str] | Mapping[str, str] | None
    allow_missing: Sequence[str] | str | None
    image_size: int | tuple[int, int] | None
    mean: Sequence[float] | float | None
    std: Sequence[float] | float | None
    interp: str | None
    crop_pct: float | None
    channels: str | None
    pool: str | None
    pretrained: bool
    allow_code: bool
    output: str | None


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given; TypeError for a name that is none of them, as Python does for any function."""
    known = EncoderOptions.__annotations__
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2)
            told = f"nearest: {', '.join(near)}" if near else f"there are: {', '.join(known)}"
            raise TypeError(f"unexpected keyword argument {name!r}; {told}")
    return {name: value for name, value in options.items() if value is not None and value is not False}
