"""A run that was interrupted and went on is the run that was not, bit for bit."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from repr_probe.training.loop import LAG
from repr_probe.training.run_folder import RunFolder
from repr_probe.training.run_state import read_state

tiny = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_run.py"))))
CLOCK = {"images_per_s", "wait"}  # the only fields of a record that depend on the machine's mood


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def records(path: Path) -> list[dict]:
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in CLOCK} for line in lines]


def assert_same(one, other, where="state") -> None:
    """Equal in every tensor and number, not only close."""
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert list(one) == list(other), where
        for name in one:
            assert_same(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, (left, right) in enumerate(zip(one, other)):
            assert_same(left, right, f"{where}[{index}]")
    else:
        assert one == other, where


def assert_same_run(one: Path, other: Path) -> None:
    states = [read_state(path / "ckpt_00000012.pt") for path in (one, other)]
    assert_same(*states)
    assert records(one) == records(other)
    assert (one / "backbone.safetensors").read_bytes() == (other / "backbone.safetensors").read_bytes()


def elsewhere() -> None:
    """What another process would find: other global random states."""
    torch.manual_seed(4711)


@pytest.mark.parametrize("objective", ["Alignment", "Teacher"])
@pytest.mark.parametrize("step", [0, 2, 3, 5, 7, 11])  # after 4 and 8 updates an epoch ends
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, objective, step):
    how = {"objective": getattr(tiny, objective)}
    tiny.run(tmp_path / "whole", **how)
    elsewhere()
    stopped = tiny.run(tmp_path / "parts", before=tiny.at(step, tiny.terminate), **how)
    if step < 11:  # at 11 the signal comes during the last step, after which there is nothing left to do
        assert (stopped.step, stopped.stopped_by, stopped.done) == (step + 1, "SIGTERM", False)
        elsewhere()
        assert tiny.run(tmp_path / "parts", resume=True, **how).done
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_killed_run_goes_on_from_its_last_checkpoint_without_doubled_records(tmp_path):
    def die() -> None:
        raise OSError("the machine is gone")

    tiny.run(tmp_path / "whole", checkpoint_steps=3)
    with pytest.raises(OSError, match="gone"):
        tiny.run(tmp_path / "parts", checkpoint_steps=3, before=tiny.at(7, die))
    assert records(tmp_path / "parts")[-1]["step"] == 7  # one step further than the last checkpoint
    tiny.run(tmp_path / "parts", checkpoint_steps=3, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    steps = [record["step"] for record in records(tmp_path / "parts") if record["kind"] == "step"]
    assert steps == list(range(1, 13))


def test_resume_without_a_checkpoint_begins_anew(tmp_path):
    def die() -> None:
        raise OSError("the machine is gone")

    with pytest.raises(OSError, match="gone"):
        tiny.run(tmp_path / "parts", before=tiny.at(2, die))
    tiny.run(tmp_path / "parts", resume=True)
    tiny.run(tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_damaged_checkpoint_is_passed_over(tmp_path):
    tiny.run(tmp_path / "whole", checkpoint_steps=3)
    tiny.run(tmp_path / "parts", checkpoint_steps=3, before=tiny.at(8, tiny.terminate))
    last = RunFolder(tmp_path / "parts").checkpoints()[-1]
    last.write_bytes(last.read_bytes()[:-200])
    tiny.run(tmp_path / "parts", checkpoint_steps=3, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_run_has_nothing_to_add(tmp_path):
    first = tiny.run(tmp_path)
    before = records(tmp_path)
    result = tiny.run(tmp_path, resume=True)
    assert result.done and records(tmp_path) == before
    assert (result.values, result.checkpoint) == (first.values, first.checkpoint)


def test_the_noise_of_a_step_does_not_depend_on_the_steps_before(tmp_path):
    """With dropout and nothing else random, other noise would show in the weights."""
    tiny.run(tmp_path / "one", seed=0)
    tiny.run(tmp_path / "other", seed=1)
    states = [read_state(tmp_path / name / "ckpt_00000012.pt")["model"]["head.weight"] for name in ("one", "other")]
    assert not torch.equal(*states)


def test_the_callers_random_numbers_stay_as_they_were(tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    tiny.run(tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_another_configuration_is_refused(tmp_path):
    tiny.run(tmp_path, before=tiny.at(2, tiny.terminate))
    with pytest.raises(ValueError, match=r"resume must go on with the same configuration; .* learning_rate: 0\.01 before, 0\.1 now"):
        tiny.run(tmp_path, resume=True, learning_rate=0.1)


@pytest.mark.parametrize("step", [1, 3, 7])
def test_numbers_that_come_a_step_late_as_on_a_gpu_change_nothing(tmp_path, monkeypatch, step):
    tiny.run(tmp_path / "whole", checkpoint_steps=3)
    monkeypatch.setitem(LAG, "cpu", 1)
    stopped = tiny.run(tmp_path / "parts", checkpoint_steps=3, before=tiny.at(step, tiny.terminate))
    assert stopped.step == min(step + 2, 4 * (step // 4 + 1))  # one step later than on a CPU, but for the last of an epoch
    tiny.run(tmp_path / "parts", checkpoint_steps=3, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
