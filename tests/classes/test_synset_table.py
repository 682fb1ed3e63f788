from __future__ import annotations

from collections import Counter

import pytest

from repr_probe.classes.synset_table import KINDS, Row, UserRow, curated, curated_datasets, datasets_with, plain, read_synset_table
from repr_probe.errors import InputError

SIZES = {"digits": 10, "cifar10": 10, "stl10": 10, "fashion_mnist": 10, "cifar100": 100, "food101": 101}


def test_every_data_set_is_whole():
    assert {name: len(curated(name)) for name in curated_datasets()} == SIZES


def test_each_row_says_how_well_it_fits():
    for name in curated_datasets():
        for row in curated(name).values():
            assert row.note.split(":")[0] in KINDS
            assert row.synset.rpartition(".")[0].endswith(".n")
    assert Counter(row.kind for row in curated("food101").values()) == {"exact": 48, "sense": 4, "near": 13, "hypernym": 36}


def test_the_same_synset_has_the_same_offset_everywhere():
    pairs = {(row.synset, row.offset) for name in curated_datasets() for row in curated(name).values()}
    assert len({synset for synset, _ in pairs}) == len({offset for _, offset in pairs}) == len(pairs)


def test_order_is_that_of_the_classes():
    assert list(curated("cifar10")) == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    for name in ("stl10", "cifar100", "food101"):
        assert list(curated(name)) == sorted(curated(name))


def test_spellings_of_classes_stay_apart():
    for name in curated_datasets():
        assert len({plain(known) for known in curated(name)}) == SIZES[name]


@pytest.mark.parametrize("spelling", ["fashion-mnist", "FashionMNIST", "Fashion_MNIST"])
def test_a_data_set_may_be_spelt_freely(spelling):
    assert curated(spelling)["Bag"] == Row("bag.n.04", 2774152, curated("fashion_mnist")["Bag"].note)


def test_what_is_given_can_be_changed_by_the_caller():
    curated("cifar10").clear()
    assert len(curated("cifar10")) == 10


def test_data_sets_by_their_classes():
    assert datasets_with(curated("stl10")) == ("stl10",)
    assert datasets_with(name.upper().replace("_", " ") for name in curated("food101")) == ("food101",)
    assert datasets_with(["cat", "dog", "frog"]) == ("cifar10",)
    assert datasets_with([]) == ()


@pytest.mark.parametrize(
    "content",
    [
        "class,synset\ndog,dog.n.01\nsky,\n",
        "dog,dog.n.01\r\nsky,\r\n",
        "\ufeff# mine\n\nnote,Class,Synset\n,dog,dog.n.01\n,sky,\n",
        "class_name,wnid,synset\ndog,n02084071,dog.n.01\nsky,,\n",
    ],
)
def test_a_users_table(tmp_path, content):
    (tmp_path / "mine.csv").write_text(content, encoding="utf-8")
    assert read_synset_table(tmp_path / "mine.csv") == {"dog": UserRow("dog.n.01"), "sky": UserRow("")}


def test_a_users_table_with_notes(tmp_path):
    (tmp_path / "mine.csv").write_text('class,synset,note\n"boot, ankle",boot.n.01,hypernym: none of its own\ndog,dog.n.01\n')
    assert read_synset_table(tmp_path / "mine.csv") == {
        "boot, ankle": UserRow("boot.n.01", "hypernym: none of its own"), "dog": UserRow("dog.n.01"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", "E_SYNSET_TABLE", "got no line in"),
        (b"a,b,c\n", "E_SYNSET_TABLE", "must have the columns class and synset; got 'a,b,c' in"),
        (b"class,synset\ndog,dog.n.01\ndog,n02084071\n", "E_SYNSET_TABLE", "must name each class once; got 'dog' again in line 3 of"),
        (b"class,synset\ndog\n", "E_SYNSET_TABLE", "must give a class and a synset in each line; got 'dog' in line 2 of"),
        (b"class,synset\n,dog.n.01\n", "E_SYNSET_TABLE", "must give a class and a synset in each line; got ',dog.n.01' in line 2 of"),
        (b"\xff\xfe\x00\x01", "E_TEXT", "must be a CSV file in UTF-8; got something else in"),
    ],
)
def test_a_bad_table(tmp_path, content, code, message):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_synset_table(tmp_path / "mine.csv")
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_a_missing_table(tmp_path):
    with pytest.raises(InputError, match=r"readable file; got .*gone\.csv \(No such file or directory\)"):
        read_synset_table(tmp_path / "gone.csv")
