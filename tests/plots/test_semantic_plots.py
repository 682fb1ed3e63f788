from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from repr_probe.errors import InputError, UsageError
from repr_probe.metrics.measurement import Measurement
from repr_probe.plots.semantic import colour_limits, dendrogram, heat_map, heat_maps, save_figure
from repr_probe.reports.semantic_report import SemanticReport


def report_of(cosine, names=None, order=None, name="an encoder"):
    names = names or [f"class {place}" for place in range(len(cosine))]
    classes = tuple({"name": one, "n": 10} for one in names)
    return SemanticReport({"spearman_wup": Measurement(0.5)}, name, 100, 8, len(names), classes=classes,
                          leaf_order=tuple(order or range(len(names))), options={"linkage": "average"},
                          centroid_cosine=np.asarray(cosine, float))  # fmt: skip


COSINE = np.array([[1.0, 0.2, 0.9], [0.2, 1.0, 0.3], [0.9, 0.3, 1.0]])


def test_heat_map_shows_the_cosines_in_leaf_order():
    ax = heat_map(report_of(COSINE, ["dog", "car", "cat"], order=[0, 2, 1]))
    (image,) = ax.images
    np.testing.assert_array_equal(np.asarray(image.get_array()), COSINE[np.ix_([0, 2, 1], [0, 2, 1])])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["dog", "cat", "car"]
    assert image.get_clim() == (0.2, 0.9)


def test_heat_map_draws_on_the_axes_it_is_given():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert heat_map(report_of(COSINE), ax) is ax
    assert dendrogram(report_of(COSINE), Figure().subplots()).get_title() == "an encoder, average linkage"


def test_the_colour_scale_is_shared_over_checkpoints():
    other = COSINE.copy()
    other[0, 1] = other[1, 0] = -0.37
    figure = heat_maps([report_of(COSINE), report_of(other, name="another")])
    limits = {ax.images[0].get_clim() for ax in figure.axes if ax.images}
    assert limits == {(-0.4, 0.9)} == {colour_limits([report_of(COSINE), report_of(other)])}
    assert figure.axes[-1].get_ylim() == (-0.4, 0.9)  # the bar says them


@pytest.mark.parametrize(
    ("low", "high", "limits"), [(0.55, 0.97, (0.5, 1.0)), (-0.13, 0.31, (-0.2, 0.4)), (0.911, 0.987, (0.9, 1.0)), (0.0, 1.0, (0.0, 1.0))]
)
def test_the_colours_span_what_the_cosines_span(low, high, limits):
    rng = np.random.default_rng(0)
    cosine = rng.uniform(low, high, (200, 200))
    cosine = (cosine + cosine.T) / 2
    cosine[:20] = cosine[:, :20] = rng.choice([low, high])
    cosine[20:40] = cosine[:, 20:40] = low + high - cosine[0, 1]
    cosine[0, 1] = cosine[1, 0] = -1.0  # one odd pair does not take the contrast from all others
    assert colour_limits([report_of(cosine)]) == limits


def test_equal_cosines_have_a_colour_too():
    assert colour_limits([report_of(np.full((5, 5), 0.6))]) == (0.6, 0.62)
    assert colour_limits([report_of(np.ones((5, 5)))]) == (0.98, 1.0)


def test_a_long_name_takes_several_lines():
    name = "a run folder with words " * 4 + "and_one_word_without_any_space_that_is_longer_than_a_line_of_the_title.pth"
    title = heat_map(report_of(COSINE, name=name)).get_title()
    assert title.replace("\n", "").replace(" ", "") == name.replace(" ", "")
    assert max(map(len, title.split("\n"))) <= 44


def test_many_classes_are_not_named():
    ax = heat_map(report_of(np.eye(80)))
    assert len(ax.get_yticks()) == 0
    assert "80 classes" in ax.get_xlabel()


def test_groups_of_many_classes_are_named_where_they_stand_together():
    report = report_of(np.eye(100))
    spans = (("animal.n.01", 50, [0, 50]), ("dog.n.01", 20, [10, 30]), ("working_dog.n.01", 12, [12, 24]), ("tool.n.01", 20, [60, 65]),
             ("hat.n.01", 10, [90, 100]), ("pin.n.01", 8, [80, 82]))  # fmt: skip
    groups = tuple({"name": name, "n_classes": n, "leaves": leaves} for name, n, leaves in spans)
    ax = heat_map(dataclasses.replace(report, groups=groups))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["dog", "hat"]
    assert ax.get_yticks().tolist() == [19.5, 94.5]
    assert ax.get_yticks(minor=True).tolist() == [9.5, 29.5, 89.5, 99.5]


@pytest.mark.parametrize("n_classes", [12, 60])
def test_nothing_is_cut_at_the_edge(n_classes):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    names = [f"a class with quite a long name {place}" for place in range(n_classes)]
    ax = heat_map(report_of(np.eye(n_classes), names, name="a long name of a run " * 6))
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    drawn = [*ax.get_yticklabels(), *ax.get_xticklabels(), ax.title]
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in drawn]
    assert min(box.x0 for box in boxes) >= 0 and min(box.y0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= 650 and max(box.y1 for box in boxes) <= 500


def test_dendrogram_merges_the_two_that_are_alike_first():
    ax = dendrogram(report_of(COSINE, ["dog", "car", "cat"]))
    assert [label.get_text() for label in ax.get_yticklabels()][1:] == ["dog", "cat"]
    corners = sorted({round(float(x), 6) for path in ax.collections[0].get_paths() for x in path.vertices[:, 0]})
    assert corners == [0.0, 0.1, 0.75]  # 1 - 0.9, then the mean of 1 - 0.2 and 1 - 0.3


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_save_figure_writes_a_file_of_its_kind(tmp_path, suffix):
    path = save_figure(report_of(COSINE, ["a$b", "c", "d"], name="x$y$"), tmp_path / f"figure{suffix}")
    assert path.read_bytes()[:4] in (b"\x89PNG", b"%PDF", b"<?xm")


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"the figure must end in \.png, \.pdf, \.svg; got 'x\.docx'"):
        save_figure(report_of(COSINE), "x.docx")


def test_a_report_without_its_matrix_is_refused():
    report = SemanticReport.from_dict(report_of(COSINE).to_dict())
    with pytest.raises(InputError, match=r"report must hold the cosines of its centroids; got one read from JSON alone"):
        heat_map(report)


def test_importing_the_plots_does_not_load_matplotlib():
    code = "import sys, repr_probe.plots.semantic; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
