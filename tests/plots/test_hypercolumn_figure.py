"""The figure of hypercolumns: which picture stands where, and the bars."""

from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.plots.hypercolumns import HypercolumnRow, hypercolumn_figure, share_bars


def row(n=3, layers=("one", "two"), **more):
    share = np.linspace(1, 2, len(layers))[:, None] * np.ones(3)
    pictures = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 70, 70, 3), np.uint8)
    return HypercolumnRow(pictures, np.array([0.5, 0.25, 0.125]), layers, share / share.sum(0), np.full(len(layers), 1 / len(layers)), **more)


def test_every_picture_is_in_its_row_and_column():
    figure = hypercolumn_figure({"net": row(3)}, np.zeros((3, 70, 70, 3), np.uint8), ["a", "b", "c"], heading="what", per_line=2)
    shown = [ax.images[0].get_array()[0, 0, 0] for ax in figure.axes if ax.images]
    assert shown == [0, 0, 0, 1, 0, 2]  # photograph and colours, image by image
    assert [ax.get_title() for ax in figure.axes if ax.get_title()] == ["a", "b", "c"]


def test_bars_add_up_and_name_component_and_share():
    ax = hypercolumn_figure({"net": row(1)}, np.zeros((1, 70, 70, 3), np.uint8)).axes[-1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["all variance", "red, PC1 50.0%", "green, PC2 25.0%", "blue, PC3 12.5%"]
    widths = np.array([[bar.get_width() for bar in container] for container in ax.containers])  # (layers, 4)
    np.testing.assert_allclose(widths.sum(0), 1.0)
    np.testing.assert_allclose(widths[:, 0], 0.5)
    np.testing.assert_allclose(widths[1, 1:] / widths[0, 1:], 2.0)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]


def test_components_that_differ_and_many_layers():
    figure = hypercolumn_figure({"net": row(1)}, np.zeros((1, 70, 70, 3), np.uint8))
    many = row(1, layers=[f"block{number}" for number in range(9)], components=None, said="r with the first: 1.00")
    ax = share_bars(many, figure.add_subplot())
    assert [label.get_text() for label in ax.get_yticklabels()][1:] == ["red 50.0%", "green 25.0%", "blue 12.5%"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["block0 to", "block8"] and ax.texts[0].get_text() == many.said


def test_rows_of_other_images():
    with pytest.raises(InputError, match="rows must hold the pictures of the same 2 images; got net: 3"):
        hypercolumn_figure({"net": row(3)}, np.zeros((2, 70, 70, 3), np.uint8))
