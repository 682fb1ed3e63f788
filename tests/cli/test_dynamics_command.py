from __future__ import annotations

import json

import pytest
import typer

from repr_probe.cli.dynamics import dynamics_command
from repr_probe.cli.failures import explain


@pytest.fixture
def run_dynamics(capsys, monkeypatch, tmp_path):
    """The command alone, in this process, in a wide terminal."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))
    app = typer.Typer(add_completion=False)
    app.command()(dynamics_command)

    def command(*arguments: str) -> tuple[int, str, str]:
        try:
            app(args=[str(one) for one in arguments], standalone_mode=False)
            code = 0
        except Exception as failure:
            code = explain(failure)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def logged(tmp_path):
    for name, shift in (("kappa=1_seed=0", 0.0), ("kappa=1_seed=1", 0.02), ("kappa=10_seed=0", 0.1)):
        rows = [{"kind": "epoch", "step": 10 * place, "epoch": place, "knn_top1": 0.2 + 0.03 * place + shift} for place in range(10)]
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_the_log_of_runs_is_shown_written_and_drawn(run_dynamics, logged):
    runs = sorted(logged.glob("kappa*"))
    code, out, _ = run_dynamics(*runs, "--out", logged / "s.json", "--out", logged / "s.csv", "--figure", logged / "c.png", "--over", "epoch")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["run", "step", "epoch", "kNN", "%"]
    assert lines[1].split() == ["kappa=10_seed=0", "0", "0", "30.0"]
    assert len(lines) == 31
    assert [one["name"] for one in json.loads((logged / "s.json").read_text())["series"]] == [run.name for run in runs]
    assert (logged / "s.csv").read_text().startswith("run,step,epoch,kind,knn_top1")
    assert (logged / "c.png").read_bytes()[:4] == b"\x89PNG"


def test_checkpoints_are_measured_anew(run_dynamics):
    code, out, _ = run_dynamics("hydes-digits", "--dataset", "digits", "--limit", "40", "--preset", "paper", "--no-probes", "--quiet")
    assert code == 0
    assert out.splitlines()[0].split()[:3] == ["step", "ANISO", "CORR"]
    assert len(out.splitlines()) == 2


WRONG = [
    (["a", "--out", "x.xlsx"], 2, "the series file must end in .json or .csv; got 'x.xlsx'"),
    (["a", "--figure", "x.gif"], 2, "the figure must end in .png, .pdf, .svg; got 'x.gif'"),
    (["a", "--over", "time"], 2, "--over must be step or epoch; got 'time'"),
    (["nowhere"], 1, "must be a readable metrics.jsonl; got 'No such file or directory'"),
    (["nowhere.pt"], 1, "must be a readable metrics.jsonl"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG)
def test_what_is_wrong_is_one_line(run_dynamics, arguments, code, message):
    got, out, err = run_dynamics(*arguments)
    assert (got, out) == (code, "")
    assert err.count("\n") == 1
    assert message in err


def test_an_unknown_number_is_answered_with_the_nearest(run_dynamics, logged):
    code, _, err = run_dynamics(logged / "kappa=1_seed=0", "--measure", "knn_top")
    assert code == 1
    assert "got no 'knn_top'; nearest: knn_top1" in err
