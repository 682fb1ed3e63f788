"""The house rules on imports: a floor imports only floors below it, the wings never meet, nothing imports the package root, no circles.

Imports inside functions count. Those under `if TYPE_CHECKING` never run, so they count for floors and wings but make no circle.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS: dict[str, float] = {
    "errors": 0, "progress": 0.1, "ranks": 0.15, "files": 0.2, "classes": 0.3, "features": 0.4,
    "preprocessing": 1, "metrics": 1, "encoders": 2, "datasets": 2, "views": 2.1, "semantics": 2, "probes": 2,
    "exact_pass": 2.5, "run_facts": 2.5, "loading": 2.5, "extraction_pass": 2.6, "extraction_parts": 2.7,
    "extraction": 3, "reports": 3, "published": 3, "monitor": 4, "visual": 4, "plots": 4,
    "training": 5, "pages": 5, "workflows": 6, "cli": 7,
}  # fmt: skip
MODELS_WING = {"preprocessing", "exact_pass", "run_facts", "encoders", "datasets", "views", "loading", "extraction_pass",
               "extraction_parts", "extraction"}  # fmt: skip
NUMBERS_WING = {"metrics", "semantics", "probes", "reports", "published"}
STRANGERS = [{"encoders", "datasets"}, {"encoders", "views"}]  # an encoder knows no data set, and the other way round


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("repr_probe", *parts) if parts[0] == "cli" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(name: str, path: Path, known: set[str], *, types: bool = True) -> set[str]:
    """The modules of the package that the file at `path`, called `name`, imports anywhere in it."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    wanted: set[str] = set()
    for node in nodes(ast.parse(path.read_text(encoding="utf-8")), types=types):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            wanted |= {full if (full := f"{source}.{alias.name}") in known else source for alias in node.names}
    return {target for target in wanted if target.split(".")[0] == "repr_probe"}


def nodes(tree: ast.AST, *, types: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if types or not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            yield from nodes(node, types=types)


FILES = {dotted_name(path): path for folder in ("repr_probe", "cli") for path in sorted((ROOT / folder).rglob("*.py"))}
EDGES = [(name, target) for name, path in FILES.items() for target in sorted(imported(name, path, set(FILES)))]
INNER = [(name, target) for name, target in EDGES if "repr_probe" not in (name, target)]  # without the root, which may see everything


def place(module: str) -> str:
    return module.split(".")[1]


def test_every_module_has_a_floor():
    assert {place(name) for name in FILES if name != "repr_probe"} - set(FLOORS) == set()


def test_nothing_imports_the_package_root():
    assert [edge for edge in EDGES if edge[1] == "repr_probe"] == []


def test_imports_lead_to_modules_that_exist():
    assert [edge for edge in EDGES if edge[1] not in FILES] == []


def test_a_floor_imports_only_floors_below_it():
    upward = [(name, target) for name, target in INNER if place(name) != place(target) and FLOORS[place(name)] < FLOORS[place(target)]]
    assert upward == []


def test_the_wings_do_not_meet():
    pairs = {(name, target): {place(name), place(target)} for name, target in INNER}
    assert [edge for edge, pair in pairs.items() if pair & MODELS_WING and pair & NUMBERS_WING] == []
    assert [edge for edge, pair in pairs.items() if pair in STRANGERS] == []


def test_training_is_imported_only_by_workflows():
    assert {place(name) for name, target in INNER if place(target) == "training"} <= {"training", "workflows"}


def test_there_are_no_circles():
    running = {name: imported(name, path, set(FILES), types=False) for name, path in FILES.items()}
    TopologicalSorter(running).prepare()  # raises CycleError naming the circle


LINES = ["from repr_probe.b import c", "from repr_probe.b.c import d", "import repr_probe.b.c", "from ..b import c"]


@pytest.mark.parametrize("line", LINES)
def test_the_reader_finds_every_kind_of_import(line, tmp_path):
    path = tmp_path / "x.py"
    path.write_text(f"def f():\n    {line}\n")
    assert imported("repr_probe.a.x", path, {"repr_probe.b.c"}) == {"repr_probe.b.c"}
    path.write_text(f"if TYPE_CHECKING:\n    {line}\n")
    assert imported("repr_probe.a.x", path, {"repr_probe.b.c"}, types=False) == set()
