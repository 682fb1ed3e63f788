"""Manners of the code that no linter knows: who may print, what may not be called what, how long is too long."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOT_FOLDERS = {"repr_probe", "cli", "tests", "examples", "docs", ".ci"}
LIBRARY = sorted((ROOT / "repr_probe").rglob("*.py"))
EVERY_FILE = sorted(path for folder in ROOT_FOLDERS for path in (ROOT / folder).rglob("*.py"))
OWN_CODE = [*LIBRARY, *sorted((ROOT / "cli").rglob("*.py"))]
VAGUE = {"util", "utils", "helper", "helpers", "common", "base", "misc"}
LONGEST_FILE = 400
LONGEST_BODY = 40
MACHINE_PATH = re.compile(r"(?<![\w.<>*{}-])/(home|Users|root|work|mnt)/\w")  # /tmp, /dev, /proc are any system's


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def found(paths: list[Path], wanted: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[Path, ast.AST]]:
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, wanted):
                yield path, node


def places(nodes: Iterator[tuple[Path, ast.AST]]) -> list[str]:
    return [f"{name_of(path)}:{getattr(node, 'lineno', 0)}" for path, node in nodes]


def called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def test_only_the_command_line_writes_to_stdout():
    calls = [(path, node) for path, node in found(LIBRARY, ast.Call) if called(node) == "print" or called(node).startswith("sys.stdout.")]
    assert places(iter(calls)) == []


def test_no_assert_in_library_code():
    assert places(found(OWN_CODE, ast.Assert)) == []


def test_no_stub():
    raised = [(path, node) for path, node in found(OWN_CODE, ast.Raise) if "NotImplementedError" in ast.unparse(node)]
    assert places(iter(raised)) == []


def test_names_say_what_is_inside():
    parts = {(part, name_of(path)) for path in EVERY_FILE for part in path.relative_to(ROOT).with_suffix("").parts}
    assert sorted(name for part, name in parts if part.lower() in VAGUE) == []


def test_functions_are_short():
    long = []
    for path, node in found(OWN_CODE, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if (length := body_length(node)) > LONGEST_BODY:
            long.append(f"{name_of(path)}:{node.lineno} {node.name}: {length}")  # type: ignore[attr-defined]
    assert long == []


def body_length(node: ast.AST) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = node.body  # type: ignore[attr-defined]
    if ast.get_docstring(node) is not None:  # type: ignore[arg-type]
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_files_are_short():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in OWN_CODE}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_folders_have_no_logic_of_their_own():
    """`__init__.py` holds a docstring at most; only the package's own root names what is public."""
    inits = [path for path in OWN_CODE if path.name == "__init__.py" and path.parent != ROOT / "repr_probe"]
    logic = [path for path in inits if any(not is_text(node) for node in ast.parse(path.read_text(encoding="utf-8")).body)]
    assert [name_of(path) for path in logic] == []


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_no_path_of_a_machine():
    kinds = {".py", ".md", ".toml", ".json", ".csv", ".txt", ".ipynb", ""}
    files = [path for folder in ROOT_FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in kinds]
    files += [path for path in ROOT.glob("*") if path.is_file() and path.suffix in kinds]
    hits = [f"{name_of(path)}:{number}" for path in files if path != Path(__file__) and "__pycache__" not in path.parts
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
            if MACHINE_PATH.search(line)]  # fmt: skip
    assert hits == []


def test_every_test_file_mirrors_a_folder():
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py") if path.parent != ROOT / "tests"}
    known = {path.name for path in (ROOT / "repr_probe").iterdir() if path.is_dir()}
    known |= {"cli", "docs", "examples", "benchmarks", "checkpoints", "hostile", "parity"}
    assert folders - known == set()


@pytest.mark.parametrize(("line", "bad"), [("/home/me/x.pt", True), ("'/work/x'", True), ("a/home/b", False), ("<home>/data", False)])
def test_the_watch_knows_a_machine_path(line, bad):
    assert bool(MACHINE_PATH.search(line)) is bad
