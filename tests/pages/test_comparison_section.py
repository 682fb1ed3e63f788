"""Accuracies and paired differences on the page: each number is that of the comparison in its JSON, and of `compare`."""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repr_probe.errors import UsageError
from repr_probe.features.door import as_features
from repr_probe.pages.contents import Measured, PageContents
from repr_probe.pages.document import to_page
from repr_probe.probes.knn import knn
from repr_probe.probes.linear import linear
from repr_probe.reports.comparison_pairs import probe_pairs
from repr_probe.reports.geometry import geometry_report
from repr_probe.reports.probe_report import ProbeReport, ProbeRow
from repr_probe.workflows.compare import compare
from repr_probe.workflows.compare_sources import probe_row

parts = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("page_parts.py"))))
NAMES = ("a", "<img src=x onerror=alert(1)>", "c")


def cloud(seed, name):
    rng = np.random.default_rng(seed)
    labels = np.arange(80) % 4
    values = 2 * np.random.default_rng(9).standard_normal((4, 6))[labels] + (1 + seed) * rng.standard_normal((80, 6))
    found = as_features(values, labels)
    return dataclasses.replace(found, provenance={"encoder": name})


def accuracies(features):
    values, labels = features.values, features.labels
    return knn(values, labels, values, labels, preset="uniform", k=3), linear(values, labels, values, labels, l2=0.1)


def contents(names, *, probes=True):
    clouds = [cloud(seed, name) for seed, name in enumerate(names)]
    comparison = compare(*clouds)
    if probes:
        rows = tuple(ProbeRow(name, "checkpoint", accuracies(one)) for name, one in zip(names, clouds, strict=True))
        document = ProbeReport(rows, "things", "train", "test").to_dict()
        measured = tuple(probe_row(document, row) for row in document["rows"])
        comparison = dataclasses.replace(
            comparison, rows={**comparison.rows, "probe": measured}, pairs=(*comparison.pairs, *probe_pairs(measured, rows))
        )
    reports = [geometry_report(one, preset="paper", name=name) for name, one in zip(names, clouds, strict=True)]
    return PageContents(tuple(Measured(one) for one in reports), comparison=comparison)


@pytest.fixture(scope="module")
def three():
    return contents(NAMES)


@pytest.fixture(scope="module")
def page(three):
    return parts.PageParts(to_page(three))


def test_every_number_equals_the_json_and_the_comparison(three, page):
    document = page.json()
    assert document["comparison"] == three.comparison.to_dict()
    shown = [number for number in page.numbers if number.at.startswith("comparison.")]
    for number in shown:
        exact = parts.at(document, number.at)
        assert float(number.value) == exact
        scale = 100.0 if "top" in number.at else 1.0
        digits = number.text.rstrip("°")
        assert abs(float(digits) - scale * exact) <= 0.5 * 10.0 ** -len(digits.partition(".")[2]) * (1 + 1e-9), number
    told = {number.at for number in shown}
    for place, pair in enumerate(three.comparison.pairs):
        for key, one in pair.differences.items():
            assert f"comparison.pairs.{place}.differences.{key}.difference" in told
            assert (f"comparison.pairs.{place}.differences.{key}.ci.0" in told) == (one.ci is not None)
    assert {f"comparison.cka.{place}.debiased" for place in range(3)} <= told
    assert {f"comparison.rows.probe.{place}.measures.linear_top1.value" for place in range(3)} <= told


def test_a_star_says_that_the_interval_leaves_out_zero(three):
    drawn = to_page(three)
    starred = {(place, key) for place, pair in enumerate(three.comparison.pairs) for key, one in pair.differences.items()
               if one.ci is not None and (one.ci[0] > 0 or one.ci[1] < 0)}  # fmt: skip
    found = set()
    for cell in drawn.split("<data ")[1:]:
        path, _, rest = cell.partition('data-at="')[2].partition('"')
        if path.endswith(".difference") and rest.partition("</data>")[2].startswith("*"):
            found.add((int(path.split(".")[2]), path.split(".")[4]))
    assert found == starred and starred


def test_sections_and_what_they_say(page):
    assert [known["id"] for known in page.all("section")][:4] == ["geometry", "accuracy", "differences", "angles"]
    for words in ("80 test", "Guessing gives 25\u00a0% top-1", "knn k=3 uniform", "delete-one-image jackknife", "no interval: ", "No correction for"):
        assert words in page.text, words
    assert "no test of a difference" not in page.text and page.all("img") == []  # names are text


def test_many_pairs_show_those_with_the_first():
    page = parts.PageParts(to_page(contents([f"net{place}" for place in range(6)], probes=False)))
    shown = {int(number.at.split(".")[2]) for number in page.numbers if number.at.startswith("comparison.pairs.")}
    assert shown == set(range(5)) and "of all 15 pairs those with net0" in page.text
    assert len(page.json()["comparison"]["pairs"]) == 15


def test_without_a_comparison_nothing_is_said(three):
    page = parts.PageParts(to_page(dataclasses.replace(three, comparison=None)))
    assert not {"accuracy", "differences"} & {known["id"] for known in page.all("section")}
    assert "There is no test of a difference on this page" in page.text and page.json()["comparison"] is None


def test_a_comparison_must_be_of_the_page(three):
    with pytest.raises(UsageError, match="comparison must be of a; got a, "):
        PageContents(three.measured[:1], comparison=three.comparison)


def test_the_page_comes_back_from_its_json(three):
    again = PageContents.from_dict(three.to_dict())
    assert again.to_dict() == three.to_dict()
    assert {number.at for number in parts.PageParts(to_page(again)).numbers if number.at.startswith("comparison")}
