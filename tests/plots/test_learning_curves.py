from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from repr_probe.errors import InputError, UsageError
from repr_probe.plots.figures import save_figure
from repr_probe.plots.learning_curves import learning_curves, mean_and_sd

X = np.arange(0, 50, 5)
RUNS = {
    "kappa 1": [(X, X / 100.0), (X, X / 100.0 + 0.02)],
    "kappa 10": [(X, 0.4 - X / 200.0), (X, 0.4 - X / 200.0 + 0.06)],
}


def test_lines_are_means_and_bands_are_one_sd():
    ax = learning_curves(RUNS, label="kNN", over="epoch")
    first, second = ax.get_lines()[:2]
    np.testing.assert_allclose(first.get_ydata(), X / 100.0 + 0.01)
    np.testing.assert_allclose(second.get_ydata(), 0.4 - X / 200.0 + 0.03)
    band = ax.collections[0].get_paths()[0].vertices
    low, high = band[:, 1][band[:, 0] == 20].min(), band[:, 1][band[:, 0] == 20].max()
    assert high - low == pytest.approx(2 * 0.02 / np.sqrt(2))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "kNN")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["kappa 1", "kappa 10"]
    assert ax.get_legend().get_title().get_text() == "mean ± SD of 2 seeds"


def test_one_run_has_no_band_and_no_legend():
    ax = learning_curves({"run": [(X, X)]})
    assert len(ax.collections) == 0
    assert ax.get_legend() is None


def test_lines_differ_by_colour_and_by_style():
    ax = learning_curves({str(number): [(X, X + number)] for number in range(14)})
    looks = {(line.get_color(), str(line._dash_pattern)) for line in ax.get_lines()}
    assert len(looks) == 14


def test_only_places_that_every_seed_has_are_averaged():
    x, mean, sd = mean_and_sd([([0, 10, 20], [0, 1, 2]), ([10, 20, 30], [3, 4, 5]), ([0, 20], [0, 9])])
    assert (x.tolist(), mean.tolist()) == ([20.0], [5.0])
    assert sd == pytest.approx(np.std([2, 4, 9], ddof=1))


def test_the_enlarged_part_shows_the_span_and_what_lies_in_it():
    ax = learning_curves(RUNS, zoom=(35, 45))
    (inset,) = ax.child_axes
    assert inset.get_xlim() == (35, 45)
    low, high = inset.get_ylim()
    assert low < 0.4 - 45 / 200.0
    assert high > 0.46
    assert len(inset.get_lines()) == len(RUNS)


def test_the_enlarged_part_stands_where_no_curve_is():
    ax = learning_curves({"rises": [(X, 1 - np.exp(-X / 10))]}, zoom=(30, 45))
    left, bottom = ax.child_axes[0].get_axes_locator()(ax.child_axes[0], None).get_points()[0]
    whole = ax.get_position()
    assert left > whole.x0 + 0.4 * whole.width
    assert bottom < whole.y0 + 0.2 * whole.height


def test_axes_of_the_caller_are_used_and_files_written(tmp_path):
    from matplotlib.figure import Figure

    ax = Figure(layout="constrained").subplots()
    assert learning_curves(RUNS, ax, title="a$b$") is ax
    for suffix, magic in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xm")):
        assert save_figure(ax, tmp_path / f"curves{suffix}").read_bytes()[:4] == magic
    with pytest.raises(UsageError, match=r"the figure must end in \.png, \.pdf, \.svg; got"):
        save_figure(ax, tmp_path / "curves.docx")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="runs must hold at least one run for every setting; got none"):
        learning_curves({})
    with pytest.raises(InputError, match="each run must be two rows of equal length"):
        learning_curves({"a": [([1, 2], [1])]})
    with pytest.raises(InputError, match="the runs of a setting must have places in common; those of a have none"):
        learning_curves({"a": [([1], [1]), ([2], [2])]})
    with pytest.raises(InputError, match="zoom must be two places with points of the curves between them; got 60 to 70"):
        learning_curves(RUNS, zoom=(60, 70))


def test_importing_the_plots_does_not_load_matplotlib():
    code = "import sys, repr_probe.plots.learning_curves; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
