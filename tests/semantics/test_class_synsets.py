from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from repr_probe.classes.synset_table import curated, curated_datasets
from repr_probe.classes.wnids import class_names_of, imagenet100_wnids, imagenet_names
from repr_probe.errors import InputError
from repr_probe.semantics.class_synsets import class_synsets
from repr_probe.semantics.wordnet_graph import load_nouns


@dataclass(eq=False)
class FewNouns:
    """A handful of nouns behind the door that class_synsets uses of Nouns."""

    names: tuple[str, ...]
    offsets: np.ndarray

    def find(self, synset: str) -> int:
        if synset not in self.known:
            raise InputError(f"synset must be a noun of WordNet 3.0; got {synset!r}", code="E_SYNSET")
        return self.known[synset]

    @cached_property
    def known(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)} | {f"n{offset:08d}": i for i, offset in enumerate(self.offsets)}

    def first_sense(self, words: str) -> int | None:
        name = f"{words.replace(' ', '_')}.n.01"
        return self.names.index(name) if name in self.names else None

    def gloss(self, index: int) -> str:
        return f"gloss of\n{self.names[index]}"


@pytest.fixture(scope="module")
def nouns() -> FewNouns:
    """The synsets of the curated tables and of ImageNet, and three more."""
    rows = {row.offset: row.synset for name in curated_datasets() for row in curated(name).values()}
    rows |= {int(wnid[1:]): f"x{wnid}.n.01" for wnid in imagenet_names() if int(wnid[1:]) not in rows}
    rows |= {1: "seal.n.01", 2: "hot_pot.n.01", 3: "domestic_cat.n.01"}
    offsets = sorted(rows)
    return FewNouns(tuple(rows[offset] for offset in offsets), np.array(offsets, dtype=np.int32))


def named(nouns, result):
    return [None if synset is None else nouns.names[synset] for synset in result.synsets]


def test_wnids_as_names_and_beside_names(nouns):
    result = class_synsets(nouns, ["n02084071", "crane (n02012849)", "anything"], wnids=["", "", "n02121620"])
    assert named(nouns, result) == ["dog.n.01", "xn02012849.n.01", "cat.n.01"]
    assert result.sources == ("wnid",) * 3
    assert (result.shared, result.missing, result.notes) == ((), (), ())


def test_explicit_synsets(nouns):
    result = class_synsets(nouns, ["dog.n.01", "seal.n.09"], dataset="cifar10")
    assert (named(nouns, result), result.sources) == (["dog.n.01", "seal.n.09"], ("explicit", "explicit"))


@pytest.mark.parametrize("dataset", curated_datasets())
@pytest.mark.parametrize("told", [True, False])
def test_every_curated_class_is_found(nouns, dataset, told):
    if dataset == "digits" and not told:
        pytest.skip("numbers are the classes of many data sets")
    rows = curated(dataset)
    result = class_synsets(nouns, list(rows), dataset=dataset if told else None)
    assert named(nouns, result) == [row.synset for row in rows.values()]
    assert result.sources == tuple(f"curated ({row.kind})" for row in rows.values())
    assert result.virtual == tuple(row.kind == "hypernym" for row in rows.values())
    assert result.missing == () == result.shared
    assert any(f"curated table of {dataset}," in note for note in result.notes) is not told


def test_spellings_of_other_sources(nouns):
    result = class_synsets(nouns, ["T - shirt / top", "ankle Boot", "gown"], dataset="fashion-mnist")
    assert named(nouns, result) == ["jersey.n.03", "boot.n.01", None]
    assert result.missing == ("gown",)
    assert "1 class without a synset, left out: gown" in result.notes


def test_a_few_classes_of_a_data_set(nouns):
    assert named(nouns, class_synsets(nouns, ["seal", "ray", "plate"])) == ["seal.n.09", "ray.n.07", "plate.n.04"]
    assert named(nouns, class_synsets(nouns, ["seal", "ray"])) == [None, None]  # too few to know the data set by
    assert named(nouns, class_synsets(nouns, ["seal", "ray", "plate", "zebra"])) == [None] * 4


