from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from torch import nn

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import InputError, UsageError
from repr_probe.monitor.geometry_monitor import GeometryMonitor
from repr_probe.monitor.probe_set import probe_set
from repr_probe.reports.geometry import geometry_report
from repr_probe.workflows.extract import extract
from repr_probe.workflows.geometry import geometry

ONLY_GEOMETRY = {"knn": False, "linear": False}


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))


def state_of(model: nn.Module) -> dict[str, object]:
    return {
        "weights": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "training": [part.training for part in model.modules()],
        "wanted": [weight.requires_grad for weight in model.parameters()],
        "hooks": [len(part._forward_hooks) for part in model.modules()],
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "python": random.getstate(),
        "grad": torch.is_grad_enabled(),
        "precision": torch.get_float32_matmul_precision(),
    }


def assert_same_state(before: dict, after: dict) -> None:
    for name in ("training", "wanted", "hooks", "numpy", "python", "grad", "precision"):
        assert before[name] == after[name], name
    assert torch.equal(before["torch"], after["torch"])
    assert all(torch.equal(tensor, after["weights"][name]) for name, tensor in before["weights"].items())


@pytest.mark.parametrize("preset", ["paper", "default", "full"])
def test_the_numbers_are_those_of_geometry_report_on_what_the_command_line_extracts(preset):
    encoder = load_encoder("hydes-digits")
    (store,) = extract("hydes-digits", dataset="digits", limit=120, seed=3)
    report = geometry_report(store, preset=preset)
    monitor = GeometryMonitor(*probe_set("digits", encoder.input, limit=120, seed=3), measures=preset, **ONLY_GEOMETRY, batch_size=64)
    metrics = monitor(encoder.module.train())
    expected = {key: measured.value for key, measured in report.measures.items()}
    assert {key for key, value in expected.items() if value is not None} == set(metrics) - {"monitor_seconds"}
    assert {key for key, value in expected.items() if value is None} == set(monitor.reasons)
    for key in set(metrics) - {"monitor_seconds"}:
        assert metrics[key] == pytest.approx(expected[key], rel=1e-6, abs=1e-9), key


def test_with_the_same_features_the_numbers_are_the_same():
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    labels = [row % 4 for row in range(40)]
    metrics = GeometryMonitor(features.view(40, 6, 1, 1), labels, **ONLY_GEOMETRY)(nn.Flatten())
    report = geometry_report(features, labels)
    expected = {key: measured.value for key, measured in report.measures.items() if measured.value is not None}
    del metrics["monitor_seconds"]
    assert metrics == pytest.approx(expected, rel=1e-12)


def test_single_measures_are_the_same_numbers(learner, probe):
    every = GeometryMonitor(*probe, **ONLY_GEOMETRY)(learner)
    chosen = GeometryMonitor(*probe, measures=("effective_rank", "anisotropy", "uniformity"), **ONLY_GEOMETRY)(learner)
    assert list(chosen) == ["anisotropy", "effective_rank", "uniformity", "monitor_seconds"]
    assert all(chosen[key] == every[key] for key in list(chosen)[:-1])


def test_the_model_and_the_world_are_left_as_they_were(learner, probe):
    learner.train()
    learner.backbone[1].eval()  # a frozen batch norm must stay so
    learner.head.weight.requires_grad_(False)
    before = state_of(learner)
    GeometryMonitor(*probe, **ONLY_GEOMETRY)(learner)
    assert_same_state(before, state_of(learner))
    assert all(weight.grad is None for weight in learner.parameters())


