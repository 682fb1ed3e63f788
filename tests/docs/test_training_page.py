"""docs/training.md against the package: every setting with its default, every assumption, every preset and method."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from repr_probe.training.config import ASSUMPTIONS, FREE_ON_RESUME, TrainConfig, _toml
from repr_probe.training.objectives.build import METHODS
from repr_probe.training.preset_files import preset_names

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
SETTINGS = PAGE[PAGE.index("## Settings") : PAGE.index("### Where the paper is silent")]


def written_default(name: str) -> str:
    """The default on the row of `name`, which it may share with another setting."""
    row = re.search(rf"^\|([^|]*`{name}`[^|]*)\|([^|]*)\|", SETTINGS, re.MULTILINE)
    assert row is not None, name
    names = re.findall(r"`(\w+)`", row[1])
    values = re.split(r", (?![^\[]*\])", row[2].strip())
    return values[names.index(name)]


@pytest.mark.parametrize("field", fields(TrainConfig), ids=lambda field: field.name)
def test_every_setting_is_on_the_page_with_its_default(field):
    if field.name in ("dataset", "options"):
        assert f"`{field.name}`" in SETTINGS or "[options]" in SETTINGS
        return
    assert written_default(field.name) == ("none" if field.default is None else _toml(field.default))


def test_every_assumption_is_on_the_page():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|$", PAGE[PAGE.index("### Where the paper is silent") :], re.MULTILINE))
    assert rows == ASSUMPTIONS


def test_methods_and_presets_and_what_may_change_are_on_the_page():
    assert all(f"`{name}`" in PAGE for name in (*METHODS, *preset_names(), *FREE_ON_RESUME))
