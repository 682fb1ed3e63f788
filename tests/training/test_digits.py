"""The training script: it learns, it repeats itself, and the embedded file is what it says on its card."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from repr_probe import progress
from repr_probe.encoders.digits_net import DigitsNet
from repr_probe.preprocessing import InputSpec
from repr_probe.training.digit_card import accuracies
from repr_probe.training.digits import Digits, Recipe, embed, input_of, load_digits, main, train_encoder

EMBEDDED = Path(__file__).parents[2] / "repr_probe" / "encoders" / "embedded" / "hydes-digits.safetensors"
SHORT = Recipe(epochs=1, batch_size=32)


@pytest.fixture(scope="module")
def train() -> Digits:
    return load_digits("train")


@pytest.fixture(scope="module")
def test() -> Digits:
    return load_digits("test")


def embedded() -> tuple[DigitsNet, dict]:
    encoder = DigitsNet().eval()
    encoder.load_state_dict(load_file(EMBEDDED))
    with safe_open(EMBEDDED, framework="pt") as file:
        return encoder, json.loads(file.metadata()["repr_probe"])


def card_rows() -> dict[str, list[float]]:
    """name -> [kNN test, linear test, kNN train] in percent, as printed."""
    lines = EMBEDDED.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    rows = [re.fullmatch(r"\| (.+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", line) for line in lines]
    return {row[1]: [float(row[column]) for column in (2, 3, 4)] for row in rows if row}


def test_the_splits_are_pixels_between_black_and_white(train, test):
    assert train.pixels.shape == (1347, 1, 8, 8)
    assert test.pixels.shape == (450, 1, 8, 8)
    assert (train.pixels.min(), train.pixels.max()) == (0, 1)


def test_the_card_says_what_the_file_does(train, test):
    encoder, content = embedded()
    input = InputSpec(tuple(content["input"]["size"]), tuple(content["input"]["mean"]), tuple(content["input"]["std"]))
    assert content["format"] == "repr-probe/1"
    assert content["arch"] == "repr_probe:digits_net"
    assert content["role"] == "online"
    assert input.to_dict() == content["input"] == input_of(train).to_dict()
    scores = accuracies(embed(encoder, train.pixels, input), train.labels, embed(encoder, test.pixels, input), test.labels)
    found = [100 * score for score in (scores.knn_test, scores.linear_test, scores.knn_train)]
    assert found == pytest.approx(card_rows()["hydes-digits"], abs=0.3)  # one image more or less, for another CPU's rounding


def test_the_embedded_encoder_is_better_than_its_random_start():
    rows = card_rows()
    assert set(rows) >= {"hydes-digits", "its random start", "raw pixels"}
    assert all(trained > untrained + 3 for trained, untrained in zip(rows["hydes-digits"], rows["its random start"], strict=True))


def test_the_recipe_on_the_file_is_the_default_one():
    recorded = embedded()[1]["training"]
    recipe = Recipe()
    assert recorded["views"] == recipe.n_global_views + recipe.n_local_views
    assert {name: recorded[name] for name in ("loss", "alpha", "beta", "kappa", "epochs", "seed")} == {
        "loss": "hydes", "alpha": recipe.alpha, "beta": recipe.beta, "kappa": recipe.kappa, "epochs": recipe.epochs, "seed": recipe.seed,
    }  # fmt: skip


def test_the_same_seed_gives_the_same_weights(train):
    few, input, state = train.pixels[:64], input_of(train), torch.get_rng_state()
    once, again, other = (train_encoder(few, input, replace(SHORT, seed=seed))[1].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not torch.equal(once["stage1.conv1.weight"], other["stage1.conv1.weight"])
    assert torch.equal(torch.get_rng_state(), state)


def test_training_tells_its_entropies(train):
    notes: list[str] = []

    class Listener:
        def task(self, description: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
            return nullcontext(lambda steps: None)

        def note(self, text: str) -> None:
            notes.append(text)

    with progress.reporting(Listener()):
        train_encoder(train.pixels[:64], input_of(train), replace(SHORT, epochs=2))
    assert [note.split(":")[0] for note in notes] == ["epoch 1/2", "epoch 2/2"]
    assert re.search(r"mutual information 0\.\d+ of at most 3\.643 nats", notes[0])  # log(191 / 5)


def test_the_start_is_kept_apart_from_the_end(train):
    start, encoder = train_encoder(train.pixels[:64], input_of(train), SHORT)
    assert not start.training
    assert not encoder.training
    assert start.stem[1].num_batches_tracked == 0
    assert encoder.stem[1].num_batches_tracked == 2


@pytest.mark.slow
def test_a_few_epochs_teach_it(train):
    input = input_of(train)
    start, encoder = train_encoder(train.pixels, input, Recipe(epochs=4, kappa=10.0))
    before, after = (
        accuracies(embed(net, train.pixels, input), train.labels, embed(net, train.pixels[:50], input), train.labels[:50]).knn_train
        for net in (start, encoder)
    )
    assert after > before + 0.05


@pytest.mark.slow
def test_the_script_makes_the_embedded_file_anew(tmp_path):
    subprocess.run([sys.executable, "-m", "repr_probe.training.digits", "--out", str(tmp_path)], check=True, capture_output=True)
    made, kept = load_file(tmp_path / EMBEDDED.name), load_file(EMBEDDED)
    trained_with = embedded()[1]["training"]["torch"]
    if trained_with != torch.__version__.split("+")[0]:
        pytest.skip(f"the embedded file was made with torch {trained_with}")
    for name, tensor in kept.items():
        torch.testing.assert_close(made[name], tensor, msg=name)


def test_a_wrong_option_is_a_usage_error(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--epochs", "many"])
    assert "invalid int value" in capsys.readouterr().err
