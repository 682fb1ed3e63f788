"""What the loop writes, says and refuses."""

from __future__ import annotations

import errno
import json
import os
import runpy
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from repr_probe import progress
from repr_probe.errors import ReprProbeError, StoreError, UsageError
from repr_probe.training.loop import LAG
from repr_probe.training.memory import OutOfMemory
from repr_probe.training.optimiser import learning_rate_at
from repr_probe.training.ranks import Ranks
from repr_probe.training.run_state import read_state
from repr_probe.training.stepper import Stepper
from repr_probe.training.stopping import TrainingFailure

tiny = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_run.py"))))


class Notes:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps = 0

    def task(self, description, total):
        import contextlib

        @contextlib.contextmanager
        def bar():
            yield self._advance

        self.total = total
        return bar()

    def _advance(self, steps):
        self.steps += steps

    def note(self, text):
        self.lines.append(text)


def records(path: Path, kind: str) -> list[dict]:
    lines = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def test_a_run_writes_its_folder(tmp_path):
    result = tiny.run(tmp_path)
    assert result.done and result.stopped_by is None
    names = sorted(path.name for path in tmp_path.iterdir())
    checkpoints = ["ckpt_00000004.pt", "ckpt_00000008.pt", "ckpt_00000012.pt"]
    assert names == ["backbone.safetensors", *checkpoints, "config.toml", "metrics.jsonl"]
    assert result.checkpoint == tmp_path / checkpoints[-1]


def test_steps_and_epochs_are_recorded(tmp_path):
    result = tiny.run(tmp_path)
    steps, epochs = records(tmp_path, "step"), records(tmp_path, "epoch")
    assert [(line["step"], line["epoch"]) for line in steps] == [(step, (step - 1) // 4 + 1) for step in range(1, 13)]
    assert [(line["step"], line["epoch"]) for line in epochs] == [(4, 1), (8, 2), (12, 3)]
    expected = {"kind", "step", "epoch", "loss", "near", "size", "gradient_norm", "feature_spread", "learning_rate", "images_per_s", "wait"}
    assert all(set(line) == expected for line in steps + epochs)
    assert epochs[1]["loss"] == pytest.approx(sum(line["loss"] for line in steps[4:8]) / 4)
    rates = [learning_rate_at(step, peak=1e-2, warmup_steps=4, total_steps=12) for step in range(12)]
    assert [line["learning_rate"] for line in steps] == rates
    assert result.values["loss"] == epochs[-1]["loss"]


def test_the_loss_falls(tmp_path):
    tiny.run(tmp_path, epochs=8)
    losses = [line["loss"] for line in records(tmp_path, "epoch")]
    assert losses[-1] < 0.7 * losses[0]


def test_the_update_is_adamw_on_the_mean_gradient(tmp_path):
    """A slow twin: the same steps by hand."""
    tiny.run(tmp_path, objective=lambda: tiny.Alignment(dropout=0.0), channels_last=False)
    torch.manual_seed(0)
    twin = tiny.Alignment(dropout=0.0)
    matrices = [parameter for parameter in twin.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in twin.parameters() if parameter.ndim == 1]
    optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}])
    feed = tiny.Feed(SimpleNamespace(rank=0, world_size=1, device=torch.device("cpu")))
    batches = [batch for epoch in range(3) for batch in feed.epoch(epoch)]
    for step, batch in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, peak=1e-2, warmup_steps=4, total_steps=12)
        optimiser.zero_grad()
        twin(batch.views).loss.backward()
        optimiser.step()
    trained = read_state(tmp_path / "ckpt_00000012.pt")["model"]
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(trained[name], value, rtol=1e-5, atol=1e-6)


def test_the_monitor_is_asked_at_the_start_and_each_epoch(tmp_path):
    asked = []

    def monitor(model, step=None):
        asked.append((type(model).__name__, step))
        model.eval()  # a careless one: the loop trains on in training mode all the same
        return {"knn_top1": 0.1 * step}

    tiny.run(tmp_path, monitor=monitor, eval_every=2)
    assert asked == [("Alignment", 0), ("Alignment", 8), ("Alignment", 12)]
    assert records(tmp_path, "start") == [{"kind": "start", "step": 0, "epoch": 0, "knn_top1": 0.0}]
    assert [line.get("knn_top1") for line in records(tmp_path, "epoch")] == [None, 0.8, pytest.approx(1.2)]


