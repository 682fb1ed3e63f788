"""repro-probe train, end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

TINY = ("train", "--dataset", "digits", "--limit", "64", "--batch-size", "32", "--device", "cpu", "--set", "warmup_epochs=0", "--set", "n_local=1",
        "--set", "projector=16,8")  # fmt: skip


def test_a_run_and_its_checkpoint(run, tmp_path: Path):
    folder = tmp_path / "mine"
    done = run(*TINY, "--epochs", "1", "--set", "kappa=10", "--out", str(folder))
    assert done.code == 0, done.err
    assert done.out.startswith(f"{folder}  step 2 of 2  loss ") and "knn_top1" in done.out
    assert "epoch 1 of 1" in done.err
    shown = run("inspect", str(folder / "ckpt_00000002.pt"))
    assert shown.code == 0 and "repr_probe:digits_net" in shown.out
    again = run("train", "--resume", str(folder))
    assert again.code == 0 and again.out.startswith(f"{folder}  step 2 of 2")


def test_a_dry_run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*TINY, "--dry-run", "--quiet")
    assert (done.code, done.err) == (0, "") and done.out.startswith("dry run  step 2 of 200")
    assert list(tmp_path.iterdir()) == []


def test_every_method_and_preset_is_in_the_help(run):
    from repr_probe.training.objectives.build import METHODS
    from repr_probe.training.preset_files import preset_names

    shown = run("train", "--help").out
    assert [name for name in (*METHODS, *preset_names()) if name not in shown] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("train",), 2, "dataset must be named"),
        (("train", "--dataset", "digits", "--set", "epoch=3"), 2, "nearest: epochs"),
        (("train", "--dataset", "digits", "--set", "epochs"), 2, "--set must be key=value"),
        (("train", "--dataset", "digits", "--method", "hyde"), 2, "nearest: hydes"),
        (("train", "--dataset", "cifar-10"), 1, "nearest known: cifar10"),
        (("train", "--dataset", "digits", "--device", "cuda:99"), 2, "device must be there; got 'cuda:99'"),
        (("train", "--dataset", "digits", "--batch-size", "1"), 2, "batch_size must be at least 2"),
        (("train", "--preset", "nothing"), 2, "preset must be one of"),
        (("train", "--config", "nothing.toml"), 2, "must be a readable file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(run, arguments, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.code == code and message in done.err and done.err.count("\n") == 1, done.err


def test_a_sweep_trains_once_for_every_value_and_goes_on(run, tmp_path: Path):
    arguments = (*TINY, "--epochs", "1", "--set", "eval_every=0", "--sweep", "kappa=1,10", "--out", str(tmp_path / "swept"))
    done = run(*arguments)
    assert done.code == 0, done.err
    assert {path.name for path in (tmp_path / "swept").iterdir() if path.is_dir()} == {"kappa=1", "kappa=10"}
    assert done.out.split()[0] == "kappa" and str(tmp_path / "swept") in done.out
    again = run(*arguments)
    assert again.code == 0 and again.err.count("finished before") == 2


@pytest.mark.parametrize("option", [("--resume", "auto"), ("--dry-run",), ("--tensorboard",)])
def test_a_sweep_takes_no_options_of_a_single_run(run, option, tmp_path):
    done = run(*TINY, "--sweep", "kappa=1,10", *option)
    assert done.code == 2 and f"{option[0]} must go with a single run; got it beside --sweep" in done.err


def test_a_sweep_with_a_run_that_failed_says_which(run, tmp_path: Path):
    arguments = (*TINY, "--epochs", "1", "--set", "eval_every=0", "--sweep", "learning_rate=0.001,1e30", "--out", str(tmp_path))
    done = run(*arguments, "--quiet")
    assert done.code == 1 and done.err.startswith("error: every run of the sweep must end well; got 1 that failed: learning_rate=1e+30"), done.err
    assert "1 (1 failed)" in done.out or "0 (1 failed)" in done.out
    assert "loss and gradients must be finite" in (tmp_path / "sweep.csv").read_text()
