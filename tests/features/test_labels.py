from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from repr_probe.errors import InputError
from repr_probe.features.labels import encode_labels

EXPECTED = [2, -1, 0, 2, 1]


@pytest.mark.parametrize(
    "labels",
    [
        [30, -1, 7, 30, 12],
        (30, -1, 7, 30, 12),
        iter([30, -1, 7, 30, 12]),
        np.array([30, -1, 7, 30, 12], np.int16),
        np.array([[30], [-1], [7], [30], [12]]),
        np.array([30.0, np.nan, 7.0, 30.0, 12.0]),
        [30.0, -1.0, 7.0, 30.0, 12.0],
        [np.float32(30), np.float32(-1), np.float32(7), np.float32(30), np.float32(12)],
        [30, None, 7, 30, 12],
        [np.int64(30), None, np.int64(7), np.int64(30), np.int64(12)],
        np.ma.masked_equal([30, 99, 7, 30, 12], 99),
        ["sea", None, "ant", "sea", "cat"],
        [b"sea", None, b"ant", b"sea", b"cat"],
        [(2, "z"), None, (1, "a"), (2, "z"), (1, "b")],
        [2**70, -1, -(2**70), 2**70, 0],
        ["b", None, 3, "b", "a"],  # no common order: by type name, then text
        pd.Series(["sea", None, "ant", "sea", "cat"]),
        pd.Series([30, None, 7, 30, 12], dtype="Int64"),
        pd.Categorical(["sea", None, "ant", "sea", "cat"]),
        torch.tensor([30, -1, 7, 30, 12]),
        torch.tensor([30, -1, 7, 30, 12], dtype=torch.bfloat16),
        [torch.tensor(30), torch.tensor(-1), torch.tensor(7), torch.tensor(30), torch.tensor(12)],
    ],
    ids=lambda labels: f"{type(labels).__name__}",
)
def test_codes_follow_the_sorted_labels_whatever_holds_them(labels):
    codes, names = encode_labels(labels)
    assert codes.dtype == np.int64
    assert codes.tolist() == EXPECTED
    assert len(names) == 3


def test_names_are_the_labels_as_text():
    assert encode_labels([30.0, 7.5])[1] == ("7.5", "30")
    assert encode_labels([b"sea"])[1] == ("sea",)
    assert encode_labels(np.array([True, False]))[1] == ("False", "True")


@pytest.mark.parametrize("labels", [[-1, -1], [None, None], [float("nan")] * 2, np.array([-1, -1]), []])
def test_no_label_at_all(labels):
    assert encode_labels(labels) == (None, ())


def test_the_text_minus_one_is_a_label():
    codes, names = encode_labels(["-1", "2"])
    assert codes.tolist() == [0, 1]
    assert names == ("-1", "2")


def test_unsigned_labels_have_no_missing_value():
    assert encode_labels(np.array([255, 0], np.uint8))[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "expected"), [([2, 0, -1], [2, 0, -1]), (["fig", "elm", None], [2, 1, -1]), (np.array([0, 2, 1], np.uint8), [0, 2, 1])]
)
def test_given_class_names_fix_the_codes(labels, expected):
    codes, names = encode_labels(labels, class_names=["oak", "elm", "fig"])
    assert codes.tolist() == expected
    assert names == ("oak", "elm", "fig")


def test_given_class_names_stay_without_any_label():
    assert encode_labels([-1, -1], class_names=["oak"]) == (None, ("oak",))
    assert encode_labels([None], class_names=["oak"]) == (None, ("oak",))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.eye(3), r"labels must be one-dimensional, one per row; got shape \(3, 3\) \(one-hot rows: pass labels.argmax\(1\)\)"),
        (5, "labels must be a sequence, one per row; got int"),
        ({1, 2}, "labels must be a sequence, one per row; got set"),
        ({1: 2}, "labels must be a sequence, one per row; got dict"),
        ("ab", "labels must be a sequence, one per row; got str"),
        ([[1], [2]], "labels must be hashable; got unhashable type: 'list'"),
    ],
)
def test_what_labels_may_not_be(labels, text):
    with pytest.raises(InputError, match=text):
        encode_labels(labels)


def test_labels_outside_the_class_names():
    with pytest.raises(InputError, match=r"labels must lie in -1\.\.1 for 2 class_names; got 7 in row 1"):
        encode_labels([0, 7], class_names=["a", "b"])
    with pytest.raises(InputError, match=r"labels must lie in -1\.\.1 for 2 class_names; got -2 in row 0"):
        encode_labels([-2, 7], class_names=["a", "b"])
    with pytest.raises(InputError, match="labels must occur in class_names; got 'c'"):
        encode_labels(["a", "c"], class_names=["a", "b"])
