from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from repr_probe.errors import DatasetError
from repr_probe.visual.localise.masks import lift_finding, mask_check, mask_ids, read_masked_pictures
from repr_probe.visual.targets import self_target


def write(folder, n=4, images="images", masks="masks"):
    rng = np.random.default_rng(0)
    for name in (images, masks):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(n):
        Image.fromarray(rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)).save(folder / images / f"{number}.png")
        ids = np.zeros((16, 24), np.uint8)
        ids[4:12, 6:18], ids[0], ids[12:14] = 1, 255, 2
        Image.fromarray(ids).save(folder / masks / f"{number}.png")
    return folder


def test_foreground_is_every_id_but_background_and_void(tmp_path, input_spec):
    found = read_masked_pictures(write(tmp_path), input_spec)
    assert found.names == ("0.png", "1.png", "2.png", "3.png") and found.images.shape == (4, 3, 32, 48)
    assert found.inside[0].sum() == (8 * 12 + 2 * 24) * 4 and (~found.valid[0]).sum() == 24 * 4
    assert not (found.inside & ~found.valid).any()
    assert read_masked_pictures(tmp_path, input_spec, foreground=[1]).inside[0].sum() == 8 * 12 * 4
    assert mask_ids(tmp_path) == [0, 1, 2, 255]
    assert found.notes == ("4 masks are few; 30 or more give narrower intervals",)


@pytest.mark.parametrize(("images", "masks"), [("test/images", "test/masks"), ("images/val", "masks/val"), ("train/images", "train/masks")])
def test_splits_are_read_too(tmp_path, input_spec, images, masks):
    assert len(read_masked_pictures(write(tmp_path, 3, images, masks), input_spec, limit=2).names) == 2


def test_voc_is_read(tmp_path, input_spec):
    folder = write(tmp_path / "VOCdevkit" / "VOC2012", 2, "JPEGImages", "SegmentationClass")
    for number in range(2):
        Image.open(folder / "JPEGImages" / f"{number}.png").save(folder / "JPEGImages" / f"{number}.jpg")
    (folder / "ImageSets" / "Segmentation").mkdir(parents=True)
    (folder / "ImageSets" / "Segmentation" / "val.txt").write_text("0\n1\n")
    assert read_masked_pictures(tmp_path, input_spec).names == ("0.jpg", "1.jpg")


def test_pictures_that_tell_nothing_are_left_out_with_a_note(tmp_path, input_spec):
    write(tmp_path)
    Image.fromarray(np.zeros((16, 24), np.uint8)).save(tmp_path / "masks" / "2.png")
    Image.fromarray(np.full((16, 24), 3, np.uint8)).save(tmp_path / "masks" / "3.png")
    found = read_masked_pictures(tmp_path, input_spec)
    assert found.names == ("0.png", "1.png")
    assert found.notes[0] == "2 of 4 masks are foreground everywhere or nowhere and left out"
    with pytest.raises(DatasetError, match=r"masks must hold foreground \(one of the ids 9\) and background; got no such mask among 4 in"):
        read_masked_pictures(tmp_path, input_spec, foreground=[9])


def test_a_folder_without_masks_is_refused(tmp_path, input_spec):
    with pytest.raises(DatasetError, match="dataset folder must hold SPLIT/images and SPLIT/masks"):
        read_masked_pictures(tmp_path, input_spec)


def test_right_maps_have_all_energy_and_flat_maps_none_to_spare(tmp_path, input_spec, subject_with):
    pictures = read_masked_pictures(write(tmp_path), input_spec)
    right = {one.measure: one for one in mask_check(subject_with(lambda images: pictures.inside.astype(float)), pictures, self_target())
             if one.maps == "maps"}  # fmt: skip
    area = right["energy"].chance
    assert right["energy"].value == right["pointing"].value == 1 and right["lift"].value == pytest.approx(1 / area)
    flat = mask_check(subject_with(lambda images: np.ones((4, 4, 4))), pictures, self_target())
    assert [one.value for one in flat[:3]] == pytest.approx([area, 1.0, area])
    assert [one.chance for one in flat[:3]] == pytest.approx([area, 1.0, area])


def test_lift_is_a_ratio_of_means():
    found = lift_finding(np.array([0.4, 0.2, np.nan]), np.array([0.1, 0.2, 0.9]), check="masks", maps="m", target="self")
    assert found.value == pytest.approx(2.0) and (found.n, found.n_dead) == (2, 1)