def test_numbers_are_positions_only_in_a_named_data_set(nouns):
    result = class_synsets(nouns, ["5", "3", "0"], dataset="CIFAR-10")
    assert named(nouns, result) == ["dog.n.01", "cat.n.01", "airplane.n.01"]
    assert result.notes == ("class names are numbers: read as positions in the class order of CIFAR-10",)
    assert named(nouns, class_synsets(nouns, ["5", "3", "0"])) == [None] * 3
    assert named(nouns, class_synsets(nouns, ["5", "3", "10"], dataset="cifar10")) == [None] * 3
    offsets = nouns.offsets[list(class_synsets(nouns, [str(i) for i in range(1000)], dataset="imagenet").synsets)]
    assert [f"n{offset:08d}" for offset in offsets] == list(imagenet_names())


@pytest.mark.parametrize("dataset", ["imagenet", None])
@pytest.mark.parametrize(
    "write", [class_names_of, lambda wnids: [imagenet_names()[wnid].split(",")[0] for wnid in wnids], list], ids=["unique", "first", "wnid"]
)
def test_imagenets_classes_by_name(nouns, dataset, write):
    result = class_synsets(nouns, write(imagenet_names()), dataset=dataset)
    assert [f"n{nouns.offsets[synset]:08d}" for synset in result.synsets] == list(imagenet_names())
    assert set(result.sources) == {"wnid"}


def test_a_cardigan_is_no_cardigan(nouns):
    result = class_synsets(nouns, ["Cardigan", "cardigan", "CARDIGAN"], dataset="imagenet")
    assert named(nouns, result) == ["xn02113186.n.01", "xn02963159.n.01", None]


def test_imagenet100_by_name(nouns):
    result = class_synsets(nouns, class_names_of(imagenet100_wnids()))
    assert [f"n{nouns.offsets[synset]:08d}" for synset in result.synsets] == list(imagenet100_wnids())


def test_a_name_of_two_classes_of_imagenet_is_no_synset(nouns):
    result = class_synsets(nouns, ["crane", "tench", "tinca tinca"], dataset="imagenet")
    assert named(nouns, result) == [None, "xn01440764.n.01", "xn01440764.n.01"]
    assert result.shared == ((1, 2),)
    assert "1 pair of classes on one synset, left out: tench = tinca tinca" in result.notes


