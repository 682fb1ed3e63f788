from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from repr_probe.published.table4 import published_alignment
from repr_probe.reports.semantic import semantic_report
from repr_probe.reports.semantic_html import to_html, to_page

NAMES = ("airplane.n.01", "car.n.01", "bird.n.01", "cat.n.01", "deer.n.01", "dog.n.01", "frog.n.01", "horse.n.01", "ship.n.01", "truck.n.01")


@pytest.fixture(scope="module")
def report():
    features = np.random.default_rng(0).standard_normal((10, 12))
    return semantic_report(features, range(10), class_names=NAMES, references="wordnet", permutations=19, name="<b>net</b> & more")


class Reader(HTMLParser):
    """Fails on tags that are closed in the wrong order; collects cells per row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += 1
        if tag not in ("br", "meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_fragment_is_well_formed_and_escaped(report):
    html = to_html(report, published_alignment("imagenet"), [("a <tree>", b"\x89PNG")])
    reader = Reader(html)
    assert reader.open == []
    assert reader.rows[0] == reader.rows[1] == 5
    assert "<b>net</b>" not in html and "&lt;b&gt;net&lt;/b&gt; &amp; more" in html
    assert 'alt="a &lt;tree&gt;"' in html and 'src="data:image/png;base64,iVBORw=="' in html
    assert "(published)" in html


def test_a_page_and_a_notebook_show_the_same(report, tmp_path):
    assert report._repr_html_() == to_html(report)
    page = to_page(report)
    assert report._repr_html_() in page and "<title>&lt;b&gt;net" in page
    assert report.save(tmp_path / "page.html").read_text(encoding="utf-8") == page
