"""GeometryTrainerCallback: the monitor in the Trainer of Hugging Face transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from repr_probe.errors import UsageError
from repr_probe.monitor.geometry_monitor import GeometryMonitor
from repr_probe.monitor.ranks import from_rank_zero

if TYPE_CHECKING:
    from transformers import TrainerCallback
else:
    try:
        from transformers import TrainerCallback
    except ImportError as failure:
        raise UsageError("GeometryTrainerCallback must have transformers; got none; pip install transformers accelerate") from failure

MOMENTS = ("evaluate", "epoch")


class GeometryTrainerCallback(TrainerCallback):
    """`Trainer(callbacks=[GeometryTrainerCallback(monitor)])` measures at every evaluation, or at the end of every epoch.

    at: "evaluate" puts the numbers among the metrics of the evaluation, so that `metric_for_best_model="eval_knn_top1"` can choose by
        them; "epoch" measures whether or not there is an evaluation.
    Either way they are appended to `state.log_history`, which the Trainer saves with its checkpoints (a callback cannot reach its loggers;
    `GeometryMonitor(log=...)` writes a file). Names get the prefix "eval_", as the Trainer's own metrics. Rank 0 measures, all ranks get them.
    """

    def __init__(self, monitor: GeometryMonitor, *, at: str = "evaluate", prefix: str = "eval_") -> None:
        if at not in MOMENTS:
            raise UsageError(f"at must be {' or '.join(MOMENTS)}; got {at!r}")
        self.monitor, self.at, self.prefix = monitor, at, prefix

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        if self.at == "evaluate":
            found = self._measure(model, state)
            if metrics is not None:
                metrics.update(found)

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if self.at == "epoch":
            self._measure(model, state)

    def _measure(self, model: Any, state: Any) -> dict[str, float]:
        found = from_rank_zero(lambda: self.monitor(model, step=state.global_step))
        named = {f"{self.prefix}{key}": value for key, value in found.items()}
        state.log_history.append({"epoch": state.epoch, "step": state.global_step, **named})
        return named
