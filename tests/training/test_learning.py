"""Does it learn? HyDeS on the digits, seconds on one core: neighbours must agree more than in the random network it starts from."""

from __future__ import annotations

import torch

from repr_probe.datasets.open import open_dataset
from repr_probe.probes.knn import knn
from repr_probe.training.config import read_config
from repr_probe.training.loop import run_training
from repr_probe.training.networks import input_of_run
from repr_probe.training.run_folder import RunFolder

# kappa = 10: at the paper's 1, neighbours may even fall in the first epochs (docs/training.md).
SETTINGS = {"dataset": "digits", "kappa": 10.0, "projector": [256, 128], "n_local": 2, "epochs": 4, "warmup_epochs": 0, "device": "cpu"}
RISE = 0.05


class Neighbours:
    """kNN accuracy of the 450 test digits among the 1,347 training ones."""

    def __init__(self, config) -> None:
        self.splits = {split: open_dataset("digits", input_of_run(config), split=split) for split in ("train", "test")}
        self.images = {split: torch.stack([images[row] for row in range(len(images))]) for split, images in self.splits.items()}

    @torch.no_grad()
    def __call__(self, model, step=None) -> dict[str, float]:
        model.backbone.eval()  # the loop puts it back
        rows = {split: model.backbone(images).numpy() for split, images in self.images.items()}
        result = knn(rows["train"], self.splits["train"].labels, rows["test"], self.splits["test"].labels, preset="dino", device="cpu")
        return {"knn_top1": result.top1}


def test_hydes_learns_the_digits(tmp_path):
    config = read_config(None, SETTINGS)
    folder = RunFolder(tmp_path / "run")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = run_training(config, folder, resume=False, monitor=Neighbours(config))
    finally:
        torch.set_num_threads(threads)
    records = list(folder.metrics())
    start, epochs = records[0], [record for record in records if record["kind"] == "epoch"]
    assert start["kind"] == "start"
    assert result.values["knn_top1"] >= start["knn_top1"] + RISE
    information = [record["mutual_information"] for record in epochs]
    assert information == sorted(information)
    assert all(0 < record["mutual_information"] <= record["ceiling"] for record in epochs)
