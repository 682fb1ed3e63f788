"""Where everything the package keeps lives: one home folder with `features/`, `text/` and `data/`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_chosen: ContextVar[Path | None] = ContextVar("repr_probe_home", default=None)


def home(store: str | Path | None = None) -> Path:
    """The home folder: `store` if given, else the one of `using_home`, else REPR_PROBE_HOME, else the platform's cache folder.

    The folder need not exist: whoever writes into it creates it.

    >>> home("/tmp/elsewhere").as_posix()
    '/tmp/elsewhere'
    """
    if store is not None:
        return _absolute(store)
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    from_environment = os.environ.get("REPR_PROBE_HOME")
    if from_environment:
        return _absolute(from_environment)
    import platformdirs

    return Path(platformdirs.user_cache_dir("repr_probe"))


@contextmanager
def using_home(store: str | Path | None) -> Iterator[Path]:
    """Inside the block `home()` answers `store`, also in code that was not handed the choice; None changes nothing."""
    place = home(store)
    token = _chosen.set(place)
    try:
        yield place
    finally:
        _chosen.reset(token)


def data_root(explicit: str | Path | None = None) -> Path:
    """Where data sets are looked for: `explicit` (--data-root), else REPR_PROBE_DATA, else `data` in the home."""
    if explicit is not None:
        return _absolute(explicit)
    from_environment = os.environ.get("REPR_PROBE_DATA")
    return _absolute(from_environment) if from_environment else home() / "data"


def features_folder(store: str | Path | None = None) -> Path:
    """The folder of feature stores, one subfolder a key."""
    return home(store) / "features"


def text_folder(store: str | Path | None = None) -> Path:
    """The folder of text tables and embeddings."""
    return home(store) / "text"


def _absolute(path: str | Path) -> Path:
    # Not resolved: a symbolic link the user set up on purpose stays visible in messages.
    return Path(path).expanduser().absolute()
