"""Presets: configurations that come with the package, one TOML file each in training/presets/."""

from __future__ import annotations

from pathlib import Path

from repr_probe.datasets.names import nearest
from repr_probe.errors import UsageError
from repr_probe.files.printable import printable

FOLDER = Path(__file__).parent / "presets"


def preset_names() -> tuple[str, ...]:
    """
    >>> preset_names()
    ('hydes-cifar10', 'hydes-digits')
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def preset_file(name: str) -> Path:
    """The file of a preset; UsageError with the nearest names for an unknown one."""
    if name not in preset_names():
        raise UsageError(f"preset must be one of {', '.join(preset_names())}; got {printable(name)!r}; nearest: {nearest(name, preset_names())}")
    return FOLDER / f"{name}.toml"
