"""WordNet's own files in every layout, and everything that is not WordNet 3.0: one clear line with a code."""

from __future__ import annotations

import os
import zipfile

import pytest

from repr_probe.errors import FileFormatError
from repr_probe.semantics import wordnet_files
from repr_probe.semantics.wordnet_graph import load_nouns

HEADER = "  1 WordNet {} Copyright 2006 by Princeton University.  All rights reserved.  \n"
DATA = """\
00001740 03 n 01 entity 0 002 ~ 00001930 n 0000 + 00001740 a 0101 | that which is; "as an entity"
00001930 03 n 02 Thing 0 thingamajig 0 001 @ 00001740 n 0000 | something | or other
02084071 05 n 01 dog 0 004 @ 00001930 n 0000 @i 00001740 n 0000 @ 00001930 n 0101 #m 00001740 n 0000 | barks
"""
WHOLE = HEADER.format("3.0") + DATA
INDEX = """\
  1 a line of the licence
dog n 2 1 @ 2 1 02084071 00009999
entity n 1 1 ~ 1 1 00001740
thing n 2 1 @ 2 0 00009999 00001930
thingamajig n 1 1 @ 1 0 00001930
"""


@pytest.fixture
def small(monkeypatch):
    """A WordNet of three nouns."""
    monkeypatch.setattr(wordnet_files, "N_NOUNS", 3)
    monkeypatch.delenv("REPR_PROBE_WORDNET", raising=False)


def write(folder, data=WHOLE, index=INDEX, exceptions="mice mouse\n"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("data.noun", data), ("index.noun", index), ("noun.exc", exceptions)):
        if text is not None:
            (folder / name).write_text(text, encoding="latin-1")
    return folder


def write_zip(path, folder="wordnet/", data=WHOLE):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{folder}data.noun", data)
        archive.writestr(f"{folder}index.noun", INDEX)
    return path


def test_what_is_read(small, tmp_path):
    nouns = load_nouns(write(tmp_path))
    assert nouns.names == ("entity.n.01", "thing.n.02", "dog.n.01")
    assert nouns.lemmas == ("entity", "Thing", "dog")
    assert nouns.parents == ((), (0,), (1, 0))  # kinds and instances; not the pointer between two words, nor other kinds
    assert nouns.gloss(0) == 'that which is; "as an entity"' and nouns.gloss(1) == "something | or other"
    assert nouns.offsets.tolist() == [1740, 1930, 2084071]
    assert nouns.min_depth.tolist() == [0, 1, 1] and nouns.max_depth.tolist() == [0, 1, 2]
    assert nouns.source == str(tmp_path) and nouns.exceptions == {"mice": ("mouse",)}


@pytest.mark.parametrize("inner", ["", "dict", "corpora/wordnet", "wordnet"])
def test_folders(small, tmp_path, inner):
    write(tmp_path / inner)
    assert load_nouns(tmp_path).source == str(tmp_path / inner)
    assert len(load_nouns(tmp_path / inner / "data.noun")) == 3


@pytest.mark.parametrize("inner", ["corpora/wordnet.zip", "wordnet.zip", "any_name.zip"])
@pytest.mark.parametrize("folder", ["", "wordnet/", "a/b/"])
def test_archives(small, tmp_path, inner, folder):
    path = write_zip(tmp_path / inner, folder)
    assert load_nouns(path).source == str(path)
    if inner != "any_name.zip":
        assert load_nouns(tmp_path).names == load_nouns(path).names


