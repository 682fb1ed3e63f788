"""Figures of geometry: what is drawn is what the report holds, on one scale, outside pyplot."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.metrics.functions import effective_rank
from repr_probe.plots.angles import angle_histogram, angle_histograms
from repr_probe.plots.centroid_map import centroid_map, centroid_maps, class_order
from repr_probe.plots.spectrum import eigenvalues, spectrum_plot
from repr_probe.reports.geometry import geometry_report
from repr_probe.reports.geometry_report import GeometryReport

LABELS = np.arange(60) % 4


def _features(spread: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 3.0 * np.eye(4, 6)[LABELS] + spread * rng.normal(size=(60, 6)) + 1.0


@pytest.fixture(scope="module")
def reports() -> list[GeometryReport]:
    return [geometry_report(_features(spread), LABELS, preset="paper", name=f"spread {spread}") for spread in (0.3, 1.0)]


def test_the_curves_are_the_histograms(reports):
    ax = angle_histogram(reports[0], bin_width=2.0)
    curves = {patch.get_label(): patch.get_data() for patch in ax.patches if patch.get_label() in ("same class", "different class")}
    assert len(curves) == 2
    counts = reports[0].histograms["positive"]
    assert curves["same class"].values.sum() * 2.0 == pytest.approx(1.0)
    assert curves["same class"].values == pytest.approx(counts.reshape(-1, 40).sum(1) / counts.sum() / 2.0)
    assert [line.get_xdata()[0] for line in ax.get_lines()] == [reports[0].angle_positive_mean.value]  # preset paper has no other mean


def test_panels_share_their_scale_and_draw_into_given_axes(reports):
    figure = angle_histograms(reports)
    assert len({ax.get_xlim() for ax in figure.axes}) == len({ax.get_ylim() for ax in figure.axes}) == 1
    tops = [patch.get_data().values.max() for ax in figure.axes for patch in ax.patches]
    assert figure.axes[0].get_ylim()[1] > max(tops)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["different class", "same class"]
    given = figure.axes[0]
    assert angle_histogram(reports[1], given) is given
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_histograms_that_are_not_there_are_named(reports):
    unlabelled = geometry_report(_features(0.3), preset="paper", name="bare")
    assert angle_histogram(unlabelled).get_legend().get_texts()[0].get_text() == "all pairs"
    with pytest.raises(InputError, match="report must hold a histogram of positive angles; got none in 'bare'"):
        angle_histogram(unlabelled, kinds=["positive"])
    with pytest.raises(InputError, match="kinds must be of all, negative, positive; got 'some'"):
        angle_histogram(reports[0], kinds=["some"])
    with pytest.raises(InputError, match=r"bin_width must be a multiple of 0\.05 degrees that divides 180; got 0\.07"):
        angle_histogram(reports[0], bin_width=0.07)
    with pytest.raises(InputError, match="reports must hold at least one report; got none"):
        angle_histograms([])


def test_the_spectrum_is_that_of_the_covariance():
    x = _features(0.5)
    expected = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    assert eigenvalues(x) == pytest.approx(expected)
    ax = spectrum_plot({"x": x, "given": expected, "$y": 2.0 * x})
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) > 1]
    assert len(lines) == 3
    for line in lines:
        assert line.get_ydata() == pytest.approx(expected / expected.sum())
    dot = next(line for line in ax.get_lines() if len(line.get_xdata()) == 1)
    assert dot.get_xdata()[0] == pytest.approx(effective_rank(x, center=True))
    ax.figure.draw_without_rendering()


def test_a_spectrum_that_is_none_is_refused():
    with pytest.raises(InputError, match="representations must hold at least one; got none"):
        spectrum_plot({})
    with pytest.raises(InputError, match="eigenvalues must be positive and fall; got 2 that do not"):
        spectrum_plot({"up": np.array([1.0, 2.0])})
    with pytest.raises(InputError, match="features must vary to have a spectrum; got no variance"):
        spectrum_plot({"flat": np.ones((5, 3))})


def test_maps_share_order_and_colours(reports):
    figure = centroid_maps(reports)
    order = class_order(reports[0])
    images = [ax.images[0] for ax in figure.axes[:2]]
    assert len({image.get_clim() for image in images}) == 1
    for image, report in zip(images, reports, strict=True):
        assert np.asarray(image.get_array()) == pytest.approx(report.centroid_cosine[np.ix_(order, order)])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [reports[0].class_names[place] for place in order]


def test_what_is_alike_stands_together():
    middle = np.array([[1.0, 0, 0], [0, 1, 0], [0.95, 0.1, 0], [0.1, 0.95, 0], [0, 0, 1]])
    report = geometry_report(np.repeat(middle, 2, axis=0), np.repeat(np.arange(5), 2), preset="paper")
    order = class_order(report)
    assert abs(order.index(0) - order.index(2)) == abs(order.index(1) - order.index(3)) == 1


def test_maps_without_cosines_or_of_other_classes_are_refused(reports):
    bare = dataclasses.replace(reports[0], centroid_cosine=None)
    with pytest.raises(InputError, match=r"report must hold the cosines of two class centroids or more; got none in 'spread 0\.3'"):
        centroid_map(bare)
    other = dataclasses.replace(reports[1], class_names=("a", "b", "c", "d"))
    with pytest.raises(InputError, match=r"reports must be of the same classes; got others in 'spread 1\.0' than in 'spread 0\.3'"):
        centroid_maps([reports[0], other])
    with pytest.raises(InputError, match="order must hold each of 4 positions once; got 2"):
        centroid_map(reports[0], order=[0, 1])
