"""repro-probe inspect: the text a person reads, the JSON a program reads, and the exit code."""

from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return timm.create_model("test_resnet", num_classes=5)


@pytest.fixture
def two(tmp_path, network):
    """A file with a student and a teacher."""
    weights = {f"{name}.{key}": tensor + (name == "student") for name in ("student", "teacher") for key, tensor in network.state_dict().items()}
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "two.pth")
    return str(tmp_path / "two.pth")


def test_text(run, two):
    done = run("inspect", two)
    assert done.code == 0
    assert "timm:test_resnet, 75 of 75 tensors" in done.out
    assert "state_dict:teacher" in done.out and "moving average" in done.out
    assert "left aside" in done.out


def test_json_says_the_same(run, two):
    found = json.loads(run("inspect", two, "--json").out)
    assert found["ok"] is True and found["chosen"]["prefix"] == "teacher" and found["role"] == "ema"
    assert found["passed_over"] == ["state_dict:student"]
    assert {entry["flag"] for entry in found["input"]} >= {"--mean", "--std", "--image-size", "--interp", "--crop-pct", "--channels"}


def test_options_change_the_answer(run, two):
    found = json.loads(run("inspect", two, "--json", "--role", "online", "--mean", "0.5", "--channels", "bgr", "--crop-pct", "0.5").out)
    assert found["chosen"]["prefix"] == "student"
    values = {entry["what"]: entry["value"] for entry in found["input"]}
    assert values["mean"] == [0.5, 0.5, 0.5] and values["order"] == "bgr" and values["crop_pct"] == 0.5


def test_a_refused_file_says_what_was_found_and_why(run, tmp_path, network):
    weights = {f"net.{name}": tensor for name, tensor in network.state_dict().items() if name != "layer4.0.bn1.weight"}
    torch.save(weights, tmp_path / "hole.pth")
    done = run("inspect", str(tmp_path / "hole.pth"))
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("error") and done.out.count("\n") > 3
    failure = json.loads(run("inspect", str(tmp_path / "hole.pth"), "--json").out)
    assert failure["ok"] is False and failure["error"]["code"].startswith("E_") and failure["containers"][0]["tensors"] == len(weights)


def test_a_file_that_cannot_be_read(run, tmp_path):
    (tmp_path / "page.pth").write_text("<html>login</html>")
    done = run("inspect", str(tmp_path / "page.pth"))
    assert done.code == 1 and "[E_HTML]" in done.out


def test_features(run, tmp_path):
    np.savez(tmp_path / "f.npz", features=np.ones((4, 3)), labels=np.array([0, 0, 1, 1]))
    done = run("inspect", str(tmp_path / "f.npz"))
    assert done.code == 0 and "4 rows x 3, 4 labelled, 2 classes" in done.out


def test_names_of_networks(run):
    done = run("inspect", "timm:test_resnet")
    assert done.code == 0 and "random, seed 0" in done.out


def test_impossible_options(run, two):
    assert run("inspect", two, "--role", "best").code == 2
    assert run("inspect", two, "--mean", "a").code == 2


def test_code_needs_leave(run, tmp_path, monkeypatch):
    (tmp_path / "nets_of_this_test.py").write_text("import timm\ndef net():\n    return timm.create_model('test_resnet', num_classes=0)\n")
    monkeypatch.chdir(tmp_path)
    refused = run("inspect", "nets_of_this_test:net")
    assert refused.code == 1 and "[E_NEEDS_CODE]" in refused.out + refused.err
    assert run("inspect", "nets_of_this_test:net", "--allow-code").code == 0