def test_food_as_leaves_as_shared_synsets_and_exactly(nouns):
    rows = curated("food101")
    leaves = class_synsets(nouns, list(rows), dataset="food101")
    raw = class_synsets(nouns, list(rows), dataset="food101", shared_synsets=True)
    exact = class_synsets(nouns, list(rows), dataset="food101", exact_only=True)
    assert (sum(leaves.virtual), len(leaves.shared)) == (36, 0)
    assert (sum(raw.virtual), raw.synsets) == (0, leaves.synsets)
    sizes = Counter(row.synset for row in rows.values()).values()
    assert len(raw.shared) == sum(size * (size - 1) // 2 for size in sizes) == 38
    assert all(i < j and raw.synsets[i] == raw.synsets[j] for i, j in raw.shared)
    assert sum(synset is not None for synset in exact.synsets) == 48 + 4
    assert len(exact.missing) == 13 + 36
    assert any(note.startswith("49 classes with a near or wider synset only, left out: baby_back_ribs") for note in exact.notes)
    assert any(note.startswith("36 classes with a wider synset only, each placed as a new leaf below it") for note in leaves.notes)


def test_a_users_table_comes_first(nouns, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("class,synset,note\nCat,domestic_cat.n.01,\nship,,\nankle boot,boot.n.01,hypernym\nn02084071,n02121620,\nghost,dog.n.01,\n")
    result = class_synsets(nouns, ["cat", "ship", "bird", "ankle_boot", "n02084071"], dataset="cifar10", table=table, allow_first_sense=True)
    assert named(nouns, result) == ["domestic_cat.n.01", None, "bird.n.01", "boot.n.01", "cat.n.01"]
    assert result.sources == ("user CSV", "", "curated (exact)", "user CSV", "user CSV")
    assert result.virtual == (False, False, False, True, False)
    assert result.missing == ("ship",)
    assert "mine.csv names 1 class that is not among these: ghost" in result.notes


def test_two_spellings_in_a_users_table_stay_apart(nouns, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("hot dog,dog.n.01\nhotdog,hotdog.n.02\n+,cat.n.01\n")
    assert named(nouns, class_synsets(nouns, ["hot dog", "hotdog", "Hot_Dog", "-"], table=table)) == ["dog.n.01", "hotdog.n.02", None, None]


def test_first_senses_only_where_asked_for_and_with_their_gloss(nouns):
    classes = ["seal", "hot_pot", "gown"]
    plain = class_synsets(nouns, classes)
    assert (plain.synsets, plain.missing) == ((None,) * 3, tuple(classes))
    guessed = class_synsets(nouns, classes, allow_first_sense=True)
    assert named(nouns, guessed) == ["seal.n.01", "hot_pot.n.01", None]
    assert guessed.sources == ("first sense", "first sense", "")
    assert guessed.notes[:2] == ("guessed: seal is seal.n.01 (gloss of seal.n.01)", "guessed: hot_pot is hot_pot.n.01 (gloss of hot_pot.n.01)")
    assert guessed.missing == ("gown",)
    assert "1 class without a synset, left out: gown" in guessed.notes


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_classes_on_one_synset(nouns, order):
    classes = [["cat", "n02121620", "dog", "cat.n.01"][i] for i in order]
    result = class_synsets(nouns, classes, dataset="cifar10")
    dog = classes.index("dog")
    assert result.shared == tuple((i, j) for i in range(4) for j in range(i + 1, 4) if dog not in (i, j))


def test_no_class_at_all(nouns):
    assert class_synsets(nouns, []).synsets == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": ["dog.n.99"]}, r"got 'dog.n.99'; it stands for class 'dog.n.99' \(explicit\)"),
        ({"class_names": ["n99999999"]}, r"got 'n99999999'; it stands for class 'n99999999' \(wnid\)"),
        ({"class_names": ["dog"], "wnids": ["dog"]}, r"got 'dog'; it stands for class 'dog' \(wnid\)"),
        ({"class_names": ["dog"], "wnids": []}, "wnids must be one for each of the 1 classes; got 0"),
    ],
)
def test_what_wordnet_does_not_have(nouns, options, message):
    with pytest.raises(InputError, match=message) as caught:
        class_synsets(nouns, **options)
    assert caught.value.code == "E_SYNSET"


def test_an_unknown_synset_in_a_table(nouns, tmp_path):
    (tmp_path / "mine.csv").write_text("dog,dog.n.77\n")
    with pytest.raises(InputError, match=r"got 'dog.n.77'; it stands for class 'dog' \(user CSV\)"):
        class_synsets(nouns, ["dog"], table=tmp_path / "mine.csv")


@pytest.mark.parametrize("dataset", curated_datasets())
def test_the_curated_table_is_wordnets(dataset):
    wordnet = load_nouns()
    for row in curated(dataset).values():
        assert wordnet.find(row.wnid) == wordnet.find(row.synset)
        assert wordnet.names[wordnet.find(row.wnid)] == row.synset


def test_first_senses_of_wordnet():
    """Guesses are what the table exists to avoid: a seal is sealing wax."""
    result = class_synsets(load_nouns(), ["seal", "hot_dog", "frobnicator"], allow_first_sense=True)
    assert load_nouns().names[result.synsets[0]] == "sealing_wax.n.01"
    assert result.notes[0].startswith("guessed: seal is sealing_wax.n.01 (fastener consisting of a resinous composition")
    assert result.synsets[1] is not None
    assert result.missing == ("frobnicator",)
