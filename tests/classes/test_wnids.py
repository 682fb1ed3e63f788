from __future__ import annotations

from pathlib import Path

import pytest

import repr_probe.classes.wnids as wnids
from repr_probe.classes.build_imagenet import imagenet_table
from repr_probe.errors import DatasetError


def test_imagenet_is_what_the_script_writes():
    assert Path(wnids.__file__).with_name("imagenet.txt").read_text(encoding="utf-8") == imagenet_table()


def test_class_order_is_that_of_the_weights():
    names = wnids.imagenet_names()
    order = list(names)
    assert len(order) == 1000
    assert order == sorted(order)
    assert order[0] == "n01440764"
    assert (order[207], names[order[207]]) == ("n02099601", "golden retriever")
    assert (order[281], names[order[281]]) == ("n02123045", "tabby, tabby cat")
    assert (order[999], names[order[999]].split(",")[0]) == ("n15075141", "toilet tissue")


def test_short_names_are_unique():
    assert len(set(wnids.class_names_of(wnids.imagenet_names()))) == 1000


def test_imagenet100_is_a_part_of_imagenet():
    assert len(wnids.imagenet100_wnids()) == 100
    assert set(wnids.imagenet100_wnids()) < set(wnids.imagenet_names())


def test_list_with_comments(tmp_path):
    (tmp_path / "list.txt").write_text("# mine\n\nn02012849 a crane\n  n01440764\ttench\n")
    assert wnids.read_wnids(tmp_path / "list.txt") == ("n01440764", "n02012849")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"n01440764\ntench\n", "begin each line with a wnid like n01440764; got 'tench' in line 2 of"),
        (b"n01440764\nn01440764\n", "name each class once; got n01440764 twice in"),
        (b"# nothing\n", "name at least one class; got none in"),
        (b"\xff\xfe\x00", "readable text file; got .* \\(not UTF-8 text\\)"),
    ],
)
def test_bad_list(tmp_path, content, message):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        wnids.read_wnids(tmp_path / "list.txt")


def test_missing_list(tmp_path):
    with pytest.raises(DatasetError, match=r"readable text file; got .*gone\.txt \(No such file or directory\)"):
        wnids.read_wnids(tmp_path / "gone.txt")
