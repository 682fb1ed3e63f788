"""docs/checkpoints.md against the package: every program of the table, every error code, every rule's parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repr_probe.encoders.source_table import ROLE_RULES, SOURCES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [source.name for source in SOURCES])
def test_every_program_has_a_row(name):
    assert re.search(rf"^\| {re.escape(name)} \|", PAGE, re.MULTILINE)


def test_every_code_is_explained():
    sources = [path.read_text(encoding="utf-8") for folder in ("repr_probe", "cli") for path in (ROOT / folder).rglob("*.py")]
    used = {code for text in sources for code in re.findall(r"\"(E_[A-Z0-9_]+)\"", text)}
    pages = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("checkpoints.md", "semantic.md")]
    table = "".join(page[page.index("## Error codes") :] for page in pages)
    assert sorted(code for code in used if f"`{code}`" not in table) == []


def test_every_kept_part_of_a_rule_is_on_the_page():
    kept = {rule.kept for rule in ROLE_RULES if not re.search(r"ema|avera|swa|teacher_|_teacher|online_", rule.kept)}
    assert sorted(part for part in kept if f"`{part}`" not in PAGE) == []
