from __future__ import annotations

import json

import numpy as np
import pytest
import torchvision.datasets

from repr_probe.datasets.open import open_dataset
from repr_probe.errors import DatasetError


@pytest.mark.parametrize("split", ["train", "test"])
def test_same_images_and_labels_as_torchvision(food_root, rgb, split):
    ours = open_dataset("food101", rgb, split=split, data_root=food_root)
    theirs = torchvision.datasets.Food101(food_root, split=split)
    assert list(ours.class_names) == theirs.classes == ["apple_pie", "waffles"]
    as_torchvision_sorts = sorted(zip(theirs._image_files, theirs._labels), key=lambda pair: pair[1])
    assert [food_root / "food-101" / name for name in ours.ids] == [path for path, _ in as_torchvision_sorts]
    assert ours.labels.tolist() == [label for _, label in as_torchvision_sorts]
    theirs_by_file = {path: theirs[i][0] for i, path in enumerate(theirs._image_files)}
    for i, name in enumerate(ours.ids):
        assert np.array_equal(np.asarray(ours.image(i)), np.asarray(theirs_by_file[food_root / "food-101" / name]))


def test_missing_image(food_root, rgb):
    (food_root / "food-101/images/waffles/101.jpg").unlink()
    with pytest.raises(DatasetError, match=r"must be complete; got no readable .*waffles/101\.jpg"):
        open_dataset("food101", rgb, data_root=food_root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "must be readable JSON"),
        ("[]", "must give a list of images per class"),
        ("{}", "must give a list of images per class"),
        (json.dumps({"a": []}), "must give a list of images per class"),
        (json.dumps({"a": ["../../secret"]}), "must name images below images/; got '../../secret'"),
        (json.dumps({"a": ["/etc/x"]}), "must name images below images/"),
        (json.dumps({"a": [3]}), "must name images below images/; got '3'"),
    ],
)
def test_bad_list(food_root, rgb, content, message):
    (food_root / "food-101/meta/test.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        open_dataset("food101", rgb, data_root=food_root)
