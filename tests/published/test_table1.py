from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from repr_probe.published.table1 import published_accuracy

_LINE = re.compile(r"^([A-Za-z]+)\*? (?:RN18|RN50|VIT-T16) (\d+\.\d\d) (\d+\.\d\d) (\d+\.\d\d) (\d+\.\d\d)$", re.MULTILINE)
_SIZES = {"stl10": 8, "cifar10": 7, "cifar100": 7, "food101": 7, "imagenet": 9, "imagenet100": 1}
_KEYS = ("linear_top1", "linear_top5", "knn_top1", "knn_top5")


def test_every_data_set_of_the_table_and_no_other():
    assert {name: len(published_accuracy(name)) for name in _SIZES} == _SIZES
    assert published_accuracy("digits") == ()


@pytest.mark.parametrize(
    ("dataset", "method", "key", "printed"),
    [
        ("stl10", "HyDeS, ViT-Tiny/16", "linear_top1", "85.98"),
        ("cifar10", "Supervised, ResNet-18", "knn_top1", "84.16"),
        ("cifar100", "VICReg, ResNet-18", "knn_top5", "57.61"),
        ("food101", "Barlow Twins, ResNet-18", "linear_top5", "86.66"),
        ("imagenet", "ReSA, ResNet-50", "knn_top5", "85.58"),
    ],
)
def test_spot_values_keep_the_printed_digits(dataset, method, key, printed):
    (row,) = [row for row in published_accuracy(dataset) if row.method == method]
    assert row.printed[key] == printed
    assert "Table I," in row.source
    assert "no vote" in row.protocol


def test_imagenet100_says_what_its_star_says():
    (row,) = published_accuracy("imagenet100")
    assert "ImageNet-1k" in row.note


def test_every_digit_equals_the_text_of_the_paper():
    folder = os.environ.get("REPR_PROBE_TEST_DATA")
    if not folder or not (Path(folder).parent / "paper.txt").is_file():
        pytest.skip("set REPR_PROBE_TEST_DATA to a folder beside paper.txt")
    paper = (Path(folder).parent / "paper.txt").read_text(encoding="utf-8")
    found = _LINE.findall(paper[paper.index("TABLE I\n") : paper.index("TABLE II\n")])
    rows = [row for name in _SIZES for row in published_accuracy(name)]
    assert [line[1:] for line in found] == [tuple(row.printed[key] for key in _KEYS) for row in rows]
    short = {"BT": "Barlow Twins"}
    assert [short.get(line[0], line[0]) for line in found] == [row.method.split(",")[0] for row in rows]
