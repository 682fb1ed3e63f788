"""The embedded encoders: small, made by the presets of their names, and as good as their cards say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from repr_probe.encoders.load import load_encoder
from repr_probe.encoders.opening import embedded_networks
from repr_probe.files.safe_tensors import read_safetensors
from repr_probe.training.config import read_config
from repr_probe.training.export import own_block
from repr_probe.training.preset_files import preset_file, preset_names
from repr_probe.workflows.probe import probe
from repr_probe.workflows.train import train

NAMES = tuple(embedded_networks())
DIGITS = embedded_networks()["hydes-digits"]


def recorded(weights: Path) -> dict:
    """What the file says of itself."""
    return json.loads(read_safetensors(weights)[1]["repr_probe"])


def on_the_card(weights: Path, measure: str) -> tuple[float, float]:
    """The value of the trained network and of its random start."""
    text = weights.with_suffix(".md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {measure} \| ([\d.-]+) \| ([\d.-]+) \|$", text, re.MULTILINE)
    assert row is not None, measure
    return float(row[1]), float(row[2])


def accuracies(checkpoint: str, **options: object) -> list[float]:
    report = probe(checkpoint, dataset="digits", workers=0, device="cpu", **options)
    return [result.top1 for result in report.rows[0].results]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path))
    return tmp_path


def test_each_has_a_preset_of_its_name():
    assert set(NAMES) <= set(preset_names())


@pytest.mark.parametrize("name", NAMES)
def test_the_file_was_made_by_the_preset_of_its_name(name):
    found, made = recorded(embedded_networks()[name]), own_block(read_config(preset_file(name)))
    assert {key: found["training"][key] for key in made["training"]} == made["training"]
    assert all(found[key] == made[key] for key in ("format", "arch", "input", "role"))


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_whole_and_its_card_counts_its_parameters(name):
    encoder = load_encoder(name, device="cpu")
    n_parameters = sum(parameter.numel() for parameter in encoder.module.parameters())
    assert f"{encoder.architecture}, {n_parameters:,} parameters, trained with hydes" in embedded_networks()[name].with_suffix(".md").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_training_taught_it(name):
    trained, start = on_the_card(embedded_networks()[name], "knn_top1")
    assert trained > start + 0.03


def test_the_card_of_the_digits_says_what_the_file_does(home):
    found = accuracies("hydes-digits")
    expected = [on_the_card(DIGITS, measure)[0] for measure in ("knn_top1", "linear_top1")]
    assert found == pytest.approx(expected, abs=0.003)  # one image of 450 more or less, for another CPU's rounding


@pytest.mark.slow
def test_its_preset_makes_the_embedded_file_anew(tmp_path):
    (version,) = re.findall(r"^- versions: .*\btorch ([\d.]+)", DIGITS.with_suffix(".md").read_text(encoding="utf-8"), re.MULTILINE)
    if version != torch.__version__.split("+")[0]:
        pytest.skip(f"the embedded file was made with torch {version}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(preset="hydes-digits", out=tmp_path / "run", device="cpu", eval_every=0)
    finally:
        torch.set_num_threads(threads)
    made, kept = read_safetensors(tmp_path / "run" / "backbone.safetensors")[0], read_safetensors(DIGITS)[0]
    assert made.keys() == kept.keys()
    for name, tensor in kept.items():
        torch.testing.assert_close(made[name], tensor, msg=name)
