from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from repr_probe.errors import UsageError
from repr_probe.monitor.geometry_monitor import GeometryMonitor

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and accelerate


class Learning(nn.Module):
    """What the Trainer of transformers wants to see: keyword inputs, a loss in the output."""

    def __init__(self, learner: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = learner.backbone, learner.head

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.head(self.backbone(images))
        return {"loss": functional.cross_entropy(logits, labels), "logits": logits}


@pytest.fixture
def callback_of():
    pytest.importorskip("transformers")
    from repr_probe.monitor.hugging_face import GeometryTrainerCallback

    return GeometryTrainerCallback


def test_numbers_go_to_the_metrics_and_to_the_history(callback_of, learner, probe):
    from transformers import TrainerControl, TrainerState, TrainingArguments  # noqa: F401

    monitor = GeometryMonitor(*probe, knn=False, linear=False)
    state, metrics = TrainerState(global_step=7, epoch=1.0), {"eval_loss": 1.0}
    callback_of(monitor).on_evaluate(None, state, TrainerControl(), model=learner, metrics=metrics)
    assert metrics["eval_effective_rank"] == monitor.history[0]["effective_rank"]
    assert state.log_history[-1]["step"] == 7
    assert state.log_history[-1]["eval_anisotropy"] == metrics["eval_anisotropy"]
    callback_of(monitor).on_epoch_end(None, state, TrainerControl(), model=learner)
    assert len(monitor.history) == 1


def test_an_unknown_moment_is_refused(callback_of, probe):
    with pytest.raises(UsageError, match="at must be evaluate or epoch; got 'step'"):
        callback_of(GeometryMonitor(probe[0]), at="step")


@pytest.mark.parametrize("at", ["evaluate", "epoch"])
def test_in_a_real_trainer(callback_of, learner, probe, tmp_path, at):
    pytest.importorskip("accelerate")
    from transformers import Trainer, TrainingArguments

    images, labels = probe
    rows = [{"images": image, "labels": label} for image, label in zip(images, labels)]
    monitor = GeometryMonitor(*probe, linear=False)
    best = {"metric_for_best_model": "eval_knn_top1", "load_best_model_at_end": True, "save_strategy": "epoch"} if at == "evaluate" else {}
    arguments = TrainingArguments(output_dir=str(tmp_path), num_train_epochs=2, per_device_train_batch_size=10, report_to=[], use_cpu=True,
                                  eval_strategy="epoch", disable_tqdm=True, remove_unused_columns=False, **best)  # fmt: skip
    trainer = Trainer(Learning(learner), arguments, train_dataset=rows, eval_dataset=rows, callbacks=[callback_of(monitor, at=at)])
    trainer.train()
    assert [row["step"] for row in monitor.history] == [3, 6]
    logged = [row for row in trainer.state.log_history if "eval_anisotropy" in row]
    assert [row["step"] for row in logged] == [3, 6]
    assert logged[-1]["eval_anisotropy"] == monitor.history[-1]["anisotropy"]
    if at == "evaluate":
        assert trainer.state.best_metric == max(row["knn_top1"] for row in monitor.history)
