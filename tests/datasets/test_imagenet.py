from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repr_probe.classes.wnids import imagenet100_wnids, imagenet_names
from repr_probe.datasets.open import open_dataset
from repr_probe.errors import DatasetError


@pytest.fixture(scope="module")
def imagenet_root(tmp_path_factory) -> Path:
    """val with one image in each of the 1,000 class folders, and a folder of no class."""
    root = tmp_path_factory.mktemp("root")
    Image.new("RGB", (9, 7), (1, 2, 3)).save(root / "one.png")
    content = (root / "one.png").read_bytes()
    for wnid in (*imagenet_names(), "n99999999"):
        folder = root / "imagenet" / "val" / wnid
        folder.mkdir(parents=True)
        (folder / f"{wnid}_1.JPEG").write_bytes(content)
    return root


def test_imagenet(imagenet_root, rgb):
    dataset = open_dataset("imagenet", rgb, data_root=imagenet_root)
    assert dataset.split == "val"
    assert dataset.labels.tolist() == list(range(1000))
    assert dataset.wnids == tuple(imagenet_names())
    assert dataset.class_names[0] == "tench"
    assert len(set(dataset.class_names)) == 1000
    assert dataset.ids[0] == "val/n01440764/n01440764_1.JPEG"
    assert dataset.notes == ("imagenet val has 1000 images here; the published split has 50000",)
    assert dataset[999].shape == (3, 16, 16)


def test_data_root_may_be_the_folder_itself(imagenet_root, rgb):
    inside = open_dataset("imagenet", rgb, data_root=imagenet_root / "imagenet")
    assert inside.fingerprint == open_dataset("imagenet", rgb, data_root=imagenet_root).fingerprint


def test_imagenet100(imagenet_root, rgb):
    dataset = open_dataset("imagenet100", rgb, data_root=imagenet_root)
    assert dataset.name == "imagenet100"
    assert dataset.wnids == imagenet100_wnids()
    assert len(dataset) == 100


def test_own_list_of_wnids(imagenet_root, rgb, tmp_path):
    listing = tmp_path / "mine.txt"
    listing.write_text("# two of them\nn02012849 crane\nn01440764\n")
    dataset = open_dataset(f"imagenet:{listing}", rgb, data_root=imagenet_root)
    assert dataset.name == "imagenet:mine.txt"
    assert dataset.wnids == ("n01440764", "n02012849")
    assert dataset.labels.tolist() == [0, 1]


def test_missing_class_folder(imagenet_root, rgb, tmp_path):
    for wnid in list(imagenet100_wnids())[:98]:
        shutil.copytree(imagenet_root / "imagenet/val" / wnid, tmp_path / "val" / wnid)
    (tmp_path / "val" / imagenet100_wnids()[98]).mkdir()
    with pytest.raises(DatasetError, match=f"all 100 class folders of .*; 2 are missing or empty, first {imagenet100_wnids()[98]}"):
        open_dataset("imagenet100", rgb, data_root=tmp_path)


def test_flat_official_images(rgb, tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"one folder per wnid; got all images directly in .*torchvision\.datasets\.ImageNet\("):
        open_dataset("imagenet", rgb, data_root=tmp_path)


def test_unopened_archive(rgb, tmp_path):
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"got the archive .*ILSVRC2012_img_val.tar; sort them"):
        open_dataset("imagenet", rgb, data_root=tmp_path)


def test_missing(rgb, tmp_path):
    with pytest.raises(DatasetError, match=r"got no imagenet in .*imagenet/val or .*: get ILSVRC 2012 from https://image-net.org.*--data-root"):
        open_dataset("imagenet", rgb, data_root=tmp_path)


def test_no_test_split(rgb, tmp_path):
    with pytest.raises(DatasetError, match="split must be one of train, val for imagenet; got 'test'"):
        open_dataset("imagenet", rgb, split="test", data_root=tmp_path)


def test_limit_is_balanced_over_classes(imagenet_root, rgb):
    dataset = open_dataset("imagenet", rgb, data_root=imagenet_root, limit=40, seed=1)
    assert np.unique(dataset.labels).size == 40
    assert any("leaves 960 of 1000 classes without an image" in note for note in dataset.notes)
