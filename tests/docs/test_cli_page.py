"""docs/cli.md, docs/commands and docs/start.md against the program: the help of every command, and the examples as they are printed today."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from repr_probe.cli.main import app

ROOT = Path(__file__).parents[2]
reference = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("write_cli_reference.py"))))
PAGES = {path.relative_to(reference.DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8") for path in reference.PAGES}
SLOW = {"start", "commands/attention", "commands/dynamics", "commands/report"}
README = (ROOT / "README.md").read_text(encoding="utf-8")
HINT = "run python tests/docs/write_cli_reference.py"


def commands() -> Iterator[tuple[str, Any]]:
    """("store rm", command) for every command and group, the program itself as ""."""
    pending: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while pending:
        name, command = pending.pop()
        yield name, command
        pending += [(f"{name} {child}".strip(), inner) for child, inner in getattr(command, "commands", {}).items()]


COMMANDS = dict(commands())


def words(text: str) -> list[str]:
    """What stays the same on another machine: no digits, keys, frames or spaces."""
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "KEY", text)
    return re.sub(r"[\d.,╭╮╰╯─│═\-]+", " ", text).split()


HELP = {match[4].strip(): match[5] for page in PAGES.values() for match in reference.BLOCK.finditer(page) if match[2] == "help"}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Images of 8 x 8 pixels: on a busy machine several threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_command_has_a_section_and_its_help():
    headings = [heading for page in PAGES.values() for heading in re.findall(r"^##? `repro-probe ?([\w ]*)`$", page, re.MULTILINE)]
    assert sorted(headings) == sorted(COMMANDS)
    assert set(HELP) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_on_its_page_with_an_example(name):
    page = PAGES[f"commands/{name.split()[0]}" if name else "cli"]
    assert f"<!-- help: {name}".rstrip() in page
    assert not name or re.search(rf"^\$ repro-probe {name.split()[0]}", page, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_its_help_stand_on_the_page(name):
    """Holds with any version of the library that draws the help."""
    shown = " ".join(words(HELP[name]))
    for parameter in COMMANDS[name].params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        for flag in parameter.opts if parameter.param_type_name == "option" else []:
            assert flag in HELP[name]
        assert " ".join(words(getattr(parameter, "help", "") or "")) in shown, f"{name}: {parameter.name}; {HINT}"


def test_the_help_is_what_the_program_prints():
    made_with = f"typer {version('typer')}, rich {version('rich')}"
    if made_with not in PAGES["cli"]:
        pytest.skip(f"the pages were made with other versions than {made_with}; the words are compared in any case")
    for page in PAGES.values():
        assert reference.renewed(page, runs=False) == page, HINT


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else []) for name in PAGES])
def test_the_examples_are_what_the_program_prints(name):
    again = reference.renewed(PAGES[name])
    shown, printed = ([match[0] for match in reference.BLOCK.finditer(page) if match[2] == "run"] for page in (PAGES[name], again))
    for before, now in zip(shown, printed, strict=True):
        assert words(before) == words(now), HINT


@pytest.mark.usefixtures("one_thread")
def test_the_output_in_the_readme_is_what_its_first_command_prints():
    (command,) = re.findall(r"^```sh\npip install -e \. && repro-probe (.*)\n```", README, re.MULTILINE)
    (shown,) = re.findall(r"^```text\n(.*?)\n\[\.\.\.\]\n```", README, re.MULTILINE | re.DOTALL)
    with reference.fresh_place():
        code, printed = reference.printed_by(command)
    assert code == 0
    assert words(printed)[: len(words(shown))] == words(shown)


def test_commands_on_the_pages_have_options_that_exist():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = [line for page in pages for line in re.findall(r"repro-probe ((?:[a-z]+ )?[a-z]+[^`\n]*)", page.read_text(encoding="utf-8"))]
    checked = 0
    for line in found:
        name = next((two for two in (" ".join(line.split()[:2]), line.split()[0]) if two in COMMANDS), None)
        if name is None or name == "":
            continue
        known = {flag for parameter in COMMANDS[name].params for flag in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", line)) <= known, line
        checked += 1
    assert checked > 20
