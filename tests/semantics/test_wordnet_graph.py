"""The bundled nouns: counts and facts of WordNet 3.0, looking up synsets and words, messages, and the table's own building."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from repr_probe.classes.wnids import imagenet_names
from repr_probe.errors import InputError
from repr_probe.semantics import build_table, wordnet_table
from repr_probe.semantics.wordnet_files import Records, read_records
from repr_probe.semantics.wordnet_graph import load_nouns

SYSTEM = Path("/usr/share/wordnet")
has_system = pytest.mark.skipif(not (SYSTEM / "data.noun").is_file(), reason="needs Debian's wordnet-base")


@pytest.fixture(scope="module")
def nouns():
    return load_nouns()


def test_facts_of_wordnet_3_0(nouns):
    assert len(nouns) == 82_115 and nouns.source == "bundled WordNet 3.0"
    assert nouns.offsets.dtype == np.int32 and (np.diff(nouns.offsets) > 0).all()
    assert len(set(nouns.names)) == len(nouns)
    assert sum(len(above) > 1 for above in nouns.parents) == 2_213
    assert [index for index, above in enumerate(nouns.parents) if not above] == [0] and nouns.names[0] == "entity.n.01"
    assert nouns.max_depth.max() == nouns.height.max() == 19
    assert (nouns.min_depth <= nouns.max_depth).all()
    assert load_nouns() is nouns


def test_every_wnid_of_imagenet_is_a_noun_of_that_name(nouns):
    for wnid, names in imagenet_names().items():
        index = nouns.find(wnid)
        assert nouns.wnid(index) == wnid
        assert nouns.lemmas[index].replace("_", " ").lower() in names.lower()


def test_words_that_name_a_synset(nouns):
    dog = nouns.find("n02084071")
    assert (nouns.names[dog], nouns.lemmas[dog], nouns.wnid(dog)) == ("dog.n.01", "dog", "n02084071")
    assert nouns.gloss(dog).startswith("a member of the genus Canis")
    assert {nouns.names[above] for above in nouns.parents[dog]} == {"canine.n.02", "domestic_animal.n.01"}
    assert {nouns.find(name) for name in ("dog.n.01", "Dog.n.1", "domestic_dog.n.01", "canis familiaris.n.01")} == {dog}
    assert nouns.lemmas[nouns.find("t-shirt.n.01")] == "jersey"
    assert all(nouns.find(name) == index for index, name in enumerate(nouns.names[::97]) for index in [index * 97])


def test_every_synset_has_a_short_gloss(nouns):
    glosses = [nouns.gloss(index) for index in range(len(nouns))]
    assert min(map(len, glosses)) > 0 and max(map(len, glosses)) <= wordnet_table.AMBIGUOUS
    assert len(glosses) == len(wordnet_table.bundled_glosses())


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("dog", "dog.n.01"), ("Hot dog", "hotdog.n.01"), ("tacos", "greaser.n.01"), ("mice", "mouse.n.01"), ("ice-cream", "ice_cream.n.01"),
        ("seal", "sealing_wax.n.01"), ("  sea   lion ", "sea_lion.n.01"), ("women", "woman.n.01"), ("zzz", None), ("", None), ("s", "second.n.01"),
    ],
)  # fmt: skip
def test_first_senses(nouns, words, name):
    found = nouns.first_sense(words)
    assert (None if found is None else nouns.names[found]) == name


@pytest.mark.parametrize(
    ("synset", "nearest"),
    [
        ("n02084072", r"n02084071 \(dog\.n\.01\), n02084732"), ("n99999999", "n15300051"), ("n00000000", "n00001740"),
        ("dog.n.99", r"dog\.n\.01, dog\.n\.02"), ("dog.v.01", r"dog\.n\.01"), ("dog", r"dog\.n\.01"), ("chihuahuas.n.01", r"chihuahua\.n\.01"),
        ("dog.n.00", r"dog\.n\.01"), ("n2084071", "n02084071"),
    ],
)  # fmt: skip
def test_unknown_synsets_with_the_nearest(nouns, synset, nearest):
    with pytest.raises(InputError, match=rf"synset must be a noun of WordNet 3\.0 like .*; got '{synset}'; nearest: .*{nearest}") as caught:
        nouns.find(synset)
    assert caught.value.code == "E_SYNSET" and "\n" not in str(caught.value)


@pytest.mark.parametrize("synset", ["", ".n.01", "x" * 500, "n1234567890123", "\n", "１２.n.０１", "n０２０８４０７１"])
def test_nonsense_is_one_short_line(nouns, synset):
    with pytest.raises(InputError, match="synset must be a noun") as caught:
        nouns.find(synset)
    assert len(str(caught.value)) < 250 and "\n" not in str(caught.value)


def test_the_order_downward_has_parents_first(nouns):
    place = np.empty(len(nouns), dtype=int)
    place[nouns.downward] = np.arange(len(nouns))
    assert all(place[parent] < place[index] for index, above in enumerate(nouns.parents) for parent in above)


def test_the_tables_are_small_and_carry_the_licence():
    folder = resources.files("repr_probe.semantics")
    sizes = [len((folder / name).read_bytes()) for name in (wordnet_table.NOUNS, wordnet_table.GLOSSES)]
    assert sum(sizes) <= wordnet_table.LIMIT == 1_500_000
    notice = (folder / "wordnet_license.txt").read_text(encoding="utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in notice and wordnet_table.NOUNS in notice


def test_reading_the_table_needs_no_library_but_numpy():
    code = "import sys\nfrom repr_probe.semantics.similarity import similarities\nfrom repr_probe.semantics.wordnet_graph import load_nouns\n"
    code += "similarities(load_nouns(), [0, 1])\nprint(sorted({'nltk', 'scipy', 'torch', 'sklearn', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_small_table_comes_back_as_it_went_in(tmp_path, monkeypatch):
    records = Records(
        offsets=[1740, 1930, 70_000], words=[("entity",), ("Thing", "it_self"), ("café",)], ranks=[(1,), (300, 2), (1,)],
        parents=[(), (0,), (1, 0)], glosses=["what is", "a thing; one", "x"], exceptions={"mice": ("mouse",), "axes": ("ax", "axis")},
    )  # fmt: skip
    monkeypatch.setattr(wordnet_table, "_path", lambda name: tmp_path / name)
    (tmp_path / wordnet_table.NOUNS).write_bytes(wordnet_table.pack_nouns(records))
    (tmp_path / wordnet_table.GLOSSES).write_bytes(wordnet_table.pack_glosses(records))
    found = wordnet_table.bundled_records()
    for name in ("offsets", "words", "ranks", "parents", "exceptions"):
        assert getattr(found, name) == getattr(records, name)
    assert wordnet_table.bundled_glosses() == ["what is", "a thing", "x"]


@pytest.mark.slow
@has_system
def test_building_gives_the_bundled_bytes(tmp_path):
    assert build_table.main(["--wordnet-dir", str(SYSTEM), "--out", str(tmp_path)]) == 0
    folder = resources.files("repr_probe.semantics")
    for name in (wordnet_table.NOUNS, wordnet_table.GLOSSES):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@has_system
def test_the_table_holds_what_the_files_hold(nouns):
    records, _ = read_records(SYSTEM)
    bundled = wordnet_table.bundled_records()
    for name in ("offsets", "words", "ranks", "parents", "exceptions"):
        assert getattr(bundled, name) == getattr(records, name)
    glosses = list(map(nouns.gloss, range(len(nouns))))
    whole = [short == gloss for short, gloss in zip(glosses, records.glosses)]
    assert sum(whole) > 5_000
    assert all(gloss.startswith(short[:3]) or "(" in gloss for short, gloss in zip(glosses, records.glosses))


def test_too_large_tables_are_not_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build_table, "build_tables", lambda place: {"a.xz": b"x" * 1_500_001})
    assert build_table.main(["--out", str(tmp_path)]) == 1
    assert "at most 1,500,000 bytes together; got 1,500,001; nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
