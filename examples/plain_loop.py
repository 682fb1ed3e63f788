"""HyDeS in a training loop of your own, and the geometry of the encoder while it learns: digits on a CPU, less than a minute.

    python examples/plain_loop.py
"""

from __future__ import annotations

import torch
from torch import nn

from repr_probe import GeometryMonitor, HyDeSLoss, probe_set
from repr_probe.preprocessing import InputSpec
from repr_probe.views.batched import draw_views
from repr_probe.views.recipe import dino_views

SPEC = InputSpec(size=(8, 8), mean=(0.3055,), std=(0.376,))
VIEWS = dino_views(global_size=8, local_size=8, n_local=2, blur=False, solarise=False, flip=0.0, grey=0.0)


class Network(nn.Module):
    """The monitor looks at `backbone`; the projector is for the loss alone."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 64)),
        )
        self.projector = nn.Sequential(nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.projector(self.backbone(images))


def main(epochs: int = 10, batch_size: int = 128, limit: int | None = None) -> list[dict[str, float]]:
    torch.manual_seed(0)
    images, _ = probe_set("digits", SPEC, split="train", limit=limit, pixels=True)  # uint8, for views to be drawn from
    monitor = GeometryMonitor(*probe_set("digits", SPEC, limit=limit))  # clean images of the test split, the same at every call

    model, loss_of = Network(), HyDeSLoss(kappa=10.0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    monitor(model, step=0)
    for epoch in range(epochs):
        batches = torch.randperm(len(images)).split(batch_size)
        for number, rows in enumerate(batches):
            views = draw_views(images[rows], VIEWS, mean=SPEC.mean, std=SPEC.std, seed=(0, epoch, number))
            z = model(torch.cat(views)).unflatten(0, (len(views), len(rows))).transpose(0, 1)  # (n_images, n_views, n_features)
            loss = loss_of(z)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        monitor(model, step=(epoch + 1) * len(batches), terms={"loss": loss.item()})
    return monitor.history


if __name__ == "__main__":
    print(f"{'step':>5}{'kNN %':>8}{'effective rank':>16}{'anisotropy':>12}")
    for row in main():
        print(f"{row['step']:5}{100 * row['knn_top1']:8.1f}{row['effective_rank']:16.1f}{row['anisotropy']:12.3f}")
