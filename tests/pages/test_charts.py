from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from repr_probe.monitor.series import Curve
from repr_probe.pages import charts
from repr_probe.pages.charts import angle_panels, curve_panels, spectrum_panels
from repr_probe.pages.contents import Measured
from repr_probe.pages.svg import BOTTOM, LEFT, RIGHT, TOP, Scale, decades, steps
from repr_probe.reports.geometry import geometry_report


def paths(drawing: str, css: str) -> list[np.ndarray]:
    """Pixel positions (n, 2) of every line of a style."""
    found = re.findall(rf'<path class="line {css}" d="M([^"]+)"', drawing)
    return [np.array([[float(v) for v in point.split()] for point in path.split("L")]) for path in found]


def test_a_histogram_holds_all_pairs():
    rng = np.random.default_rng(0)
    report = geometry_report(rng.standard_normal((80, 5)) + 0.5, np.arange(80) % 4, preset="paper")
    drawing = angle_panels([Measured(report)], ["one"])
    for kind in ("all", "positive", "negative"):
        curve = next(one for one in paths(drawing, f"angle-{kind}") if len(one) > 5)
        width = (RIGHT - LEFT) / (len(curve) // 2 - 1)
        heights = (BOTTOM - curve[1:-1:2, 1])
        peak = max((BOTTOM - one[:, 1]).max() for k in ("all", "positive", "negative") for one in paths(drawing, f"angle-{k}") if len(one) > 5)
        shares = {k: report.histograms[k].reshape(180, 20).sum(axis=1) / report.histograms[k].sum() for k in report.histograms}
        assert np.ptp(curve[:, 0]) == pytest.approx(RIGHT - LEFT, abs=0.2) and width > 1
        assert peak == pytest.approx((BOTTOM - TOP) / 1.05, abs=0.2)
        tallest = max(float(share.max()) for share in shares.values())
        assert heights.sum() / peak * tallest == pytest.approx(1.0, abs=0.03), kind


def test_sampled_angles_are_said_not_to_be_drawn():
    values = np.random.default_rng(0).standard_normal((60, 5))
    report = geometry_report(values, preset="paper", pairs=1000)
    assert "from a sample of pairs" in angle_panels([Measured(report)], ["one"])


def test_spectra_start_at_the_share_of_the_first_eigenvalue():
    report = geometry_report(np.eye(3), preset="paper")
    values = np.array([6.0, 3.0, 1.0])
    drawing = spectrum_panels([Measured(report, {"raw": values, "centred": values})], ["one"])
    (raw, centred) = [one for one in paths(drawing, "s0") if len(one) == 3]
    share = Scale(0.1, 0.78, BOTTOM, TOP, log=True)
    np.testing.assert_allclose(raw[:, 1], [share(0.6), share(0.3), share(0.1)], atol=0.1)
    np.testing.assert_allclose(raw, centred)
    assert "first 0.600 of 3" in drawing


def test_curves_keep_their_look_and_their_points():
    runs = {"loss": {"a": Curve(np.array([0.0, 1.0]), np.array([2.0, 1.0])), "<b>": Curve(np.array([0.0, 2.0]), np.array([1.0, 3.0]))}}
    drawing = curve_panels(runs, {"loss": "the loss"}, "epoch")
    (a,) = [one for one in paths(drawing, "s0") if one[0, 0] != 1.0]
    (b,) = [one for one in paths(drawing, "s1") if one[0, 0] != 1.0]
    assert a[1, 0] == pytest.approx((LEFT + RIGHT) / 2) and b[1, 0] == RIGHT
    assert a[0, 1] == pytest.approx(a[0, 1]) and a[0, 1] < a[1, 1] and b[0, 1] > b[1, 1]
    assert "<b>" not in drawing and "the loss over epoch: a from 2 to 1" in drawing


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 4.0), (0.013, 0.0172), (100.0, 90_000.0), (5.0, 5.0)])
def test_ticks_are_inside_and_few(low, high):
    found = steps(low, high)
    assert 1 <= len(found) <= 7 and all(low - 1e-9 <= value <= high + 1e-9 for value in found)


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (1e-7, 1.0), (3.0, 2048.0)])
def test_decades_are_inside_and_few(low, high):
    found = decades(low, high)
    assert 1 <= len(found) <= 9 and all(low * 0.99 <= value <= high * 1.01 for value in found)


def test_angles_have_colours_that_no_checkpoint_has():
    style = (Path(charts.__file__).parent / "page.css").read_text(encoding="utf-8")
    themes = [dict(re.findall(r"--([\w-]+):(#\w+)", block)) for block in re.findall(r"\{([^{}]*--s0:[^{}]*)\}", style)]
    assert len(themes) == 4  # light, dark by the system, dark by the button, print
    for theme in themes:
        kinds = {theme["alike"], theme["apart"]}
        assert len(kinds) == 2 and not kinds & {theme[f"s{place}"] for place in range(8)}
