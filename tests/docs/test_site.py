"""The documentation builds as a site, without a warning and without network."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import pytest

import repr_probe

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NO_NETWORK = "import socket\ndef refuse(*_, **__): raise OSError('the documentation must build without network')\nsocket.socket.connect = refuse\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if any(find_spec(name) is None for name in ("sphinx", "myst_parser", "furo")):
        pytest.skip("needs the extra docs")
    place = tmp_path_factory.mktemp("site")
    (place / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), str(ROOT), *sys.path])}
    run = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", "-W", "--keep-going", str(DOCS), str(place / "html")],
                         env=environment, capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr
    return place / "html"


@pytest.mark.slow
def test_every_page_is_in_the_site_and_in_its_tree(site):
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert pages == {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")} - {"genindex", "search"}
    start = (site / "index.html").read_text(encoding="utf-8")
    assert [page for page in pages - {"index"} if f'href="{page}.html"' not in start] == []


@pytest.mark.slow
def test_the_pages_fetch_nothing(site):
    for page in site.rglob("*.html"):
        fetched = re.findall(r"<(?:script|img|iframe)[^>]* src=\"(https?:[^\"]*)|<link[^>]* href=\"(https?:[^\"]*)", page.read_text(encoding="utf-8"))
        assert fetched == [], page.name


@pytest.mark.slow
def test_the_reference_shows_code_as_code(site):
    text = unescape((site / "api.html").read_text(encoding="utf-8"))
    assert "problematic" not in text and "system-message" not in text
    assert "(images, labels) of the training split" in text


def test_every_public_name_is_in_the_reference():
    named = re.findall(r"^\.\. auto\w+:: repr_probe\.(\w+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(set(repr_probe.__all__) - {"__version__"})


def test_every_page_is_named_in_the_tree():
    body = ast.parse((DOCS / "conf.py").read_text(encoding="utf-8")).body
    (tree,) = (node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TREE")
    named = [page for pages in ast.literal_eval(tree).values() for page in pages]
    written = [path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(named) == sorted(set(written) - {"index"})
