"""Configurations: files come back as they were written, names are checked, values have their types and ranges."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repr_probe.errors import UsageError
from repr_probe.training.config import ASSUMPTIONS, FIELDS, TrainConfig, config_from, differences, parse_settings, read_config

CIFAR = {"dataset": "cifar10"}


def test_the_papers_values_are_the_defaults():
    config = TrainConfig(dataset="imagenet")
    assert (config.learning_rate, config.batch_size, config.n_global, config.n_local) == (1e-3, 128, 2, 6)
    assert (config.global_area, config.local_area) == ((0.4, 1.0), (0.05, 0.4))
    assert config_from({"dataset": "imagenet"}).batch_size == 512


def test_assumptions_are_about_settings():
    assert set(ASSUMPTIONS) <= set(FIELDS)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(name=text, rate=st.floats(1e-300, 1e300), widths=st.lists(st.integers(2, 10**6)), word=text, flag=st.booleans())
def test_a_file_comes_back(name, rate, widths, word, flag):
    config = config_from({**CIFAR, "name": name, "learning_rate": rate, "projector": widths, "blur": flag, "options": {"kappa": rate, "local": word}})
    assert config_from(tomllib.loads(config.to_toml())) == config


def test_what_is_none_against_its_default_comes_back_too(tmp_path: Path):
    config = config_from({"dataset": "digits", "mean": None, "std": None})
    assert config.mean is None and config_from(tomllib.loads(config.to_toml())) == config


def test_a_folder_without_splits_is_trained_on_whole(tmp_path: Path):
    (tmp_path / "cats").mkdir()
    config = TrainConfig(dataset=str(tmp_path))
    assert config.split is None and config_from(tomllib.loads(config.to_toml())) == config
    (tmp_path / "train").mkdir()
    assert TrainConfig(dataset=str(tmp_path)).split == "train" == TrainConfig(dataset="cifar10").split


def test_overrides_go_before_the_file(tmp_path: Path):
    path = tmp_path / "run.toml"
    path.write_text('dataset = "cifar10"\nepochs = 7\n[options]\nkappa = 2.0\nbeta = 0.5\n')
    config = read_config(path, {"epochs": 9, "kappa": 10})
    assert (config.epochs, dict(config.options), config.global_size) == (9, {"kappa": 10, "beta": 0.5}, 32)


def test_unknown_settings_are_told_the_nearest_options_too():
    with pytest.raises(UsageError, match="kapa must be a setting of a training run or an option of hydes; nearest: kappa"):
        read_config(None, {**CIFAR, "kapa": 10})
    with pytest.raises(UsageError, match="method must be a known one; got 'hyde'; nearest: hydes"):
        read_config(None, {**CIFAR, "method": "hyde", "kappa": 10})


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({}, "dataset must be named"),
        ({**CIFAR, "epoch": 3}, "epoch must be a setting of a training run; nearest: epochs"),
        ({**CIFAR, "batch_size": 1}, "batch_size must be at least 2, or there is no other image to be told from; got 1"),
        ({**CIFAR, "n_global": 1, "n_local": 0}, "n_global and n_local must give at least 2 views of an image for hydes; got 1"),
        ({**CIFAR, "epochs": True}, "epochs must be a whole number; got 'True'"),
        ({**CIFAR, "epochs": 2.5}, "epochs must be a whole number; got '2.5'"),
        ({**CIFAR, "epochs": 0}, "epochs must be at least 1; got 0"),
        ({**CIFAR, "learning_rate": float("nan")}, "learning_rate must be a finite number"),
        ({**CIFAR, "learning_rate": 0}, "learning_rate must be above 0"),
        ({**CIFAR, "warmup_epochs": -1}, "warmup_epochs must be 0 or more"),
        ({**CIFAR, "flip": 2}, "flip must be a probability between 0 and 1"),
        ({**CIFAR, "stem": "cfar"}, "stem must be one of imagenet, cifar; got 'cfar'"),
        ({**CIFAR, "global_area": [0.5]}, "global_area must be 2 numbers"),
        ({**CIFAR, "global_area": [0.5, 0.1]}, "global_area must be two shares of the image"),
        ({**CIFAR, "mean": [0.5]}, "mean and std must be given together"),
        ({**CIFAR, "mean": [0.5], "std": [0.5, 0.5, 0.5]}, "std must have as many values as mean"),
        ({**CIFAR, "mean": [], "std": []}, "mean must be one number, for grey images, or three; got 0"),
        ({**CIFAR, "projector": [1]}, "projector must have widths of at least 2"),
        ({**CIFAR, "options": 3}, "options must be a table"),
        ({"dataset": 3}, "dataset must be text"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(stated, message):
    with pytest.raises(UsageError, match=message) as caught:
        config_from(stated)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_toml(tmp_path: Path):
    path = tmp_path / "x.toml"
    path.write_text("a b c")
    with pytest.raises(UsageError, match="must be a TOML file"):
        read_config(path)
    with pytest.raises(UsageError, match="must be a readable file"):
        read_config(tmp_path / "none.toml")


def test_settings_are_key_and_value():
    assert parse_settings(["width=none", "name=2026", "global_area=0.2,1"]) == {"width": None, "name": "2026", "global_area": [0.2, 1]}
    with pytest.raises(UsageError, match="--set must be key=value; got 'epochs'"):
        parse_settings(["epochs"])


def test_differences_name_what_changes_the_weights():
    one, other = config_from({**CIFAR, "device": "cpu"}), config_from({**CIFAR, "device": "cuda", "options": {"kappa": 2.0}, "seed": 1})
    assert differences(one, other) == ["seed: 0 before, 1 now", "kappa: the default before, 2.0 now"]
    assert differences(one, one) == []
