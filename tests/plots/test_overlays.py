from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from repr_probe.errors import InputError, UsageError
from repr_probe.plots.figures import save_figure
from repr_probe.plots.overlays import blended, overlay, picture_grid, resized

PICTURE = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
HEAT = np.arange(12.0).reshape(3, 4)


def texts(figure):
    found = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        found += [ax.get_title(), ax.get_xlabel(), *(text.get_text() for text in ax.texts)]
    return found


def test_resizing_is_torchs_bilinear():
    torch = pytest.importorskip("torch")
    wanted = torch.nn.functional.interpolate(torch.from_numpy(HEAT)[None, None], (32, 48), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(resized(HEAT, (32, 48)), wanted.numpy(), atol=1e-12)
    smaller = torch.nn.functional.interpolate(torch.from_numpy(HEAT)[None, None], (2, 3), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(resized(HEAT, (2, 3)), smaller.numpy(), atol=1e-12)


def test_a_higher_map_is_brighter_and_a_flat_one_stays_flat():
    grey = np.full((8, 8, 3), 128, np.uint8)
    drawn = blended(np.zeros_like(grey), np.array([[0.0, 1.0], [0.25, 0.5]])).sum(axis=2).astype(int)
    assert drawn[0, 0] < drawn[-1, 0] < drawn[-1, -1] < drawn[0, -1]
    assert np.ptp(blended(grey, np.array([[1.0, 1.0 - 1e-9], [1.0, 1.0]])).astype(int)) <= np.ptp(blended(grey, np.ones((2, 2))).astype(int))
    np.testing.assert_array_equal(blended(grey, np.full((2, 2), 0.5), top=1.0), blended(grey, np.full((3, 1), 2.0), top=4.0))


@pytest.mark.parametrize(
    ("heat", "reason"),
    [(np.zeros((4, 4)), "no positive value"), (-np.ones((4, 4)), "no positive value"), (np.full((4, 4), np.nan), "not numbers"),
     ("gradient is zero", "gradient is zero"), (None, "none given")],
)  # fmt: skip
def test_a_dead_map_is_never_stretched(heat, reason):
    ax = overlay(PICTURE, heat)
    assert [text.get_text().replace("\n", " ") for text in ax.texts] == [f"no map: {reason}"] or reason in ax.texts[0].get_text().replace("\n", " ")
    shown = ax.images[0].get_array()
    assert np.ptp(shown, axis=2).max() == 0  # grey: no colour of a scale
    assert len(ax.figure.axes) == 1


def test_grid_has_a_row_a_checkpoint_and_whole_names():
    long = "n02123045_a_very_long_name_of_a_picture_with_many_words.JPEG"
    rows = {"resnet50-with-a-long-name-$x$.pth": [(PICTURE, HEAT), (PICTURE, "dead layer")], "b": [(PICTURE, HEAT), PICTURE]}
    figure = picture_grid(rows, ["tabby", long], images=[PICTURE, PICTURE], heading="SmoothGrad-CAM, LayerCAM", captions={"b": ["one", "two"]})
    assert len(figure.axes) == 3 * 2 + 1  # and the colour bar
    words = [text.replace("\n", "") for text in texts(figure)]
    assert long in words and "resnet50-with-a-long-name-$x$.pth" in words and "image" in words
    assert "no map: dead layer" in words and "two" in words


def test_nothing_is_cut_and_no_texts_meet(tmp_path):
    figure = picture_grid({f"checkpoint-number-{k}": [(PICTURE, HEAT)] * 5 for k in range(2)}, [f"picture_{k}_" + "saxophone" * 3 for k in range(5)],
                          heading="a heading " * 20, per_line=3)  # fmt: skip
    figure.draw_without_rendering()
    canvas = figure.bbox
    boxes = [text.get_window_extent() for text in figure.texts] + [ax.title.get_window_extent() for ax in figure.axes if ax.get_title()]
    assert all(box.x0 >= 0 and box.x1 <= canvas.x1 and box.y0 >= -1 and box.y1 <= canvas.y1 + 1 for box in boxes)
    panels = [ax.get_window_extent() for ax in figure.axes]
    assert not any(one.overlaps(other) for one in boxes for other in panels)
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])


def test_a_grid_of_plain_pictures_has_no_colour_bar():
    assert len(picture_grid({"a": [PICTURE, PICTURE]}).axes) == 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"rows must hold the same number of pictures, at least one; got a: 1, b: 2"):
        picture_grid({"a": [PICTURE], "b": [PICTURE] * 2})
    with pytest.raises(InputError, match=r"titles must be one a picture, 1; got 2"):
        picture_grid({"a": [PICTURE]}, ["x", "y"])
    with pytest.raises(InputError, match=r"image must be uint8 of shape \(height, width, 3\); got float64 of \(32, 48, 3\)"):
        overlay(PICTURE / 255, HEAT)
    with pytest.raises(InputError, match=r"map must have the shape \(height, width\); got \(1, 3, 4\)"):
        overlay(PICTURE, HEAT[None])
    with pytest.raises(UsageError, match=r"the figure must end in .png, .pdf, .svg; got 'x.jpg'"):
        save_figure(picture_grid({"a": [PICTURE]}), "x.jpg")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_files_of_every_kind_are_reproducible(suffix, tmp_path):
    first, second = (save_figure(picture_grid({"a": [(PICTURE, HEAT)]}), tmp_path / f"{name}{suffix}") for name in "ab")
    assert first.read_bytes() == second.read_bytes() and first.stat().st_size > 1000
    assert save_figure(overlay(PICTURE, HEAT), tmp_path / f"c{suffix}").is_file()


def test_pyplot_is_left_alone():
    code = "import numpy as np, sys; from repr_probe.plots.overlays import overlay; overlay(np.zeros((4, 4, 3), np.uint8), np.eye(2)); "
    subprocess.run([sys.executable, "-c", code + "assert not {'matplotlib.pyplot', 'torch'} & set(sys.modules)"], check=True)
