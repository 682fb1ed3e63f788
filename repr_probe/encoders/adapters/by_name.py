"""Things in somebody's module, by name: importing runs code, so only `--allow-code` leads here."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed, printable


def find_by_name(text: str) -> Any:
    """What `package.module:name` is; the module is imported. Raises CheckpointError (E_CODE) when there is no such thing."""
    module_name, _, path = text.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as failure:  # foreign code can fail in any way
        got = printable(" ".join(f"{type(failure).__name__}: {failure}".split()), limit=200)
        raise CheckpointError(f"{text} must name a module that can be imported; got {got}", code="E_CODE") from failure
    for part in path.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            near = difflib.get_close_matches(part, names, n=3, cutoff=0.4) or names
            raise CheckpointError(f"{text} must exist; there is no {part!r} in it; there are: {listed(near)}", code="E_CODE")
        found = getattr(found, part)
    return found


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Inside, modules of the current folder can be imported, after all installed ones."""
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
