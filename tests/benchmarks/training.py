"""Our training loop against a lightly-style one (DINOTransform in loader workers, float32, eager): images a second, on the same machine.

    python tests/benchmarks/training.py [--case cifar|imagenet] [--device auto] [--steps 60] [--repetitions 3] [--workers N]
    python tests/benchmarks/training.py --case cifar --device cpu --width 8 --images 256 --batch-size 32 --steps 4 --repetitions 1   # seconds

Both train the same network with the same HyDeS loss, projector, optimiser and batch size on the same image files, in turn:
cifar: ResNet-18 with a 3 x 3 stem, 2 views of 32 and 6 of 16 pixels; imagenet: ResNet-50, 2 of 224 and 6 of 96.
Ours is `run_training` as it is, its records written; the first steps of each run are left out. Images are made up (smooth colours and
noise, PNG of 32 pixels or JPEG of 500 x 375) unless --dataset names real ones. Goals on a GPU: ratio >= 5 (cifar) and >= 3 (imagenet),
data wait < 5 %, loss < 2 % of the step.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from repr_probe.datasets.open import open_dataset
from repr_probe.encoders.devices import resolve_device
from repr_probe.loading import available_cores
from repr_probe.training.config import TrainConfig
from repr_probe.training.hydes_loss import hydes_loss
from repr_probe.training.loop import run_training
from repr_probe.training.networks import build_backbone
from repr_probe.training.objectives.build import build_objective
from repr_probe.training.optimiser import adamw
from repr_probe.training.run_folder import RunFolder

CASES = {
    "cifar": {"arch": "torchvision:resnet18", "stem": "cifar", "global_size": 32, "local_size": 16, "blur": False},
    "imagenet": {"arch": "torchvision:resnet50", "stem": "imagenet", "global_size": 224, "local_size": 96},
}
PICTURES = {"cifar": ((32, 32), "png"), "imagenet": ((500, 375), "jpg")}


@dataclass(frozen=True)
class Timing:
    """images_per_s over the counted steps; wait: share of their time without data; seconds: of one step."""

    images_per_s: float
    wait: float
    seconds: float


def write_images(folder: Path, count: int, size: tuple[int, int], suffix: str) -> None:
    """Photograph-like: decoding costs about what it does for photographs."""
    generator = np.random.default_rng(0)
    for number in range(count):
        path = folder / "train" / f"class{number % 10}" / f"{number:06d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        noise = generator.normal(0, 8, (size[1], size[0], 3))
        Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)).save(path, quality=90)


def ours(config: TrainConfig, *, skip: int) -> Timing:
    """The real loop into a folder; its own records tell the time."""
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "run")
        run_training(config, folder, resume=False)
        steps = [json.loads(line) for line in folder.metrics_file.read_text().splitlines()]
    steps = [line for line in steps if line["kind"] == "step"][skip:]
    seconds = [config.batch_size / line["images_per_s"] for line in steps]
    waited = sum(line["wait"] * taken for line, taken in zip(steps, seconds))
    return Timing(config.batch_size * len(steps) / sum(seconds), waited / sum(seconds), sum(seconds) / len(steps))


class Augmented(Dataset):
    """What somebody writes with lightly: its transform in the workers of a loader."""

    def __init__(self, config: TrainConfig) -> None:
        from lightly.transforms import DINOTransform

        self.images = open_dataset(config.dataset, build_backbone(config).input, split=config.split, data_root=config.data_root, limit=config.limit)
        blur = {} if config.blur else {"gaussian_blur": (0.0, 0.0, 0.0)}
        sizes = {"global_crop_size": config.global_size, "local_crop_size": config.local_size, "n_local_views": config.n_local}
        self.transform = DINOTransform(**sizes, **blur)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> list[torch.Tensor]:
        return self.transform(self.images.image(row).convert("RGB"))


def theirs(config: TrainConfig, *, skip: int, n_steps: int) -> Timing:
    device = resolve_device(config.device)
    backbone = build_backbone(config)
    objective = build_objective("hydes", backbone.module, backbone.n_features, projector=config.projector, options=config.options).to(device)
    optimiser = adamw(objective, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    loader = DataLoader(
        Augmented(config), config.batch_size, shuffle=True, drop_last=True, num_workers=config.workers or 0, pin_memory=device.type == "cuda",
        persistent_workers=bool(config.workers),
    )  # fmt: skip
    done, waited, start = 0, 0.0, math.nan
    while done < n_steps:
        batches = iter(loader)
        for _ in range(min(len(loader), n_steps - done)):
            asked = time.perf_counter()
            if done == skip:
                start, waited = asked, 0.0
            views = next(batches)
            waited += time.perf_counter() - asked
            loss = objective([view.to(device, non_blocking=True) for view in views], None).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()  # printed by everybody's loop
            done += 1
    seconds = time.perf_counter() - start
    return Timing(config.batch_size * (n_steps - skip) / seconds, waited / seconds, seconds / (n_steps - skip))


def seconds_of_loss(config: TrainConfig, device: torch.device, *, width: int, repetitions: int = 20) -> float:
    """Forward and backward of the loss alone, on what the projector gives for a batch."""
    z = torch.randn(config.batch_size, config.n_global + config.n_local, width, device=device, requires_grad=True)
    taken = []
    for _ in range(repetitions):
        start = time.perf_counter()
        hydes_loss(z, kappa=1.0).backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, default="cifar")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dataset", help="real images: a known name or a folder (default: made up)")
    parser.add_argument("--data-root")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=int, help="channels of the first stage, 64 in the full network")
    parser.add_argument("--steps", type=int, default=60, help="counted steps of each run")
    parser.add_argument("--skip", type=int, default=None, help="steps before them (default: a quarter as many, at least 1)")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--compile", action="store_true", help="torch.compile in ours")
    return parser.parse_args()


def config_of(options: argparse.Namespace, dataset: str, n_steps: int) -> TrainConfig:
    per_epoch = options.images // options.batch_size
    return TrainConfig(
        **CASES[options.case],
        dataset=dataset,
        data_root=options.data_root,
        limit=options.images if options.dataset else None,
        width=options.width,
        batch_size=options.batch_size,
        projector=(512, 128),
        epochs=math.ceil(n_steps / per_epoch),
        warmup_epochs=0,
        workers=options.workers,
        device=options.device,
        compile=options.compile,
        checkpoint_every=0,
    )


def main() -> None:
    options = arguments()
    device = resolve_device(options.device)
    skip = max(1, options.steps // 4) if options.skip is None else options.skip
    n_steps = skip + options.steps
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{options.case} on {where}, batch {options.batch_size}, {options.workers} workers, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as place:
        if not options.dataset:
            write_images(Path(place), options.images, *PICTURES[options.case])
        config = config_of(options, options.dataset or place, n_steps)
        pairs = []
        for repetition in range(options.repetitions):
            pair = ours(config, skip=skip), theirs(config, skip=skip, n_steps=n_steps)
            pairs.append(pair)
            for name, timing in zip(("ours", "lightly-style"), pair):
                print(f"  {repetition + 1} {name:14} {timing.images_per_s:9,.1f} images/s, data wait {100 * timing.wait:5.1f} %")
    ratios = [mine.images_per_s / other.images_per_s for mine, other in pairs]
    step = statistics.median(mine.seconds for mine, _ in pairs)
    wait = statistics.median(mine.wait for mine, _ in pairs)
    print(f"ratio ours / lightly-style: {statistics.median(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    print(f"data wait of ours: {100 * wait:.1f} %")
    print(f"loss, alone: {100 * seconds_of_loss(config, device, width=128) / step:.2f} % of our step of {1000 * step:.1f} ms")


if __name__ == "__main__":
    main()
