"""Versions of the libraries that made a result."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version


def library_versions() -> dict[str, str]:
    """repr-probe, Python, numpy and scipy, and torch if it is loaded; without importing anything."""
    found = {"python": platform.python_version()}
    for distribution in ("repr-probe", "numpy", "scipy", "torch"):
        if distribution == "torch" and "torch" not in sys.modules:
            continue
        try:
            found[distribution] = version(distribution)
        except PackageNotFoundError:
            found[distribution] = "unknown"
    return found
