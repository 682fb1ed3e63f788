"""The loop on a CUDA device: numbers that come a step late, bfloat16, signals."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from repr_probe.training.stopping import TrainingFailure

tiny = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_run.py"))))
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def still() -> torch.nn.Module:
    return tiny.Alignment(dropout=0.0)


def steps(path: Path) -> list[dict]:
    lines = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == "step"]


def test_a_gpu_gives_what_a_cpu_gives(tmp_path):
    """To 1 %: convolutions may use TF32."""
    tiny.run(tmp_path / "cpu", objective=still)
    tiny.run(tmp_path / "cuda", objective=still, device="cuda", precision="fp32")
    losses = [[line["loss"] for line in steps(tmp_path / name)] for name in ("cuda", "cpu")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_bfloat16_is_the_default_and_memory_is_counted(tmp_path):
    dtypes = []

    class Watched(tiny.Alignment):
        def forward(self, views, labels=None):
            dtypes.append(self.backbone(views[0]).dtype)
            return super().forward(views, labels)

    result = tiny.run(tmp_path, objective=Watched, device="cuda", dry_run=True)
    assert set(dtypes) == {torch.bfloat16} and result.peak_bytes > 0


def test_a_stopped_run_goes_on(tmp_path):
    stopped = tiny.run(tmp_path, device="cuda", before=tiny.at(5, tiny.terminate))
    assert stopped.step == 7  # the flag travels with the numbers of step 6, read after step 7
    assert tiny.run(tmp_path, device="cuda", resume=True).done
    assert [line["step"] for line in steps(tmp_path)] == list(range(1, 13))


def test_nan_is_named_at_its_step(tmp_path):
    class Poisoned(tiny.Alignment):
        calls = 0

        def forward(self, views, labels=None):
            self.calls += 1
            result = super().forward(views, labels)
            return SimpleNamespace(loss=result.loss * (float("nan") if self.calls > 6 else 1.0), terms=result.terms)

    with pytest.raises(TrainingFailure, match=r"got loss nan, gradient_norm nan at step 7 .*ckpt_00000004\.pt"):
        tiny.run(tmp_path, objective=Poisoned, device="cuda")
