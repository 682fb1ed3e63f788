"""GeometryCallback: the monitor in a Lightning Trainer, whichever of `lightning` and `pytorch_lightning` it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from repr_probe.errors import UsageError
from repr_probe.monitor.geometry_monitor import GeometryMonitor
from repr_probe.monitor.ranks import from_rank_zero

if TYPE_CHECKING:
    from lightning.pytorch import Callback
else:
    # A Trainer takes any subclass of either Callback: they are looked up by their methods, which must all be there.
    try:
        from lightning.pytorch import Callback
    except ImportError:
        try:
            from pytorch_lightning import Callback
        except ImportError as failure:
            raise UsageError("GeometryCallback must have Lightning; got none; pip install lightning or pytorch-lightning") from failure


class GeometryCallback(Callback):
    """`Trainer(callbacks=[GeometryCallback(monitor)])` logs the numbers of `monitor` at the end of every `every`-th training epoch.

    They are logged as `prefix` + key ("geometry/effective_rank") with `log_dict`, so every logger, EarlyStopping and ModelCheckpoint can
    use them; Lightning keeps them in float32, `monitor.history` as they are. Rank 0 measures, all ranks get the numbers.
    The first numbers can be those of the start: `at_start` measures before the first step (in `monitor.history` only).
    """

    def __init__(self, monitor: GeometryMonitor, *, every: int = 1, at_start: bool = False, prefix: str = "geometry/") -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise UsageError(f"every must be a positive number of epochs; got {every!r}")
        self.monitor, self.every, self.at_start, self.prefix = monitor, every, at_start, prefix

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if self.at_start and trainer.global_step == 0:
            from_rank_zero(lambda: self.monitor(pl_module, step=0))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if (trainer.current_epoch + 1) % self.every == 0:
            metrics = from_rank_zero(lambda: self.monitor(pl_module, step=trainer.global_step))
            logged = {f"{self.prefix}{key}": value for key, value in metrics.items()}
            pl_module.log_dict(logged, on_step=False, on_epoch=True, sync_dist=trainer.world_size > 1)
