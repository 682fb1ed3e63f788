from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import FileFormatError, InputError, UsageError
from repr_probe.monitor.geometry_monitor import GeometryMonitor
from repr_probe.monitor.probe_set import probe_set
from repr_probe.monitor.series import Series
from repr_probe.workflows.checkpoint_order import Place, in_order, place_of
from repr_probe.workflows.dynamics import draw_dynamics, dynamics
from repr_probe.workflows.geometry import geometry

EMBEDDED = Path(__file__).parents[2] / "repr_probe" / "encoders" / "embedded" / "hydes-digits.safetensors"
OPTIONS = {"dataset": "digits", "limit": 240, "preset": "paper"}


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))


@pytest.fixture
def run(tmp_path) -> Path:
    """Three checkpoints of one run, the later the nearer to the trained weights; their names do not sort by step as text."""
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    with safe_open(EMBEDDED, "pt") as file:
        weights, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    generator = torch.Generator().manual_seed(0)
    for step, noise in ((2, 1.0), (10, 0.3), (100, 0.0)):
        moved = {name: (tensor.float() * (1 + noise * torch.randn(tensor.shape, generator=generator))).to(tensor.dtype)
                 if tensor.is_floating_point() and "running" not in name else tensor for name, tensor in weights.items()}  # fmt: skip
        save_file(moved, folder / f"step_{step}.safetensors", metadata)
    return folder


def test_every_number_is_that_of_geometry_and_of_the_monitor(run):
    (series,) = dynamics(sorted(run.glob("*.safetensors")), **OPTIONS)
    assert series.name == "a"
    assert [row["step"] for row in series.rows] == [2, 10, 100]
    row = series.rows[1]
    report = geometry(run / row["checkpoint"], **OPTIONS)
    expected = {key: measured.value for key, measured in report.measures.items()}
    assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-10)
    encoder = load_encoder(run / row["checkpoint"])
    metrics = GeometryMonitor(*probe_set("digits", encoder.input, limit=240), measures="paper")(encoder.module)
    assert {key: row[key] for key in metrics} == pytest.approx({**metrics, "monitor_seconds": row["monitor_seconds"]}, rel=1e-5)


def test_the_bank_is_another_split(run):
    options = {**OPTIONS, "bank": "train", "bank_limit": 200}
    (series,) = dynamics(run / "step_100.safetensors", **options)
    encoder = load_encoder(run / "step_100.safetensors")
    bank = probe_set("digits", encoder.input, split="train", limit=200)
    metrics = GeometryMonitor(*probe_set("digits", encoder.input, limit=240), bank=bank, measures="paper")(encoder.module)
    assert (series.last("knn_top1"), series.last("linear_top1")) == (metrics["knn_top1"], metrics["linear_top1"])


def test_probes_can_be_left_out(run):
    (series,) = dynamics(run / "step_100.safetensors", knn=False, linear=False, **OPTIONS)
    assert not {"knn_top1", "linear_top1"} & set(series.names())
    (series,) = dynamics(run / "step_100.safetensors", **{**OPTIONS, "limit": 30})
    assert "knn_top1" in series.names()
    assert "linear_top1" not in series.names()  # three images of a class: none to choose the penalty by
    assert "effective_rank" in series.names()


def test_folders_of_a_run_are_read_from_their_log(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text('{"step": 1, "knn_top1": 0.5}\n{"step": 2, "knn')
    series = dynamics([tmp_path / "a", tmp_path / "b" / "metrics.jsonl"])
    assert [one.name for one in series] == ["a", "b"]
    assert series[0].last("knn_top1") == 0.5


def test_two_runs_of_one_name_are_told_apart(run, tmp_path):
    other = tmp_path / "others" / "a"
    shutil.copytree(run, other)
    series = dynamics([run / "step_2.safetensors", other / "step_2.safetensors"], knn=False, linear=False, **OPTIONS)
    assert [one.name for one in series] == ["runs/a", "others/a"]


def test_what_cannot_be_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="runs must name at least one run or checkpoint; got none"):
        dynamics([])
    with pytest.raises(UsageError, match=r"--dataset must name the images for step_2.safetensors; got none; without it give the folder of a run"):
        dynamics(run / "step_2.safetensors")
    with pytest.raises(FileFormatError, match=r"must be a readable metrics.jsonl; got 'No such file or directory'"):
        dynamics(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="bank_limit must go with a bank; got 10 without one"):
        dynamics(run, dataset="digits", bank_limit=10)


