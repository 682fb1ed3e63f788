"""Images with masks: VOC's layout, folders, and every way in which a mask can be wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repr_probe.datasets.mask_ids import count_ids, n_classes_of
from repr_probe.datasets.masked_images import read_mask
from repr_probe.datasets.open_masked import open_masked_images
from repr_probe.datasets.voc import VOC_CLASSES
from repr_probe.errors import DatasetError, UsageError
from repr_probe.preprocessing import InputSpec

SPEC = InputSpec(size=(6, 8), mean=(0.5,) * 3, std=(0.5,) * 3)


def write_pair(images: Path, masks: Path, name: str, ids: np.ndarray, *, palette=True):
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*ids.shape, 3), 128, np.uint8)).save(images / f"{name}.jpg")
    mask = Image.fromarray(ids.astype(np.uint8))
    if palette:
        mask.putpalette([value for index in range(256) for value in (index * 7 % 256, 255 - index, index)])
    mask.save(masks / f"{name}.png")


def ids_of(seed, size=(10, 12), n=3, void=255):
    ids = np.random.default_rng(seed).integers(0, n, size)
    ids[0, 0], ids[-1, -1] = void, n - 1
    return ids


@pytest.fixture
def folder(tmp_path):
    for split, count in (("train", 3), ("test", 2)):
        for number in range(count):
            write_pair(tmp_path / split / "images", tmp_path / split / "masks", f"{split}{number}", ids_of(number), palette=number % 2 == 0)
    return tmp_path


@pytest.fixture
def voc(tmp_path):
    home = tmp_path / "VOCdevkit" / "VOC2012"
    (home / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, names in (("train", ["b", "a"]), ("val", ["c"])):
        (home / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            write_pair(home / "JPEGImages", home / "SegmentationClass", name, ids_of(1, n=21))
    return tmp_path


def test_a_folder_with_splits(folder):
    train, test = open_masked_images(folder)
    assert (train.split, len(train), test.split, len(test)) == ("train", 3, "test", 2)
    assert train.class_names == ("class 0", "class 1", "class 2")
    assert train.notes == ("3 classes, by the ids in the training masks; --classes says otherwise",)
    assert np.array_equal(train.mask(1), ids_of(1))
    image = train.image(0, SPEC)
    assert image.shape == (3, 6, 8) and abs(float(image.mean())) < 0.02


def test_palette_masks_are_read_as_indices(folder):
    paths = sorted((folder / "train" / "masks").iterdir())
    for number, (path, mode) in enumerate(zip(paths, ("P", "L", "P"))):
        with Image.open(path) as mask:
            assert mask.mode == mode
        assert np.array_equal(read_mask(path), ids_of(number))


def test_splits_below_images_and_masks(tmp_path):
    for split in ("train", "val"):
        write_pair(tmp_path / "images" / split, tmp_path / "masks" / split, "x", ids_of(0, void=9))
    _, val = open_masked_images(tmp_path, classes=["road", "sky", "car"], ignore_index=9)
    assert (val.split, val.class_names, val.ignore_index) == ("val", ("road", "sky", "car"), 9)


def test_a_mask_at_another_size_keeps_its_ids(folder):
    train, _ = open_masked_images(folder)
    small = train.mask_at(0, (5, 6))
    assert np.array_equal(small, ids_of(0)[1::2, 1::2])  # the centre of two pixels rounds to the second
    assert set(np.unique(train.mask_at(0, (7, 31)))) <= set(np.unique(train.mask(0)))


def test_voc_in_the_layout_of_torchvision(voc):
    train, val = open_masked_images("voc", data_root=voc)
    assert (train.ids, val.ids, val.split) == (("b", "a"), ("c",), "val")
    assert train.class_names == VOC_CLASSES and len(VOC_CLASSES) == 21 and train.ignore_index == 255
    assert train.notes == ("voc train has 2 images; the released split has 1,464",)
    theirs = pytest.importorskip("torchvision.datasets").VOCSegmentation(str(voc), image_set="train")
    assert np.array_equal(np.array(theirs[0][1]), train.mask(0))


def test_a_draw_is_of_both_splits_and_seeded(folder):
    train, test = open_masked_images(folder, limit=2)
    assert (len(train), len(test)) == (2, 2)
    assert open_masked_images(folder, limit=2)[0].ids == train.ids


def spoilt(name: str, root: Path) -> None:
    masks = root / "test" / "masks"
    pictures = {
        "colours": (Image.new("RGB", (12, 10)), "test0.png"),
        "size": (Image.new("L", (5, 5)), "test0.png"),
        "id": (Image.new("L", (12, 10), 7), "test0.png"),
        "twice": (Image.new("L", (12, 10)), "test0.bmp"),
    }
    if name in pictures:
        picture, file = pictures[name]
        picture.save(masks / file)
    elif name == "missing":
        (masks / "test1.png").unlink()
    else:
        (masks / "test0.png").write_bytes(b"no")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("missing", r"every image must have a mask of the same name in .*; 1 of 2 have none: test1.jpg"),
        ("colours", r"mask must hold one class id a pixel \(palette or grey\); got mode RGB in .*test0.png; convert"),
        ("size", r"mask must have the size of its image, 10 x 12; got 5 x 5 in .*test0.png"),
        ("id", r"mask must hold class ids 0 to 2 or void \(255\); got 7 in .*test0.png"),
        ("damaged", r"mask must be a readable image; got .*test0.png"),
        ("twice", r"mask must be one file an image; got test0.bmp and test0.png"),
    ],
)
def test_masks_that_are_wrong_are_named(folder, fault, text):
    spoilt(fault, folder)
    with pytest.raises(DatasetError, match=text):
        open_masked_images(folder)[1].mask(0)


def strayed(root: Path, *values: int, split: str = "train") -> Path:
    """The folder with one pixel of each of `values` in its first training mask, which has 120 of 360 pixels."""
    path = root / split / "masks" / f"{split}0.png"
    ids = read_mask(path)
    ids[5, : len(values)] = values
    Image.fromarray(ids.astype(np.uint8)).save(path)
    return root


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((77,), r"got 0 to 2 and then 77 \(0.28 % of the pixels\) in .*masks; pass --classes 78 where every id is a class, or correct the masks"),
        ((4, 9), r"got 0 to 2 and then 4, 9 \(0.56 % of the pixels\) in .*; pass --classes 10 where every id is a class, or"),
        (tuple(range(10, 18)), r"got 0 to 2 and then 10, 11, 12, 13, 14, 15 and 2 more \(2.2 % of the pixels\)"),
    ],
)
def test_ids_beyond_a_gap_are_refused_with_their_share(folder, values, text):
    strayed(folder, *values)
    with pytest.raises(DatasetError, match=r"masks must hold ids 0, 1, 2 \.\.\. without a gap where classes is not given; " + text):
        open_masked_images(folder)
    largest = max(values) + 1
    assert open_masked_images(folder, classes=largest)[0].n_classes == largest
    with pytest.raises(DatasetError, match=f"mask must hold class ids 0 to 2 or void .255.; got {values[0]} in"):
        open_masked_images(folder, classes=3)[0].mask(0)


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([[0, 1], [77, 77]], r"got 0 to 1 and then 77 \(50 % .*pass --classes 78 where every id is a class, --ignore-index 77 where 77 is void, or"),
        ([[0, 0], [2, 2]], r"got 0 and then 2 \(50 %"),
        ([[1, 1], [2, 255]], r"got no 0 but 1, 2 \(75 % .*pass --classes 3 where every id is a class, or correct"),
        ([[0, 0], [255, 0]], r"masks must hold two classes or more; got 0 alone beside void 255 \(25 % of the pixels\) in .*; say --classes"),
        ([[0, 0], [0, 0]], r"masks must hold two classes or more; got 0 alone in"),
        ([[255, 255]], r"masks must have a pixel that is not void \(255\); got none in"),
    ],
)
def test_ids_that_are_no_list_of_classes(tmp_path, ids, text):
    for split in ("train", "test"):
        write_pair(tmp_path / split / "images", tmp_path / split / "masks", "x", np.array(ids))
    with pytest.raises(DatasetError, match=text):
        open_masked_images(tmp_path)


def test_pixels_are_counted_over_all_masks(tmp_path):
    arrays = {"a": np.array([[0, 1], [1, 255]], np.uint8), "b": np.array([[3, 3, 0]], np.uint8), "c": np.array([[70_000, 0]], np.int32)}
    for name, array in arrays.items():
        Image.fromarray(array).save(tmp_path / f"{name}.tif")
    counts = count_ids([tmp_path / f"{name}.tif" for name in arrays])
    values, pixels = np.unique(np.concatenate([array.ravel().astype(int) for array in arrays.values()]), return_counts=True)
    assert counts == dict(zip(values.tolist(), pixels.tolist())) and list(counts) == sorted(counts)


def test_a_damaged_image_is_named(folder):
    (folder / "test" / "images" / "test0.jpg").write_bytes(b"no")
    with pytest.raises(DatasetError, match=r"dataset must hold readable images; got .*test0.jpg"):
        open_masked_images(folder)[1].image(0, SPEC)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"split": "val"}, DatasetError, "split must be one of train, test; got val"),
        ({"split": "train"}, UsageError, "split must be the held-out one; got 'train', on which the probe is trained"),
        ({"classes": ["a", "a"]}, UsageError, "classes must be a number of 2 or more, or as many different names; got"),
        ({"classes": 1}, UsageError, "classes must be a number of 2 or more, or as many different names; got 1"),
    ],
)
def test_options_that_do_not_fit(folder, options, error, text):
    with pytest.raises(error, match=text):
        open_masked_images(folder, **options)


def test_folders_that_are_none(tmp_path, folder):
    with pytest.raises(DatasetError, match=r"dataset must be voc or a folder with .*; got .*nowhere, which is not there"):
        open_masked_images(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"dataset folder must hold SPLIT/images .*; got images, masks in"):
        open_masked_images(folder / "train")
    for path in (folder / "train").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"dataset folder must hold images .*; got none in"):
        open_masked_images(folder)


def test_voc_that_is_not_whole(voc, tmp_path):
    with pytest.raises(DatasetError, match="split must be train or val; got 'test' for voc; the test masks are not public"):
        open_masked_images("voc", data_root=voc, split="test")
    with pytest.raises(UsageError, match="classes and ignore_index must be left out for voc"):
        open_masked_images("voc", data_root=voc, classes=3)
    with pytest.raises(DatasetError, match=r"dataset voc must lie at .*VOC2012 .*download=True\) puts it there"):
        open_masked_images("voc", data_root=tmp_path / "elsewhere")
    (voc / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"dataset voc must hold the mask of every name in train.txt; 1 are missing: a.png"):
        open_masked_images("voc", data_root=voc)


def test_camvid_is_read_as_it_lies():
    root = os.environ.get("REPR_PROBE_TEST_DATA")
    if not root or not (Path(root) / "camvid").is_dir():
        pytest.skip("set REPR_PROBE_TEST_DATA to a folder with camvid/")
    train, test = open_masked_images(Path(root) / "camvid", ignore_index=11)
    assert (len(train), len(test), train.n_classes) == (90, 60, 11)
    assert test.mask(0).shape == (192, 256)


def test_a_void_among_the_classes_leaves_no_gap(tmp_path):
    assert n_classes_of({0: 10, 1: 5, 2: 5}, void=0, where=tmp_path) == 3
    assert n_classes_of({0: 10, 1: 5, 2: 5}, void=1, where=tmp_path) == 3
    with pytest.raises(DatasetError, match=r"got no 0 but 1, 2 \(100 % of the pixels\)"):
        n_classes_of({1: 5, 2: 5}, void=255, where=tmp_path)
