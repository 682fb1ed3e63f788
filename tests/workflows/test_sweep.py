from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from repr_probe.errors import UsageError
from repr_probe.training.config import read_config
from repr_probe.workflows.sweep import mean_sd, sweep

AXES = ["kappa=1,10", "seed=0,1"]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))


def config(**settings):
    tiny = {"dataset": "digits", "limit": 32, "epochs": 1, "batch_size": 16, "warmup_epochs": 0, "n_local": 1, "eval_every": 0, "projector": [16, 8]}
    return read_config(None, {**tiny, **settings})


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A sweep that was run to its end once; tests work on copies."""
    folder = tmp_path_factory.mktemp("sweep") / "out"
    sweep(config(), AXES, out=folder)
    return folder


def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def stamps(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.glob("*/*")}


def test_every_combination_has_a_folder_a_row_and_a_part_in_the_table(finished):
    result = sweep(config(), AXES, out=finished)
    names = ["kappa=1_seed=0", "kappa=1_seed=1", "kappa=10_seed=0", "kappa=10_seed=1"]
    assert sorted(path.name for path in finished.iterdir() if path.is_dir()) == sorted(names)
    head, first, second = result.table()
    assert head[:4] == ["kappa", "runs", "epochs", "loss"]
    assert (first[:3], second[:3]) == (["1", "2", "1"], ["10", "2", "1"])
    losses = [result.series[name].last("loss") for name in names[:2]]
    assert first[3] == mean_sd("loss", losses)
    assert "±" in first[3]
    with (finished / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == names
    assert [float(row["loss"]) for row in rows][:2] == losses
    assert {row["failure"] for row in rows} == {""}


def test_finished_runs_are_skipped_and_missing_ones_are_run(finished, tmp_path):
    folder = copied(finished, tmp_path)
    before = stamps(folder)
    sweep(config(), AXES, out=folder)
    assert stamps(folder) == before
    shutil.rmtree(folder / "kappa=10_seed=0")
    sweep(config(), AXES, out=folder)
    after = stamps(folder)
    assert set(after) == set(before)
    assert {name for name in before if after[name] != before[name]} == {name for name in before if name.startswith("kappa=10_seed=0")}


def test_an_unfinished_run_goes_on(finished, tmp_path):
    folder = copied(finished, tmp_path)
    (folder / "kappa=1_seed=1" / "card.md").unlink()  # the last that a run writes
    checkpoint = next((folder / "kappa=1_seed=1").glob("ckpt_*.pt"))
    before = checkpoint.read_bytes()
    sweep(config(), AXES, out=folder)
    assert (folder / "kappa=1_seed=1" / "card.md").exists()
    assert checkpoint.read_bytes() == before


def test_a_folder_of_another_sweep_is_refused_before_anything_is_trained(finished, tmp_path):
    folder = copied(finished, tmp_path)
    before = stamps(folder)
    with pytest.raises(UsageError, match=r"out must hold runs of this sweep; .* has another configuration: epochs: 1 before, 2 now"):
        sweep(config(epochs=2), AXES, out=folder)
    assert stamps(folder) == before


def test_a_run_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    from repr_probe.training.stopping import TrainingFailure
    from repr_probe.workflows import train as workflow

    real = workflow.train

    def fails_at_ten(config, **options):
        if config.options["kappa"] == 10:
            raise TrainingFailure("loss must be finite; got nan at step 3")
        return real(config, **options)

    monkeypatch.setattr(workflow, "train", fails_at_ten)
    result = sweep(config(), ["kappa=10,1"], out=tmp_path / "out")
    assert result.failures == {"kappa=10": "loss must be finite; got nan at step 3"}
    assert [row[:2] for row in result.table()] == [["kappa", "runs"], ["10", "0 (1 failed)"], ["1", "1"]]
    assert "got nan at step 3" in (tmp_path / "out" / "sweep.csv").read_text()
