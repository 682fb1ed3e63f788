"""Write the marked blocks of the pages anew from the program itself: `python tests/docs/write_cli_reference.py [PAGE ...]` in a checkout.

`<!-- help: store rm -->` is followed by the help of that command, `<!-- run: store list -->` by what that command prints, or its beginning
(`<!-- run, first 20 lines: ... -->`). `<!-- make -->` stands before Python that lays out files for them. All of a page is run in its order,
offline, in an empty folder with an empty home, and may use what came earlier on that page.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
WIDTH = 120
BLOCK = re.compile(r"(<!-- (help|run|make)(?:, first (\d+) lines)?:?([^\n]*)-->\n```\w+\n)(.*?)(```\n)", re.DOTALL)
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if BLOCK.search(path.read_text(encoding="utf-8"))]
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PROGRESS = re.compile(r"^.*: [\d,]+( of [\d,]+)?( \(\d+%(, [\d.]+ \w+ to go)?\))?\n", re.MULTILINE)  # comes every ten seconds: not the same twice


def renewed(page: str, *, runs: bool = True) -> str:
    """`page` with every help block made anew, and with every run block too unless `runs` is false."""

    def anew(match: re.Match[str]) -> str:
        head, kind, lines, command, shown, end = match.groups()
        if kind == "make":
            if runs:
                exec(compile(shown, "make", "exec"), {})
            return match[0]
        return head + _said(kind, command.strip(), lines) + end if runs or kind == "help" else match[0]

    with fresh_place():
        return BLOCK.sub(anew, page)


@contextlib.contextmanager
def fresh_place() -> Iterator[Path]:
    """An empty current folder and home, a wide terminal without colours; everything put back afterwards."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ.update(COLUMNS=str(WIDTH), NO_COLOR="1", REPR_PROBE_HOME=str(Path(folder).resolve() / "home"))
        os.environ.pop("REPR_PROBE_DATA", None)
        try:
            yield Path(folder).resolve()
        finally:
            os.environ.clear()
            os.environ.update(before)


def printed_by(command: str) -> tuple[int, str]:
    """(exit code, stderr and stdout) of `repro-probe COMMAND`, run in this process; the home folder is called HOME."""
    from repr_probe.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(shlex.split(command))
    text = _PROGRESS.sub("", _COLOUR.sub("", err.getvalue())) + _COLOUR.sub("", out.getvalue())
    return code, text.replace(os.environ["REPR_PROBE_HOME"], "HOME")


def _said(kind: str, command: str, first: str | None) -> str:
    _, text = printed_by(f"{command} --help" if kind == "help" else command)
    if "internal error: " in text:
        raise RuntimeError(f"repro-probe {command}: {text.strip()}")
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    start = [] if kind == "help" else [f"$ repro-probe {command}"]
    lines = lines[1:] if lines and not lines[0] else lines
    if first is not None and len(lines) > int(first):
        lines = [*lines[: int(first)], "[...]"]
    return "\n".join([*start, *lines]) + "\n"


if __name__ == "__main__":
    made_with = f"typer {version('typer')}, rich {version('rich')}"
    for path in [Path(name) for name in sys.argv[1:]] or PAGES:
        text = renewed(path.read_text(encoding="utf-8"))
        path.write_text(re.sub(r"typer [\d.]+, rich [\d.]+", made_with, text), encoding="utf-8")
