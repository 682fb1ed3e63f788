from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from repr_probe.datasets.image_sources import ChosenSource, PackedSource, read_image
from repr_probe.errors import DatasetError


def noise():
    return np.random.default_rng(0).integers(256, size=(40, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif", "gif", "ppm"])
def test_truncated_file_is_an_error_that_names_it(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise()).save(path)
    assert read_image(path).size == (60, 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DatasetError, match=rf"image must be readable; got .*cut\.{suffix}: .*; replace or remove the file") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\0" * 500, b"<html>", b"\xff\xd8\xff\xe0" + b"\0" * 50, b"\x89PNG\r\n\x1a\n" + b"x" * 60])
def test_no_image(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"image must be readable; got .*x\.png: "):
        read_image(tmp_path / "x.png")


def test_random_damage_never_escapes_as_another_error(tmp_path):
    generator = np.random.default_rng(1)
    for suffix in ("jpg", "png", "tif", "gif"):
        path = tmp_path / f"x.{suffix}"
        Image.fromarray(noise()).save(path)
        whole = bytearray(path.read_bytes())
        for _ in range(40):
            damaged = bytearray(whole)
            for place in generator.integers(len(whole), size=8):
                damaged[place] = int(generator.integers(256))
            path.write_bytes(damaged)
            try:
                read_image(path)
            except DatasetError as error:
                assert path.name in str(error)


def test_vanished_file(tmp_path):
    with pytest.raises(DatasetError, match=r"must keep its files while it is read; got no .*gone\.png"):
        read_image(tmp_path / "gone.png")


def test_absurd_size(tmp_path, monkeypatch):
    Image.new("L", (300, 300)).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DatasetError, match=r"must have a sane size; got .*big\.png"):
        read_image(tmp_path / "big.png")


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert np.asarray(read_image(tmp_path / "deep.png")).tolist() == [[0, 0, 1, 128, 255]]


def test_32_bit_is_refused(tmp_path):
    Image.fromarray(np.ones((3, 3), dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DatasetError, match=r"8 or 16 bits per channel; got .*float\.tif in mode F"):
        read_image(tmp_path / "float.tif")


def test_broken_text_in_a_png_does_not_matter(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 100)
    Image.fromarray(noise()).save(tmp_path / "text.png", pnginfo=info)
    assert read_image(tmp_path / "text.png").mode == "RGB"


def twelve_images():
    return np.arange(12 * 4, dtype=np.uint8).reshape(12, 2, 2)


def test_packed_source_leaves_its_pixels_behind_when_pickled():
    source = PackedSource(twelve_images, 12, np.zeros((12, 500, 500), np.uint8))
    pickled = pickle.dumps(source)
    assert len(pickled) < 500
    again = pickle.loads(pickled)
    assert len(again) == 12
    assert np.asarray(again.image(3)).tolist() == [[12, 13], [14, 15]]


def test_chosen_rows():
    chosen = ChosenSource(PackedSource(twelve_images, 12), np.array([2, 5]))
    assert len(chosen) == 2
    assert np.asarray(chosen.image(1)).tolist() == [[20, 21], [22, 23]]
