"""Every method raises the nearest-neighbour accuracy of its random start on scikit-learn's digits; about ten seconds each on one core.

    pytest -m slow tests/training/objectives/test_methods_learn.py -s
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from repr_probe.encoders.digits_net import DigitsNet
from repr_probe.probes.knn import knn
from repr_probe.training.objectives.build import METHODS, build_objective
from repr_probe.views.batched import draw_views
from repr_probe.views.recipe import dino_views

N_EPOCHS, BATCH = 12, 128
SMALL = {  # prototypes and queues for 1,200 images; kappa 10 because 1 needs many more steps
    "hydes": {"kappa": 10.0},
    "byol": {"predictor": 256},
    "resa": {"predictor": 256},
    "swav": {"n_prototypes": 60, "queue": 0},
    "dino": {"n_prototypes": 256, "momentum": 0.98},
}


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, np.ndarray]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return torch.from_numpy((bunch.images * 255 / 16).astype(np.uint8))[:, None], bunch.target


def knn_accuracy(backbone: nn.Module, pixels: torch.Tensor, labels: np.ndarray) -> float:
    backbone.eval()
    with torch.no_grad():
        features = backbone((pixels / 255 - 0.5) / 0.5).numpy()
    backbone.train()
    return knn(features[:1200], labels[:1200], features[1200:], labels[1200:], k=20, temperature=0.1, device="cpu").top1


def gain(method: str, pixels: torch.Tensor, labels: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """(kNN before, kNN after) a short training on the first 1,200 digits, measured on the other 597."""
    torch.manual_seed(seed)
    n_classes = 10 if method == "supervised" else None
    backbone = DigitsNet()
    with torch.no_grad():
        n_features = backbone(torch.zeros(2, 1, 8, 8)).shape[1]
    projector = None if n_classes else (256, 64)
    objective = build_objective(method, backbone, n_features, projector=projector, n_classes=n_classes, options=SMALL.get(method))
    recipe = dino_views(global_size=8, n_local=0, global_area=(0.6, 1.0), blur=False, solarise=False, flip=0.0, grey=0.0)
    optimiser = torch.optim.AdamW([weight for weight in objective.parameters() if weight.requires_grad], lr=2e-3, weight_decay=0.01)
    before = knn_accuracy(backbone, pixels, labels)
    n_steps = 1200 // BATCH
    for step in range(N_EPOCHS * n_steps):
        epoch, at = divmod(step, n_steps)
        rows = np.random.default_rng((seed, epoch)).permutation(1200)[at * BATCH : (at + 1) * BATCH]
        views = draw_views(pixels[rows], recipe, mean=(0.5,), std=(0.5,), seed=(seed, epoch, at, 0))
        loss = objective(views, torch.from_numpy(labels[rows])).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        objective.after_step((step + 1) / (N_EPOCHS * n_steps))
    return before, knn_accuracy(backbone, pixels, labels)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_short_training_raises_knn(method, digits):
    before, after = gain(method, *digits)
    print(f"\n{method:13s} kNN {100 * before:.1f} -> {100 * after:.1f} %")
    assert after > before + 0.05
