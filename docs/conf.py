"""The documentation as a site: `sphinx-build -b html -W docs build/docs`. Needs the extra `docs` and no network.

The pages are plain markdown that reads well in a repository browser, too; what only the site needs is added here: the tree of pages and
the translation of docstrings.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import repr_probe

project = "repr_probe"
author = "the authors of repr_probe"
copyright = "MIT license"
release = repr_probe.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
root_doc = "index"
nitpicky = True

myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # console blocks hold what programs print

html_theme = "furo"
html_title = f"repr_probe {release}"
html_static_path = ["site"]
html_css_files = ["wide.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}

autodoc_typehints = "none"  # the annotations stand in the signature
autodoc_member_order = "bysource"
add_module_names = False

TREE = {
    "Begin": ["start", "howto/checkpoint", "howto/dataset", "howto/encoder", "howto/training_loop", "howto/cluster"],
    "Commands": [
        "cli", "commands/geometry", "commands/semantic", "commands/probe", "commands/segment", "commands/saliency", "commands/attention",
        "commands/hypercolumns", "commands/localise", "commands/compare", "commands/report", "commands/train", "commands/dynamics",
        "commands/inspect", "commands/extract", "commands/datasets", "commands/store",
    ],
    "Understand": ["definitions", "semantic", "protocols", "looking_inside", "compare", "report", "training", "hydes", "dynamics"],
    "Input": ["checkpoints", "data", "store", "cluster"],
    "From Python": ["python", "api", "json"],
    "How good is it": ["paper", "results", "performance", "other_tools", "two_tools"],
    "Inside": ["design", "contributing"],
}  # fmt: skip


_ITEM = re.compile(r"([a-z]\w*(?:, [a-z]\w*)*): (.*)")


def prepare(app: Any, page: str, source: list[str]) -> None:
    """Put the tree of pages under the start page; let links to markdown outside this folder fetch the file."""
    up = "../" * (page.count("/") + 1)
    source[0] = re.sub(rf"\[([^\]]+)\]\(({re.escape(up)}[^)#]+\.md)(?:#[^)]*)?\)", r"{download}`\1 <\2>`", source[0])
    if page == root_doc:
        blocks = (f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```" for caption, pages in TREE.items())
        source[0] += "\n" + "\n\n".join(blocks) + "\n"


def translate(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings of this package, plain text with `code`, as reStructuredText: paragraphs, `name: meaning` lines as a list, examples."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc("\n".join(lines)))
    lines[:] = "\n\n".join(map(_paragraph, paragraphs)).splitlines()


def _paragraph(text: str) -> str:
    if text.lstrip().startswith(">>>"):
        return inspect.cleandoc(text) + "\n"
    if all(line.startswith("    ") for line in text.splitlines()):
        return "::\n\n" + text
    pieces: list[str] = []
    for line in text.splitlines():
        if line[:1].isspace() and pieces:
            pieces[-1] += " " + line.strip()
        else:
            pieces.append(line.strip())
    if not _ITEM.match(pieces[0]):
        return _plain(" ".join(pieces))
    shown: list[str] = []
    for piece in pieces:
        item = _ITEM.match(piece)
        if item:
            shown.append(f"- **{_plain(item[1])}**: {_plain(item[2])}")
        elif piece[:1].isupper() and shown[-1].endswith("."):  # a sentence of its own after the list
            shown.append(f"\n{_plain(piece)}\n")
        else:
            shown[-1] = shown[-1].rstrip("\n") + " " + _plain(piece) + ("\n" if shown[-1].endswith("\n") else "")
    return "\n".join(shown)


def _plain(text: str) -> str:
    """Code in backticks stays code; nothing else is markup."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(f"``{part[1:-1]}``\\ " if index % 2 else re.sub(r"([\\*|_`])", r"\\\1", part) for index, part in enumerate(parts))


def setup(app: Any) -> None:
    app.connect("source-read", prepare)
    app.connect("autodoc-process-docstring", translate)