def test_also_when_the_model_fails_in_the_middle(learner, probe):
    learner.train()
    learner.backbone[1].eval()
    before = state_of(learner)

    def breaks(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
        assert not any(part.training for part in model.modules())
        assert not torch.is_grad_enabled()
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        GeometryMonitor(*probe, encode=breaks, **ONLY_GEOMETRY)(learner)
    assert_same_state(before, state_of(learner))


def test_training_goes_on_as_if_nobody_had_looked(learner, probe):
    """A network that keeps a tensor from one pass to the next must still learn after the monitor's pass."""

    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = None
            self.linear = nn.Linear(64, 5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.scale is None:
                self.scale = torch.full((5,), 2.0)
            return self.linear(images.flatten(1)) * self.scale

    model = Keeps()
    with torch.inference_mode():  # as in the validation hooks of some trainers
        GeometryMonitor(*probe, **ONLY_GEOMETRY)(model)
    model(probe[0]).sum().backward()
    assert model.linear.weight.grad is not None


def test_batch_norm_is_seen_in_evaluation_mode(learner, probe):
    images, _ = probe
    learner.train()
    metrics = GeometryMonitor(*probe, **ONLY_GEOMETRY)(learner)
    with torch.no_grad():
        expected = geometry_report(learner.eval().backbone(images), probe[1])
    assert metrics["effective_rank"] == pytest.approx(expected.effective_rank.value, rel=1e-6)


def test_the_size_of_a_batch_changes_nothing(learner, probe):
    whole, parts = (GeometryMonitor(*probe, batch_size=size, **ONLY_GEOMETRY)(learner) for size in (256, 7))
    assert whole.keys() == parts.keys()
    assert all(parts[key] == pytest.approx(whole[key], rel=1e-5) for key in set(whole) - {"monitor_seconds"})


def test_a_model_in_half_precision_is_read(learner, probe):
    full = GeometryMonitor(*probe, **ONLY_GEOMETRY)(learner)
    half = GeometryMonitor(*probe, **ONLY_GEOMETRY)(learner.bfloat16())
    assert half["anisotropy"] == pytest.approx(full["anisotropy"], rel=0.05)


def test_without_labels_what_needs_them_is_left_out(learner, probe):
    monitor = GeometryMonitor(probe[0])
    metrics = monitor(learner)
    assert "effective_rank" in metrics
    assert not {"d_prime", "knn_top1", "linear_top1"} & set(metrics)
    assert "d_prime" in monitor.reasons


def test_the_terms_of_the_trainer_and_the_steps_are_kept(learner, probe, tmp_path):
    monitor = GeometryMonitor(*probe, measures="paper", log=tmp_path / "run" / "metrics.jsonl", **ONLY_GEOMETRY)
    first = monitor(learner, step=10, terms={"h_global": torch.tensor(-0.5), "mutual_information": 1.25})
    monitor(learner, step=20, terms={"loss": float("nan")})
    assert first["h_global"] == -0.5
    assert first["mutual_information"] == 1.25
    assert [row["step"] for row in monitor.history] == [10, 20]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20]
    assert lines[0]["anisotropy"] == first["anisotropy"]
    assert lines[1]["loss"] is None
    assert 0 < first["monitor_seconds"] < 60


def test_the_measures_agree_with_the_workflow():
    """One name, one number, whichever door it comes through."""
    encoder = load_encoder("hydes-digits")
    metrics = GeometryMonitor(*probe_set("digits", encoder.input, limit=60), measures="paper", **ONLY_GEOMETRY)(encoder.module)
    report = geometry("hydes-digits", dataset="digits", limit=60, preset="paper")
    assert {key: round(value, 5) for key, value in metrics.items() if key in report.measures} == {
        key: round(measured.value, 5) for key, measured in report.measures.items()
    }


WRONG = [
    ({"images": torch.zeros(3, 4)}, InputError, r"images must be a float tensor \(n, channels, height, width\), .*; got .* shape \(3, 4\)"),
    ({"images": torch.zeros(3, 1, 2, 2, dtype=torch.uint8)}, InputError, "preprocessed for evaluation; got torch.uint8"),
    ({"images": [1, 2]}, InputError, "got list"),
    ({"labels": [0, 1]}, InputError, "labels must be one per image, 3 of them; got 2"),
    ({"measures": "everything"}, UsageError, r"measures must be a preset \(paper, default, full\) or a list of keys; got 'everything'"),
    ({"measures": ["efective_rank"]}, UsageError, r"measures must be keys of geometry_report; got 'efective_rank'; nearest: effective_rank"),
    ({"batch_size": 0}, UsageError, "batch_size must be a positive integer; got 0"),
    ({"bank": (torch.zeros(2, 1, 2, 2), None)}, InputError, "bank must come with labels"),
    ({"labels": [0, 1, 0], "bank": (torch.zeros(2, 1, 2, 2), [1])}, InputError, "bank must have one label per image, 2 of them; got 1"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG)
def test_wrong_options_are_refused_at_once(options, error, message):
    with pytest.raises(error, match=message):
        GeometryMonitor(**{"images": torch.zeros(3, 1, 2, 2), **options})


def test_an_encode_that_gives_no_vectors_is_refused(learner, probe):
    with pytest.raises(InputError, match=r"encode must give \(n, n_features\) for 30 images; got \(30, 1, 8, 8\)"):
        GeometryMonitor(*probe, encode=lambda model, images: images)(learner)
    with pytest.raises(InputError, match=r"features must be finite; 30 of 30 rows are not"):
        GeometryMonitor(*probe, encode=lambda model, images: images.flatten(1) * float("nan"))(learner)


def separable(n: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(seed)
    labels = np.arange(n) % 3
    return torch.randn(n, 4, 1, 1, generator=generator) + 1.5 * torch.eye(4)[torch.as_tensor(labels)].view(n, 4, 1, 1), labels


def test_the_probes_are_those_of_the_package():
    from repr_probe.probes.knn import knn
    from repr_probe.probes.linear import linear

    (images, labels), (bank, bank_labels) = separable(60, 0), separable(90, 1)
    monitor = GeometryMonitor(images, labels, bank=(bank, bank_labels), measures="paper")
    metrics = monitor(nn.Flatten())
    rows, known = images.flatten(1).numpy(), bank.flatten(1).numpy()
    assert metrics["knn_top1"] == knn(known, bank_labels, rows, labels).top1
    assert metrics["linear_top1"] == linear(known, bank_labels, rows, labels).top1
    assert 0.5 < metrics["knn_top1"] < 1
    assert monitor.protocols["knn_top1"].startswith("knn k=")
    alone = GeometryMonitor(images, labels, measures="paper")(nn.Flatten())
    assert alone["knn_top1"] == knn(rows, labels).top1
    half = np.tile([True] * 3 + [False] * 3, 10)  # every second of each class
    assert alone["linear_top1"] == linear(rows[half], labels[half], rows[~half], labels[~half]).top1


def test_classes_of_the_bank_are_matched_by_name():
    images, labels = separable(30, 0)
    bank, bank_labels = separable(45, 1)
    names, kept = np.array(["ant", "bee", "cat"]), bank_labels > 0  # the bank lacks a class: its codes alone would be others
    metrics = GeometryMonitor(images, names[labels], bank=(bank[kept], names[bank_labels[kept]]), measures="paper")(nn.Flatten())
    whole = GeometryMonitor(images, labels, bank=(bank[kept], bank_labels[kept]), measures="paper")(nn.Flatten())
    assert metrics["knn_top1"] == whole["knn_top1"]
    assert 0.3 < metrics["knn_top1"] < 0.7


def test_a_probe_that_cannot_be_made_does_not_end_the_run():
    monitor = GeometryMonitor(*separable(12, 0), measures="paper")
    metrics = monitor(nn.Flatten())
    assert "linear_top1" not in metrics
    assert "train must have a class of 10 rows to hold one out" in monitor.reasons["linear_top1"]
