"""The page in a real browser: nothing goes wrong in its console, the map answers mouse and keys, and it fits a phone and a desk."""

from __future__ import annotations

import runpy
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repr_probe.pages.contents import Measured, PageContents
from repr_probe.pages.document import write_page
from repr_probe.reports.geometry import geometry_report

chromium = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("chromium.py"))))
pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="needs a Chromium")
NAMES = ["<img src=x onerror=alert(1)>", "cat", "dog", "ship", *(f"class {place}" for place in range(26))]
WHERE = """(() => { const map = document.getElementById('map'), box = map.getBoundingClientRect();
return [box.left, box.top, box.width, Number(map.dataset.margin)]; })()"""
ORDER = """(() => { const known = JSON.parse(document.getElementById('map-data').textContent);
return known.maps[Number(document.getElementById('map-checkpoint').value)].orders[document.getElementById('map-order').value]; })()"""
UNREACHABLE = """[...document.querySelectorAll('a, button, select, input, summary, canvas[role=img], .wide')]
.filter((one) => one.tabIndex < 0).length"""
UNNAMED = """[...document.querySelectorAll('button, select, input')]
.filter((one) => !(one.ariaLabel || one.textContent || one.labels?.length)).length"""


@pytest.fixture(scope="module")
def page():
    """Two checkpoints, thirty classes."""
    measured = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        labels = np.arange(150) % 30
        values = rng.standard_normal((30, 20))[labels] + 0.5 * rng.standard_normal((150, 20))
        report = geometry_report(values, labels, class_names=NAMES, name=f"net {seed}", preset="paper", intervals=False)
        measured.append(Measured(report, {"raw": np.array([2.0, 1.0]), "centred": np.array([2.0, 1.0])}))
    return PageContents(tuple(measured))


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with chromium.browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def opened(tab, page, tmp_path):
    """Open the page at a width, in light or dark; the console is empty at the start and must be at the end."""
    path = write_page(page, tmp_path / "page.html")
    tab.console.clear()
    tab.requests.clear()

    def open_page(**how):
        tab.open(path, **how)
        tab.run("document.getElementById('map').scrollIntoView({block: 'center'})")
        return tab

    yield open_page
    tab.run("1")  # events that are still on their way
    assert tab.console == []
    assert [address for address in tab.requests if not address.startswith(("file:", "data:"))] == []


def told(tab):
    return tab.run("document.getElementById('map-told').innerText")


def cosine(tab):
    return tab.run("document.getElementById('map-cosine')?.value")


def order_of(tab):
    return tab.run(ORDER)


def change(tab, name, value):
    """Give a field another value, as a reader would."""
    field = f"document.getElementById({name!r})"
    tab.run(f"{field}.value = {value!r}; {field}.dispatchEvent(new Event('change'))")


def hover_cell(tab, row, column):
    """Point at the middle of a cell."""
    left, top, width, margin = tab.run(WHERE)
    step = (width - 2 - margin) / 30
    tab.hover(left + 1 + margin + (column + 0.5) * step, top + 1 + (row + 0.5) * step)


@pytest.mark.parametrize(("row", "column"), [(3, 17), (29, 0)])
def test_the_map_answers_a_hover_with_the_cosine_of_the_report(opened, page, row, column):
    tab = opened()
    hover_cell(tab, row, column)
    tab.wait("document.getElementById('map-cosine') !== null")
    order = order_of(tab)
    a, b = order[row], order[column]
    matrix = page.reports[0].centroid_cosine
    assert f"{NAMES[a]} × {NAMES[b]}" in told(tab)
    assert float(cosine(tab)) == pytest.approx(matrix[a, b], abs=5.001e-5)
    nearest = np.argsort(-np.where(np.eye(30, dtype=bool), -2, matrix)[a])[:3]
    assert all(NAMES[place] in told(tab) for place in nearest)


def test_keys_walk_the_map_and_zoom(opened, page):
    tab = opened()
    tab.run("document.getElementById('map').focus()")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        tab.press(key)
    order = order_of(tab)
    assert f"{NAMES[order[1]]} × {NAMES[order[3]]}" in told(tab)
    assert float(cosine(tab)) == pytest.approx(page.reports[0].centroid_cosine[order[1], order[3]], abs=5.001e-5)
    before = tab.run("document.getElementById('map').toDataURL()")
    tab.press("+", "+")
    assert tab.run("document.getElementById('map').toDataURL()") != before
    tab.press("0", "0")
    assert tab.run("document.getElementById('map').toDataURL()") == before


def test_another_checkpoint_keeps_the_pair(opened, page):
    tab = opened()
    tab.run("document.getElementById('map').focus()")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        tab.press(key)
    order = order_of(tab)
    a, b = order[1], order[1]
    tab.press("ArrowRight")
    b = order[2]
    change(tab, "map-checkpoint", "1")
    assert f"{NAMES[a]} × {NAMES[b]}" in told(tab)
    assert float(cosine(tab)) == pytest.approx(page.reports[1].centroid_cosine[a, b], abs=5.001e-5)
    assert tab.run("[...document.getElementById('map-order').options].map((one) => one.value)") == ["dendrogram", "data set", "dendrogram of net 0"]


def test_a_class_is_found_by_name(opened):
    tab = opened()
    change(tab, "map-find", "SHIP")
    assert told(tab).startswith("ship")
    change(tab, "map-find", "no such")
    assert told(tab) == "no such class"


def test_hostile_names_stay_text(opened):
    tab = opened()
    change(tab, "map-find", "<img src=x onerror=alert(1)>")
    assert told(tab).startswith(NAMES[0])
    assert tab.run("document.images.length") == 0


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)])
def test_it_fits_and_takes_the_colours_of_the_system(opened, width, dark):
    tab = opened(width=width, dark=dark, mobile=width < 500)
    assert tab.run("document.documentElement.scrollWidth") <= width
    picture = tab.screenshot()
    assert struct.unpack(">II", picture[16:24]) == (width, 900)
    background = tab.run("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")
    tab.run("document.getElementById('theme').click()")
    assert tab.run("getComputedStyle(document.body).backgroundColor") != background


def test_everything_that_can_be_used_can_be_reached_by_keys(opened):
    tab = opened()
    assert tab.run(UNREACHABLE) == 0
    assert tab.run(UNNAMED) == 0


def test_it_prints(opened):
    assert opened().printed().startswith(b"%PDF")


def test_without_scripts_the_numbers_are_still_there(page, tab, tmp_path):
    path = write_page(page, tmp_path / "page.html")
    tab._send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(path)
        assert tab.run("getComputedStyle(document.querySelector('.controls')).display") == "none"
        assert tab.run("document.querySelectorAll('data').length") > 20
    finally:
        tab._send("Emulation.setScriptExecutionDisabled", value=False)