def test_the_environment_names_a_place_and_the_argument_wins(small, tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_WORDNET", str(write(tmp_path / "one")))
    assert load_nouns().source == str(tmp_path / "one")
    assert load_nouns(write(tmp_path / "two")).source == str(tmp_path / "two")
    monkeypatch.setenv("REPR_PROBE_WORDNET", "")
    assert load_nouns().source == "bundled WordNet 3.0"
    monkeypatch.setenv("REPR_PROBE_WORDNET", str(tmp_path / "nothing"))
    with pytest.raises(FileFormatError, match=r"wordnet_dir must exist; got .*nothing"):
        load_nouns()


def test_without_a_header_the_dog_decides(small, tmp_path):
    assert len(load_nouns(write(tmp_path, data=DATA))) == 3
    assert_refused(write(tmp_path, data=DATA.replace("02084071", "02086723")), "E_WORDNET_VERSION", "got files that do not name their version")


@pytest.mark.parametrize("version", ["3.1", "2.1", "1.6"])
def test_other_versions_are_refused(tmp_path, version):
    told = f"must hold WordNet 3.0, whose offsets are the wnids; got WordNet {version}, where the same numbers are other synsets"
    assert_refused(write(tmp_path, data=HEADER.format(version) + DATA), "E_WORDNET_VERSION", told)
    assert_refused(write_zip(tmp_path / "x.zip", data=HEADER.format(version) + DATA), "E_WORDNET_VERSION", told)


def test_no_place_no_files_no_archive(tmp_path):
    assert_refused(tmp_path / "nothing", "E_WORDNET", "wordnet_dir must exist")
    assert_refused(tmp_path / "two\nlines", "E_WORDNET", r"wordnet_dir must exist; got .*two\\nlines; WordNet 3.0 comes with")
    assert_refused(tmp_path / ("x" * 300), "E_WORDNET", r"must be readable; got .* \(File name too long\)")
    assert_refused(tmp_path, "E_WORDNET", "must be a folder with data.noun, an NLTK data folder or wordnet.zip; got")
    for content in (b"", b"\0" * 100, b"<html>", b"PK\x03\x04 broken", b"version https://git-lfs"):
        (tmp_path / "x.zip").write_bytes(content)
        assert_refused(tmp_path / "x.zip", "E_WORDNET", "which cannot be read as a zip")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("something/else.txt", "x")
    assert_refused(tmp_path / "x.zip", "E_WORDNET", "a zip without data.noun and index.noun")
    write(tmp_path, index=None)
    assert_refused(tmp_path, "E_WORDNET", "must be readable; got .*index.noun")


def test_a_damaged_archive(tmp_path):
    path = write_zip(tmp_path / "wordnet.zip")
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    assert_refused(path, "E_WORDNET", "cannot be read as a zip")


def test_incomplete_files(tmp_path):
    assert_refused(write(tmp_path), "E_WORDNET_FILE", "all 82,115 nouns of WordNet 3.0, n02084071 = dog.n.01 among them; got 3$")
    without = WHOLE.replace(" dog ", " dig ")
    assert_refused(write(tmp_path, data=without), "E_WORDNET_FILE", "got 3 without it$")
    assert_refused(write(tmp_path, data=""), "E_WORDNET_VERSION", "do not name their version")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("@ 00001740 n 0000 | something", "@ 00001741 n 0000 | something"), ("@ 00001740 n 0000 | something", "@ 000017"),
        ("02 Thing", "0x Thing"), ("001 @", "zzz @"), ("00001930 03 n 02 Thing 0", "00000930 03 n 02 Thing 0"), ("Thing 0", "Other 0"),
    ],
)  # fmt: skip
def test_damaged_lines(small, tmp_path, before, after):
    assert before in DATA
    assert_refused(write(tmp_path, data=HEADER.format("3.0") + DATA.replace(before, after)), "E_WORDNET_FILE", "do not agree")


def test_an_index_that_is_damaged(small, tmp_path):
    for index in ("", INDEX.replace("00001740", "x"), "dog n\n", INDEX.replace("n 2 1 @ 2 1", "n 0 1 @ 2 1")):
        assert_refused(write(tmp_path, index=index), "E_WORDNET_FILE", "data.noun and index.noun in .* do not agree")


def test_a_graph_that_is_no_hierarchy(small, tmp_path):
    lone = DATA.replace("001 @ 00001740 n 0000 | something", "000 | something")
    assert_refused(write(tmp_path, data=HEADER.format("3.0") + lone), "E_WORDNET_FILE", "hypernyms in .* have 2 roots$")
    circle = DATA.replace("002 ~ 00001930 n 0000 +", "002 @ 00001930 n 0000 +")
    assert_refused(write(tmp_path, data=HEADER.format("3.0") + circle), "E_WORDNET_FILE", "have 0 roots and a circle")


def test_files_too_large_to_be_wordnet(small, tmp_path, monkeypatch):
    monkeypatch.setattr(wordnet_files, "LARGEST", 200)
    assert_refused(write(tmp_path), "E_WORDNET_FILE", "data.noun has more than")
    assert_refused(write_zip(tmp_path / "x.zip"), "E_WORDNET_FILE", "data.noun in .*x.zip has more than")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    (write(tmp_path) / "data.noun").chmod(0)
    assert_refused(tmp_path, "E_WORDNET", "must be readable")


def assert_refused(place, code, told):
    with pytest.raises(FileFormatError, match=told) as caught:
        load_nouns(place)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
