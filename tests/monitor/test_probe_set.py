from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.datasets.open import open_dataset
from repr_probe.datasets.transform import normalise_pixels
from repr_probe.errors import UsageError
from repr_probe.monitor.geometry_monitor import GeometryMonitor
from repr_probe.monitor.probe_accuracy import alternate_rows
from repr_probe.monitor.probe_set import probe_set
from repr_probe.preprocessing import InputSpec

INPUT = InputSpec(size=(8, 8), mean=(0.3,), std=(0.4,))


def test_the_draw_is_that_of_limit():
    opened = open_dataset("digits", INPUT, limit=30, seed=4)
    images, labels = probe_set("digits", INPUT, limit=30, seed=4)
    assert torch.equal(images, torch.stack([opened[row] for row in range(30)]))
    np.testing.assert_array_equal(labels, opened.labels)
    assert np.bincount(labels).tolist() == [3] * 10


def test_an_open_data_set_gives_the_same_draw():
    by_name = probe_set("digits", INPUT, limit=30, seed=4)
    opened = probe_set(open_dataset("digits", INPUT), limit=30, seed=4)
    assert torch.equal(by_name.images, opened.images)
    np.testing.assert_array_equal(by_name.labels, opened.labels)
    assert len(probe_set("digits", INPUT, limit=None).images) == 450


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="input must say what the encoder wants to see when dataset is a name; got None for digits"):
        probe_set("digits")
    with pytest.raises(UsageError, match="input, split and data_root must be left out for a data set that is open already"):
        probe_set(open_dataset("digits", INPUT), split="train")


def test_alternate_rows_halve_every_class():
    labels = np.random.default_rng(0).integers(0, 5, 101)
    learns = alternate_rows(labels)
    for code in range(5):
        assert learns[labels == code].tolist() == [place % 2 == 0 for place in range((labels == code).sum())]


def test_images_decoded_by_other_processes_are_the_same(tmp_path):
    """600 images of 80 pixels: enough that workers are started."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for label in ("ant", "bee"):
        (tmp_path / label).mkdir()
        for number in range(300):
            Image.fromarray(generator.integers(0, 256, (80, 80, 3), dtype=np.uint8)).save(tmp_path / label / f"{number:03}.bmp")
    opened = open_dataset(tmp_path, InputSpec(size=(80, 80), mean=(0.5,) * 3, std=(0.5,) * 3))
    state = torch.get_rng_state()
    images, labels = probe_set(opened, limit=520, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    chosen = probe_set(opened, limit=10, seed=1)  # draws are nested
    assert np.bincount(labels).tolist() == [260, 260]
    assert all(any(torch.equal(image, other) for other in images) for image in chosen.images)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_pixels_normalised_later_are_the_very_same_floats(tmp_path, order):
    from PIL import Image

    generator = np.random.default_rng(0)
    (tmp_path / "ant").mkdir()
    for number in range(3):
        Image.fromarray(generator.integers(0, 256, (40, 50 + number, 3), dtype=np.uint8)).save(tmp_path / "ant" / f"{number}.png")
    spec = InputSpec(size=(32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), order=order)
    floats, pixels = (probe_set(tmp_path, spec, limit=None, pixels=pixels).images for pixels in (False, True))
    assert pixels.dtype == torch.uint8 and torch.equal(normalise_pixels(pixels, spec), floats)
    later = GeometryMonitor(pixels, encode=lambda model, images: model(normalise_pixels(images, spec)), measures=["anisotropy"])
    at_once = GeometryMonitor(floats, measures=["anisotropy"])
    assert later(torch.nn.Flatten())["anisotropy"] == at_once(torch.nn.Flatten())["anisotropy"]
