from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from repr_probe.errors import UsageError
from repr_probe.monitor.geometry_monitor import GeometryMonitor

# Lightning brings warnings of its own and of what it imports, at import and in fit; they are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def lightning():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import lightning.pytorch as library
        except ImportError:
            library = pytest.importorskip("pytorch_lightning")
    return library


def fitted(lightning, learner, probe, callback, folder, epochs=2):
    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = learner.backbone, learner.head

        def training_step(self, batch, index):
            images, labels = batch
            return functional.cross_entropy(self.head(self.backbone(images)), labels)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    images, labels = probe
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, torch.tensor(labels)), batch_size=10)
    trainer = lightning.Trainer(max_epochs=epochs, callbacks=[callback], logger=False, enable_checkpointing=False, enable_progress_bar=False,
                                enable_model_summary=False, accelerator="cpu", default_root_dir=folder)  # fmt: skip
    module = Module()
    trainer.fit(module, loader)
    return trainer, module


def test_the_trainer_logs_what_the_monitor_measures(lightning, learner, probe, tmp_path):
    from repr_probe.monitor.lightning import GeometryCallback

    monitor = GeometryMonitor(*probe, knn=True, linear=False)
    trainer, module = fitted(lightning, learner, probe, GeometryCallback(monitor, at_start=True), tmp_path)
    assert [row["step"] for row in monitor.history] == [0, 3, 6]
    now = monitor(module)
    for key in set(now) - {"monitor_seconds"}:
        assert trainer.callback_metrics[f"geometry/{key}"].item() == pytest.approx(now[key], rel=1e-5)
    assert monitor.history[0]["anisotropy"] != monitor.history[1]["anisotropy"]


def test_the_weights_are_those_of_a_run_without_the_callback(lightning, learner, probe, tmp_path):
    """Dropout draws random numbers in every step, batch norm keeps statistics: neither may notice."""
    import copy

    from repr_probe.monitor.lightning import GeometryCallback

    twin = copy.deepcopy(learner)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        fitted(lightning, learner, probe, GeometryCallback(GeometryMonitor(*probe, knn=False, linear=False)), tmp_path)
        torch.manual_seed(5)
        fitted(lightning, twin, probe, lightning.Callback(), tmp_path)
    watched, alone = learner.state_dict(), twin.state_dict()
    assert all(torch.equal(watched[name], alone[name]) for name in alone)


def test_every_second_epoch(lightning, learner, probe, tmp_path):
    from repr_probe.monitor.lightning import GeometryCallback

    monitor = GeometryMonitor(*probe, measures=["anisotropy"], knn=False, linear=False)
    fitted(lightning, learner, probe, GeometryCallback(monitor, every=2), tmp_path, epochs=4)
    assert [row["step"] for row in monitor.history] == [6, 12]
    with pytest.raises(UsageError, match="every must be a positive number of epochs; got 0"):
        GeometryCallback(monitor, every=0)