def test_the_monitor_does_not_change_the_run(tmp_path):
    tiny.run(tmp_path / "one")
    tiny.run(tmp_path / "other", monitor=lambda model, step=None: {"x": model.backbone(torch.ones(2, 1, 8, 8)).sum().item()})
    first, second = (read_state(tmp_path / name / "ckpt_00000012.pt")["model"] for name in ("one", "other"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_dry_run_takes_two_steps_and_leaves_nothing(tmp_path):
    seen = []
    result = tiny.run(tmp_path / "run", dry_run=True, before=seen.append)
    assert (result.step, result.total_steps, result.checkpoint, seen[:2]) == (2, 12, None, [0, 1])
    assert list(tmp_path.iterdir()) == []
    assert {"loss", "near", "gradient_norm"} <= set(result.values) and result.images_per_s > 0


def test_bfloat16_is_autocast_with_weights_in_float32(tmp_path):
    dtypes = []

    class Watched(tiny.Alignment):
        def forward(self, views, labels=None):
            dtypes.append(self.backbone(views[0]).dtype)
            return super().forward(views, labels)

    tiny.run(tmp_path, objective=Watched, precision="bf16", epochs=1, warmup_epochs=0)
    assert set(dtypes) == {torch.bfloat16}
    assert {tensor.dtype for tensor in read_state(tmp_path / "ckpt_00000004.pt")["model"].values()} == {torch.float32}


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_layout_is_what_was_asked_for(channels_last):
    layouts = []

    class Watched(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = torch.nn.Conv2d(3, 4, 3)

        def forward(self, views, labels=None):
            layouts.extend(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in (views[0], self.backbone.weight))
            return SimpleNamespace(loss=self.backbone(views[0]).square().mean(), terms={})

        def after_step(self, progress):
            pass

    config = replace(tiny.CONFIG, channels_last=channels_last)
    stepper = Stepper(Watched(), config, Ranks(0, 1, torch.device("cpu")), steps_per_epoch=1)
    stepper.take(SimpleNamespace(views=[torch.ones(2, 3, 5, 5)], labels=None, wait=0.0), 0, stop=False)
    assert layouts == [channels_last] * 2


# --- ends that were not planned


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(tmp_path, number, name):
    notes, handler = Notes(), signal.getsignal(number)
    with progress.reporting(notes):
        result = tiny.run(tmp_path, before=tiny.at(5, lambda: os.kill(os.getpid(), number)))
    assert (result.step, result.stopped_by) == (6, name)
    assert notes.lines[-2:] == [
        f"{name}: finishing this step, then saving (Ctrl-C again: stop at once)",
        f"stopped at step 6 of 12; go on with --resume {tmp_path}",
    ]
    assert (tmp_path / "ckpt_00000006.pt").exists() and not (tmp_path / "backbone.safetensors").exists()
    assert signal.getsignal(number) is handler
    assert notes.steps == 6 and notes.total == 12


def test_a_second_ctrl_c_interrupts_at_once(tmp_path):
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        tiny.run(tmp_path, before=tiny.at(5, twice))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def poisoned(after: int, *, gradient_only: bool = False):
    class Poisoned(tiny.Alignment):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, views, labels=None):
            self.calls += 1
            result = super().forward(views, labels)
            if self.calls <= after:
                return result
            if gradient_only:
                self.head.weight.register_hook(lambda gradient: gradient * float("inf"))
                return result
            result.terms["size"] = result.terms["size"] * float("nan")
            return SimpleNamespace(loss=result.loss * result.terms["size"], terms=result.terms)

    return Poisoned


@pytest.mark.parametrize("lag", [0, 1])  # 1: as on a GPU, where another step has been taken when the numbers arrive
def test_a_bad_loss_stops_and_names_term_step_and_checkpoint(tmp_path, monkeypatch, lag):
    monkeypatch.setitem(LAG, "cpu", lag)
    where = r"got loss nan, size nan, gradient_norm nan at step 7 \(epoch 2, batch 3 of 4\)"
    with pytest.raises(TrainingFailure, match=rf"loss and gradients must be finite; {where}; the last good checkpoint is .*ckpt_00000004\.pt"):
        tiny.run(tmp_path, objective=poisoned(6))
    kept = read_state(tmp_path / "ckpt_00000004.pt")["model"]
    assert all(tensor.isfinite().all() for tensor in kept.values())
    assert records(tmp_path, "step")[-1]["step"] == 6


def test_a_bad_gradient_alone_stops_too(tmp_path):
    where = r"got gradient_norm (inf|nan) at step 3 \(epoch 1, batch 3 of 4\)"
    with pytest.raises(TrainingFailure, match=rf"{where}; there is no checkpoint yet"):
        tiny.run(tmp_path, objective=poisoned(2, gradient_only=True))
    assert list(tmp_path.glob("ckpt_*")) == []


def test_a_collapse_stops(tmp_path):
    class Constant(tiny.Alignment):
        def __init__(self) -> None:
            super().__init__()
            torch.nn.init.zeros_(self.backbone.layers[-1].weight).requires_grad_(False)

    message = r"features must differ between images; got the same vector for all of them for 20 steps up to step 20 \(epoch 5, batch 4 of 4\)"
    with pytest.raises(TrainingFailure, match=message):
        tiny.run(tmp_path, objective=Constant, epochs=8)


def test_out_of_memory_names_a_batch_size_to_try(tmp_path):
    class Large(tiny.Alignment):
        def forward(self, views, labels=None):
            raise torch.OutOfMemoryError("Tried to allocate 20.00 GiB. GPU 0 has ...")

    with pytest.raises(OutOfMemory, match=r"^batch_size must fit into memory; got 12 on cpu; try --batch-size 8$"):
        tiny.run(tmp_path, objective=Large)


def test_memory_that_the_cpu_refuses_is_explained_too(tmp_path):
    class Large(tiny.Alignment):
        def forward(self, views, labels=None):
            return torch.empty(1 << 60)

    with pytest.raises(OutOfMemory, match="try --batch-size 8"):
        tiny.run(tmp_path, objective=Large)


def test_other_errors_of_a_network_are_left_alone(tmp_path):
    class Wrong(tiny.Alignment):
        def forward(self, views, labels=None):
            return torch.ones(2, 3) @ torch.ones(2, 3)

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        tiny.run(tmp_path, objective=Wrong)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    save = torch.save

    def full(state, file):
        if state["step"] == 8:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(state, file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StoreError, match=r"^\S+ckpt_00000008\.pt must have more room; got a full disk; .*; the last good checkpoint is \S+4\.pt$"):
        tiny.run(tmp_path)
    assert [path.name for path in tmp_path.glob("*ckpt_*")] == ["ckpt_00000004.pt"]
    monkeypatch.undo()
    assert tiny.run(tmp_path, resume=True).done


def test_a_new_run_does_not_run_over_an_old_one(tmp_path):
    tiny.run(tmp_path)
    with pytest.raises(UsageError, match="out must be a new folder"):
        tiny.run(tmp_path)


def test_cuda_without_a_gpu(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(UsageError, match=r"device must be there; got 'cuda', but this machine offers cpu"):
        tiny.run(tmp_path, device="cuda")
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_events(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tiny.run(tmp_path, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("step/loss")] == list(range(1, 13))
    assert events.Scalars("epoch/loss")[-1].value == pytest.approx(records(tmp_path, "epoch")[-1]["loss"], rel=1e-6)


def test_tensorboard_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    message = r"tensorboard must be installed for --tensorboard; got no such package; pip install 'repr-probe\[tensorboard\]'"
    with pytest.raises(UsageError, match=message):
        tiny.run(tmp_path, tensorboard=True)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_begin_leaves_no_folder_in_the_way(tmp_path):
    def broken():
        raise UsageError("arch must be known")

    with pytest.raises(UsageError, match="arch must be known"):
        tiny.run(tmp_path / "run", objective=broken)
    assert not (tmp_path / "run").exists()
    assert tiny.run(tmp_path / "run").done


def test_failures_are_errors_of_the_package():
    assert issubclass(TrainingFailure, ReprProbeError) and issubclass(OutOfMemory, ReprProbeError)
