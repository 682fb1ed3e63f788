"""JSON beside or inside a checkpoint: read with a limit on its size, and with one line when it is not readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable

BYTES_LIMIT = 16 << 20
# Configurations that are read beside weights.
CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json", "open_clip_config.json", "args.json")


def read_json(path: str | Path) -> Any:
    """The content of the JSON file at `path`; FileFormatError (E_JSON) when it is larger than 16 MiB or not JSON."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(BYTES_LIMIT + 1)
    except OSError as failure:
        raise FileFormatError(f"{printable(path, limit=300)} must be readable JSON; got {failure.strerror!r}", code="E_JSON") from None
    return parse_json(text, str(path))


def parse_json(text: bytes, where: str) -> Any:
    """`text` as JSON; `where` names it in errors.

    >>> parse_json(b'{"heads": 6}', "config.json")
    {'heads': 6}
    """
    if len(text) > BYTES_LIMIT:
        raise FileFormatError(f"{printable(where, limit=300)} must be below {BYTES_LIMIT >> 20} MiB; got more", code="E_JSON")
    try:
        return json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as failure:
        reason = printable(failure) if isinstance(failure, ValueError) else "lists nested too deep"
        raise FileFormatError(f"{printable(where, limit=300)} must be readable JSON; got {reason}", code="E_JSON") from None
