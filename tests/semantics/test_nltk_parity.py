"""Wu-Palmer, Leacock-Chodorow and path similarity, names and first senses: the same bits as NLTK on the same WordNet."""

from __future__ import annotations

import math
import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repr_probe.classes.wnids import imagenet_names
from repr_probe.semantics.similarity import similarities
from repr_probe.semantics.wordnet_graph import load_nouns

nltk_folder = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("nltk_folder.py"))))
MISSING = nltk_folder.missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "present")
N_SYNSETS = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return nltk_folder.make_nltk_folder(tmp_path_factory.mktemp("nltk_data"))


@pytest.fixture(scope="module")
def wordnet(folder):
    nltk = pytest.importorskip("nltk")
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    nltk.data.path.insert(0, str(folder.parents[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that other languages are not there
        reader = WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)
    yield reader
    nltk.data.path.remove(str(folder.parents[1]))


@pytest.fixture(scope="module")
def nouns():
    return load_nouns()


@pytest.fixture(scope="module")
def sample(nouns):
    """150 synsets: some of ImageNet's, dogs, any nouns, nouns with several parents, and those where the order matters."""
    rng = np.random.default_rng(0)
    imagenet = [nouns.find(wnid) for wnid in imagenet_names()]
    several = [index for index, above in enumerate(nouns.parents) if len(above) > 1]
    chosen = [nouns.find(name) for name in ("spouse.n.01", "maintenon.n.01", "entity.n.01", "dog.n.01", "cat.n.01", "fruit.n.01")]
    draws = [(imagenet, 30), (imagenet[151:269], 14), (range(len(nouns)), 50), (several, 60)]
    for pool, count in draws:
        chosen += [int(index) for index in rng.choice(np.array(pool), count, replace=False)]
    return list(dict.fromkeys(chosen))[:N_SYNSETS]


def test_the_sample_has_what_is_hard(nouns, sample):
    assert len(sample) == N_SYNSETS and N_SYNSETS**2 >= 20_000
    assert sum(len(nouns.parents[index]) > 1 for index in sample) >= 50
    ordered = similarities(nouns, sample, ["wup"])["wup"]
    assert (ordered != ordered.T).any() and (np.diag(ordered) < 1).sum() >= 10


def test_all_ordered_pairs_have_the_same_bits(wordnet, nouns, sample):
    synsets = [wordnet.synset_from_pos_and_offset("n", int(nouns.offsets[index])) for index in sample]
    ours = similarities(nouns, sample, ["wup", "lch", "path"])
    theirs = {
        "wup": [[a.wup_similarity(b) for b in synsets] for a in synsets],
        "lch": [[a.lch_similarity(b) for b in synsets] for a in synsets],
        "path": [[a.path_similarity(b) for b in synsets] for a in synsets],
    }  # fmt: skip
    for name, rows in theirs.items():
        different = np.argwhere(np.array(rows, dtype=np.float64) != ours[name])
        assert len(different) == 0, (name, [(nouns.names[sample[row]], nouns.names[sample[column]]) for row, column in different[:3]])


def test_names_depths_and_glosses(wordnet, nouns, sample, folder):
    full = load_nouns(folder)
    for index in sample:
        synset = wordnet.synset_from_pos_and_offset("n", int(nouns.offsets[index]))
        assert (nouns.names[index], nouns.lemmas[index]) == (synset.name(), synset.lemma_names()[0])
        assert (nouns.min_depth[index], nouns.max_depth[index]) == (synset.min_depth(), synset.max_depth())
        assert {nouns.names[above] for above in nouns.parents[index]} == {s.name() for s in synset.hypernyms() + synset.instance_hypernyms()}
        assert full.gloss(index).startswith(synset.definition())


@pytest.mark.parametrize("words", ["dog", "tacos", "mice", "seals", "hot dog", "T-shirt", "leaves", "women", "geese", "boxes", "zzz", "running"])
def test_first_senses(wordnet, nouns, words):
    found = wordnet.synsets(words.replace(" ", "_"), "n")
    first = nouns.first_sense(words)
    assert (None if first is None else nouns.names[first]) == (found[0].name() if found else None)


def test_the_depth_of_the_taxonomy(nouns):
    assert nouns.max_depth.max() == 19
    one = similarities(nouns, [nouns.find("dog.n.01")], ["lch"])["lch"]
    assert one[0, 0] == -math.log(1 / 38)


def test_nltks_own_folder_and_zip_give_the_bundled_nouns(nouns, folder, tmp_path):
    import zipfile

    path = tmp_path / "wordnet.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in ("data.noun", "index.noun", "noun.exc"):
            archive.write(folder / name, f"wordnet/{name}")
    for place, source in ((folder.parents[1], folder), (path, path)):
        found = load_nouns(place)
        assert found.source == str(source)
        assert (found.names, found.lemmas, found.parents) == (nouns.names, nouns.lemmas, nouns.parents)
        assert (found.offsets == nouns.offsets).all() and found.exceptions == nouns.exceptions
