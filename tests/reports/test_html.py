from __future__ import annotations

from html.parser import HTMLParser

from repr_probe.published.table3 import published_rows
from repr_probe.reports.html import to_html, to_page


class Reader(HTMLParser):
    """Collects tags, cells per row and text; fails on tags that are closed in the wrong order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[int] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += int(dict(attrs).get("colspan", 1))
        if tag not in ("br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_a_fragment_without_scripts_or_outside_files(make_report):
    html = to_html([make_report()])
    page = Reader(html)
    assert page.open == []
    assert html.startswith('<div class="repr-probe">')
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "html", "body"})
    assert "http" not in html.replace("arXiv", "")
    assert set(page.rows) == {6}


def test_colours_come_from_the_page(make_report):
    style = to_html([make_report()]).split("</style>")[0]
    assert "color:#" not in style.replace("border-left", "")
    assert "white" not in style.replace("white-space", "")


def test_published_rows_and_intervals(make_report):
    page = Reader(to_html([make_report()], published_rows("imagenet")))
    text = " ".join(page.words)
    for expected in ("published", "Supervised", "73.62° ± 3.72°", "77.62° ± 4.20°", "[69.86, 85.38] ± [3.78, 4.62]", "(a) This ANISO"):
        assert expected in text
    assert set(page.rows) == {9, 6}


def test_names_are_escaped_everywhere(make_report):
    hostile = '<script>alert("x")</script>\x1b&'
    reports = [make_report(name=hostile, notes=(hostile,), identity_failures=(hostile,), provenance={"layer": hostile}), make_report()]
    html = to_page(reports, published_rows("food101"))
    assert "script" not in Reader(html).tags
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;" in html


def test_reasons_notes_and_broken_identities(make_report):
    text = " ".join(Reader(to_html([make_report(labelled=False, identity_failures=("I1: broken",))])).words)
    assert "Broken identity: do not trust these numbers." in text
    assert "labels are needed; got an unlabelled set" in text
    assert "ranks are limited by n" in text


def test_notebooks_get_the_fragment(make_report):
    assert make_report()._repr_html_().startswith('<div class="repr-probe">')