NAMES = {
    "ckpt_00000400.pt": Place("step", 400),
    "checkpoint-500": Place("step", 500),
    "epoch=3-step=1200.ckpt": Place("step", 1200),
    "model_epoch12.pth": Place("epoch", 12),
    "checkpoint_ep-0099.pth.tar": Place("epoch", 99),
    "global_step5": Place("step", 5),
    "iter_30.pth": Place("step", 30),
    "resnet50.pth": None,
    "deep12.pth": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_places_in_names(name):
    assert place_of(name) == NAMES[name]


def test_places_in_files(tmp_path):
    torch.save({"state_dict": {}, "epoch": 7}, tmp_path / "last.pth")
    torch.save({"state_dict": {}, "epoch": 7, "global_step": 70}, tmp_path / "last.ckpt")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "bare.pth")
    assert place_of(tmp_path / "last.pth") == Place("epoch", 7)
    assert place_of(tmp_path / "last.ckpt") == Place("step", 70)
    assert place_of(tmp_path / "bare.pth") is None


def test_without_places_the_given_order_is_kept():
    names = ["b.pth", "a.pth"]
    assert [(path.name, place.number) for path, place in in_order(names)] == [("b.pth", 0), ("a.pth", 1)]
    assert [path.name for path, _ in in_order(["step_3.pt", "epoch_1.pt"])] == ["step_3.pt", "epoch_1.pt"]
    assert [path.name for path, _ in in_order(["step_20.pt", "step_3.pt"])] == ["step_3.pt", "step_20.pt"]


def curves(name: str, shift: float) -> Series:
    return Series(name, tuple({"step": 10 * place, "epoch": place, "knn_top1": 0.2 + 0.05 * place + shift, "loss": 1.0} for place in range(10)))


def test_runs_that_differ_by_seed_are_one_line():
    figure = draw_dynamics([curves("kappa=1_seed=0", 0.0), curves("kappa=1_seed=1", 0.1), curves("kappa=10_seed=0", 0.2)], over="epoch")
    (ax,) = figure.axes
    first, second = ax.get_lines()[:2]
    assert (first.get_label(), second.get_label()) == ("kappa=1", "kappa=10")
    np.testing.assert_allclose(first.get_ydata(), 0.25 + 0.05 * np.arange(10))
    assert ax.get_xlabel() == "epoch"


def test_chosen_numbers_are_drawn_and_unknown_ones_refused():
    figure = draw_dynamics([curves("a", 0.0)], ["loss", "knn_top1"])
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "kNN, top-1"]
    with pytest.raises(InputError, match="measure must be a number that a holds; got no 'los'; nearest: loss"):
        draw_dynamics([curves("a", 0.0)], ["los"])


def test_the_log_of_a_monitor_is_a_series(tmp_path):
    monitor = GeometryMonitor(torch.randn(12, 1, 2, 2), log=tmp_path / "mine" / "metrics.jsonl", measures="paper")
    for step in (0, 5):
        monitor(torch.nn.Flatten(), step=step)
    (series,) = dynamics(tmp_path / "mine")
    assert series.curve("effective_rank").x.tolist() == [0, 5]
    assert json.loads((tmp_path / "mine" / "metrics.jsonl").read_text().splitlines()[0])["step"] == 0


def test_what_a_training_run_logs_is_what_its_checkpoints_give(tmp_path):
    """The numbers of metrics.jsonl, of the monitor within the loop, are those of the command line on the same checkpoint."""
    from repr_probe.workflows.train import train

    train(dataset="digits", limit=64, epochs=2, batch_size=32, warmup_epochs=0, n_local=1, projector=[16, 8], out=tmp_path / "run")
    (logged,) = dynamics(tmp_path / "run")
    (measured,) = dynamics(sorted((tmp_path / "run").glob("ckpt_*.pt")), dataset="digits", bank="train")
    assert [row["step"] for row in measured.rows] == [2, 4]
    for key in set(measured.names()) - {"monitor_seconds"}:
        np.testing.assert_allclose(measured.curve(key).y, logged.curve(key).y[1:], rtol=1e-6, err_msg=key)  # the log has the start too
