from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from repr_probe.datasets.transform import build_transform
from repr_probe.errors import DatasetError, UsageError
from repr_probe.preprocessing import InputSpec
from repr_probe.visual.pictures import picture_files, read_pictures

INPUT = InputSpec(size=(16, 24), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic", crop_pct=0.875)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def saved(path, image, **options):
    image.save(path, **options)
    return path


def test_images_are_those_of_the_evaluation_transform(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(PIXELS))
    found = read_pictures([path], INPUT)
    assert found.names == ("a.png",) and found.notes == () and len(found) == 1
    assert torch.equal(found.images[0], build_transform(INPUT)(Image.fromarray(PIXELS)))


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_what_is_shown_is_what_the_network_saw(tmp_path, order):
    exact = InputSpec(size=(40, 60), mean=INPUT.mean, std=INPUT.std, order=order)
    found = read_pictures(saved(tmp_path / "a.png", Image.fromarray(PIXELS)), exact)
    assert found.shown.dtype == np.uint8 and found.shown.flags.c_contiguous
    np.testing.assert_array_equal(found.shown[0], PIXELS)


def test_a_grey_encoder_sees_grey(tmp_path):
    found = read_pictures(saved(tmp_path / "a.png", Image.fromarray(PIXELS)), InputSpec(size=(40, 60), mean=(0.5,), std=(0.5,)))
    assert found.images.shape == (1, 1, 40, 60) and found.shown.shape == (1, 40, 60, 3)
    np.testing.assert_array_equal(found.shown[0, ..., 0], np.asarray(Image.fromarray(PIXELS).convert("L")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp"])
def test_exif_rotation_is_applied_and_said(tmp_path, orientation, suffix):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = Image.fromarray(np.kron(PIXELS[:5, :4], np.ones((8, 8, 1), np.uint8)))
    path = saved(tmp_path / f"turned.{suffix}", content, exif=exif)
    found = read_pictures(path, INPUT)
    with Image.open(path) as again:
        upright = ImageOps.exif_transpose(again)
    assert torch.equal(found.images[0], build_transform(INPUT)(upright))
    assert found.notes == (() if orientation == 1 else (f"turned.{suffix}: turned as its EXIF tag says",))


def test_departures_are_said_with_the_name_of_the_file(tmp_path):
    picture = Image.fromarray(PIXELS)
    saved(tmp_path / "1.jpg", picture.convert("CMYK"))
    saved(tmp_path / "2.png", Image.fromarray(PIXELS[..., 0].astype(np.uint16) << 8))
    saved(tmp_path / "3.png", picture.convert("RGBA"))
    saved(tmp_path / "4.gif", picture.quantize(16), save_all=True, append_images=[picture.rotate(90).quantize(16)])
    saved(tmp_path / "5.png", picture.quantize(16), transparency=3)
    saved(tmp_path / "6.png", picture.quantize(256))
    found = read_pictures(tmp_path, INPUT)
    assert found.names == ("1.jpg", "2.png", "3.png", "4.gif", "5.png", "6.png")
    assert found.notes == (
        "1.jpg: CMYK converted to RGB without its colour profile", "2.png: of 16 bits the upper 8 kept", "3.png: transparency dropped",
        "4.gif: the first of 2 frames taken", "5.png: transparency dropped",
    )  # fmt: skip
    assert torch.equal(found.images[1], read_pictures(saved(tmp_path / "8bit.bmp", Image.fromarray(PIXELS[..., 0])), INPUT).images[0])
    assert torch.equal(found.images[2], build_transform(INPUT)(picture))


def test_folders_expand_sorted_without_hidden_files(tmp_path):
    for place in ("b/2.png", "b/1.png", "a/2.png", ".thumbs/0.png", "b/.1.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        saved(tmp_path / place, Image.fromarray(PIXELS))
    (tmp_path / "a" / "labels.txt").write_text("no image")
    files = picture_files([tmp_path / "b" / "2.png", tmp_path])
    assert [path.relative_to(tmp_path).as_posix() for path in files] == ["b/2.png", "a/2.png", "b/1.png", "b/2.png"]
    names = read_pictures(tmp_path, INPUT).names
    assert names[1] == "1.png" and names[0].endswith("a/2.png") and names[2].endswith("b/2.png")


def cut(path):
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "PNG")
    path.write_bytes(content.getvalue()[:2000])
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (cut, r"^image must be readable; got .*x\.png: [^\n]*; replace or remove the file$"),
        (lambda path: path, r"^image must be a file or a folder of images; got .*x\.png, which is not there$"),
        (lambda path: saved(path, Image.new("RGB", (9, 1))), r"^image must have sides of 2 pixels or more; got .*x\.png of 9 x 1$"),
        (lambda path: saved(path, Image.new("RGB", (2, 300))), r"^image must be no strip over 100 : 1; got .*x\.png of 2 x 300; crop it$"),
        (lambda path: saved(path, Image.new("LAB", (9, 9)), format="TIFF"), r"^image must be grey, RGB, palette or CMYK; got .*x\.png in mode LAB"),
        (lambda path: saved(path, Image.new("F", (9, 9)), format="TIFF"), r"^image must have 8 or 16 bits per channel; got .*x\.png in mode F"),
        (lambda path: path.mkdir() or path, r"^folder must hold images \(.*\); got none in .*x\.png$"),
    ],
)  # fmt: skip
def test_bad_files_are_one_line_with_their_name(tmp_path, make, message):
    with pytest.raises(DatasetError, match=message):
        read_pictures([make(tmp_path / "x.png")], INPUT)


def test_no_image_is_refused():
    with pytest.raises(UsageError, match="images must be one file or folder at least; got none"):
        read_pictures([], INPUT)
