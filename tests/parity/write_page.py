"""Writes docs/two_tools.md from the golden files and the table of readings: python tests/parity/write_page.py"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conventions import ours
from inputs import inputs
from peers import NOT_RUN
from readings import PARTS, Part

PAGE = Path(__file__).parents[2] / "docs" / "two_tools.md"
HEAD = """# Why two tools differ

The same features, given to {n_tools} tools. Under one name they say different things, nearly always because the name stands for different
quantities. Each table gives what the tool said, what it computes, and the line with which this package gives the same number: {n_values}
numbers, equal to one millionth of their size, which a test holds. The row of `{own}` is what this package itself prints under the name.

The features, made by a fixed seed so that anyone can make them again: `x`, {x}, with a falling spectrum, a common offset and unequal norms;
`y`, its labels, eight classes of {least} to {most} rows, and `even`, `even_y`, 18 rows of each; `other`, {other}, a mixture of `x` and noise;
`views`, {views}, six views each of 60 objects; `cloud`, {cloud}, points of a curved surface of three dimensions; `bank` and `queries`, 220 and
100 rows of `x`; `w` and `b`, a linear classifier. `report` is `geometry_report(x, y, preset="full")`, its values. Functions that are not in the
package (`log_slope`, `drawn`, `by_rows` and the like) write out a convention of another tool; they are in `tests/parity/conventions.py`.

Which definition is ours, and which paper it is from, is on the page of [definitions](definitions.md); what other tools are better at,
[elsewhere](other_tools.md).
"""
OWN = "repr_probe"


def golden() -> dict[str, dict[str, Any]]:
    """Package -> what make_golden.py wrote, in the order of their names."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in Path(__file__).with_name("golden").glob("*.json")]
    return {one["package"]: one for one in sorted(found, key=lambda one: one["package"].lower())}


def page() -> str:
    files, arrays = golden(), inputs()
    sizes = [int((arrays.y == one).sum()) for one in set(arrays.y.tolist())]
    shapes = {name: " x ".join(map(str, getattr(arrays, name).shape)) for name in ("x", "other", "views", "cloud")}
    head = HEAD.format(n_tools=len(files), n_values=sum(len(one["values"]) for one in files.values()), own=OWN,
                       least=min(sizes), most=max(sizes), **shapes)  # fmt: skip
    return "\n".join([head, *(line for part in PARTS for line in _part(part, files)), *_run(files)]) + "\n"


def _part(part: Part, files: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield from (f"## {part.name}", "", textwrap.fill(part.text, 140), "", "| tool | says | computes | here |", "|---|---|---|---|")
    yield f"| `{OWN}` | {ours(part.own):.5g} | | `{part.own}` |"
    for one in part.readings:
        value = files[one.package]["values"][one.key]["value"]
        yield f"| {one.package} | {value:.5g} | {one.why} | `{one.ours}` |"
    yield ""


def _run(files: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield from ("## What was run", "")
    yield (
        "`python tests/parity/make_golden.py` runs what is installed and writes `tests/parity/golden/`, one file for each package with every "
        "call.\nThe numbers are of these versions; others may differ."
    )
    yield from ("", "| package | version | how | Python, NumPy |", "|---|---|---|---|")
    for one in files.values():
        yield f"| {one['package']} | {one['version']} | {one['how']} | {one['python']}, {one['numpy']} |"
    yield from ("", "Not run:", "")
    yield from (f"- {name}: {reason}." for name, reason in NOT_RUN.items())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
