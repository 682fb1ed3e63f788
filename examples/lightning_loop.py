"""The geometry of an encoder in a Lightning Trainer: HyDeS on digits on a CPU, less than a minute.

    pip install pytorch-lightning
    python examples/lightning_loop.py

The callback logs `geometry/effective_rank` and the others, so that EarlyStopping and ModelCheckpoint can go by them, as they do here.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from repr_probe import GeometryMonitor, HyDeSLoss, probe_set
from repr_probe.monitor.lightning import GeometryCallback
from repr_probe.preprocessing import InputSpec
from repr_probe.views.batched import draw_views
from repr_probe.views.recipe import dino_views

SPEC = InputSpec(size=(8, 8), mean=(0.3055,), std=(0.376,))
VIEWS = dino_views(global_size=8, local_size=8, n_local=2, blur=False, solarise=False, flip=0.0, grey=0.0)


class HyDeS(lightning.LightningModule):
    """The callback looks at `backbone`; the projector is for the loss alone."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 64)),
        )
        self.projector = nn.Sequential(nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64))
        self.loss_of = HyDeSLoss(kappa=10.0)

    def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
        (images,) = batch
        views = draw_views(images, VIEWS, mean=SPEC.mean, std=SPEC.std, seed=(0, self.current_epoch, number, self.global_rank))
        z = self.projector(self.backbone(torch.cat(views)))
        return self.loss_of(z.unflatten(0, (len(views), len(images))).transpose(0, 1))  # (n_images, n_views, n_features)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=0.01)


def main(epochs: int = 10, batch_size: int = 128, limit: int | None = None, every: int = 2) -> tuple[list[dict[str, float]], float]:
    """The numbers before training and after every `every` epochs, and the best kNN accuracy, whose weights ModelCheckpoint keeps."""
    lightning.seed_everything(0, verbose=False)
    images, _ = probe_set("digits", SPEC, split="train", limit=limit, pixels=True)  # uint8, for views to be drawn from
    monitor = GeometryMonitor(*probe_set("digits", SPEC, limit=limit))  # clean images of the test split, always the same
    with TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="geometry/knn_top1", mode="max", every_n_epochs=every, save_on_train_epoch_end=True)
        trainer = lightning.Trainer(
            max_epochs=epochs, callbacks=[GeometryCallback(monitor, every=every, at_start=True), best], logger=False, accelerator="cpu",
            default_root_dir=Path(folder), enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(HyDeS(), DataLoader(TensorDataset(images), batch_size=batch_size, shuffle=True))
    return monitor.history, float(best.best_model_score)


if __name__ == "__main__":
    history, best = main()
    print(f"{'step':>5}{'kNN %':>8}{'effective rank':>16}{'anisotropy':>12}")
    for row in history:
        print(f"{row['step']:5}{100 * row['knn_top1']:8.1f}{row['effective_rank']:16.1f}{row['anisotropy']:12.3f}")
    print(f"the checkpoint kept has {100 * best:.1f} %")
