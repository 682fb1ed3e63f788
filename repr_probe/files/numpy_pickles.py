"""numpy arrays and scalars out of what a pickle says about them: sizes are compared first, and Python objects never come out of one."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from repr_probe.files.dead import Dead

DTYPE = "numpy.dtype"
CODE = re.compile(r"[<>=|]?([biufc][1-9]\d?|b1|\?|[SUV]\d{1,9})")
DIMENSIONS_LIMIT = 32


def dtype_of(described: Any) -> np.dtype[Any] | None:
    """The type a pickled numpy.dtype describes, if it is one of plain numbers or texts; None for objects, records and dates."""
    if not isinstance(described, Dead) or described.kind != DTYPE or not described.args:
        return None
    code = described.args[0]
    if not isinstance(code, str) or not CODE.fullmatch(code):
        return None
    state = described.state
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
    try:
        return np.dtype(code).newbyteorder(">" if order == ">" else "=")
    except TypeError:
        return None


def array_from(state: Any) -> np.ndarray | None:
    """The array of the state (version, shape, dtype, is_fortran, bytes); None where it does not fit together or holds objects."""
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        return None
    shape, described, fortran, raw = state[-4:]
    return array_from_buffer(raw, described, shape, "F" if fortran is True or fortran == 1 else "C")


def array_from_buffer(raw: Any, described: Any, shape: Any, order: Any) -> np.ndarray | None:
    dtype, raw = dtype_of(described), as_bytes(raw)
    whole = isinstance(shape, tuple) and all(type(size) is int and 0 <= size < 1 << 48 for size in shape) and len(shape) <= DIMENSIONS_LIMIT
    if dtype is None or raw is None or not whole or dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize != len(raw):
        return None
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C").copy("K")


def scalar_from(described: Any, raw: Any) -> Any:
    """A numpy scalar; None as above."""
    array = array_from_buffer(raw, described, (1,), "C")
    return None if array is None else array[0]


def as_bytes(raw: Any) -> bytes | None:
    """Bytes, also where Python 2 wrote them as text."""
    if isinstance(raw, str):
        try:
            return raw.encode("latin-1")
        except UnicodeEncodeError:
            return None
    return bytes(raw) if isinstance(raw, bytes | bytearray) else None
