"""ResNet-50 extraction over synthetic 224-px JPEGs against a bare loop of decode + transform + forward, same workers, same batch size.

    python tests/benchmarks/extraction.py [--images 2000] [--repetitions 3] [--batch-size 64] [--workers N] [--device cpu]

Both run in this process, interleaved; each repetition of the extraction goes into a new home, so that nothing is answered from a store.
Prints the throughput of each (median and all repetitions) and the ratio of the medians; the target is 0.9 or more.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from repr_probe.datasets.open import open_dataset
from repr_probe.encoders.load import load_encoder
from repr_probe.extraction import extract_features
from repr_probe.loading import available_cores


def write_images(folder: Path, count: int) -> list[Path]:
    """Photograph-like JPEGs (smooth colours and a little noise: decoding costs about what it does for photographs), 256 x 256."""
    generator = np.random.default_rng(0)
    paths = []
    for number in range(count):
        path = folder / f"class{number % 10}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 255, (16, 16, 3), dtype=np.uint8)).resize((256, 256), Image.Resampling.BICUBIC)
        noise = generator.normal(0, 8, (256, 256, 3))
        Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)).save(path, quality=90)
        paths.append(path)
    return sorted(paths)


class Files(Dataset):
    """What somebody writes who has no toolkit: torchvision's own evaluation transform."""

    def __init__(self, paths: list[Path], mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.paths = paths
        steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(mean, std)]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[row]).convert("RGB"))


def bare_loop(module: torch.nn.Module, files: Files, device: torch.device, batch_size: int, workers: int) -> np.ndarray:
    loader = DataLoader(files, batch_size=batch_size, num_workers=workers, pin_memory=device.type == "cuda")
    with torch.inference_mode():
        return np.concatenate([module(batch.to(device, non_blocking=True)).cpu().numpy() for batch in loader])


def timed(work, *arguments, **options) -> tuple[float, object]:
    start = time.perf_counter()
    result = work(*arguments, **options)
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=min(available_cores(), 8))
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    encoder = load_encoder("torchvision:resnet50", device=options.device)
    network = torch.nn.Sequential(*list(encoder.module.children())[:-1], torch.nn.Flatten())  # the same weights without the classifier
    how = {"batch_size": options.batch_size, "workers": options.workers}
    with tempfile.TemporaryDirectory() as temporary:
        paths = write_images(Path(temporary) / "set", options.images)
        files = Files(paths, encoder.input.mean, encoder.input.std)
        bare_times, our_times = [], []
        for repetition in range(options.repetitions):
            dataset = open_dataset(Path(temporary) / "set", encoder.input)
            seconds, bare = timed(bare_loop, network.eval(), files, encoder.device, **how)
            bare_times.append(seconds)
            seconds, stores = timed(extract_features, encoder, dataset, store=Path(temporary) / f"home{repetition}", **how)
            our_times.append(seconds)
            values = stores[0].features().values  # type: ignore[index]
            if values.shape != bare.shape:  # type: ignore[attr-defined]
                raise SystemExit(f"the two did not do the same work: {values.shape} and {bare.shape}")  # type: ignore[attr-defined]
    print(f"{encoder.architecture} on {encoder.device}, {options.images} JPEGs, batch {options.batch_size}, {options.workers} workers")
    for name, times in (("bare loop", bare_times), ("extraction", our_times)):
        rates = [options.images / seconds for seconds in times]
        print(f"{name:<11} {statistics.median(rates):8.1f} images/s   all: {' '.join(f'{rate:.1f}' for rate in rates)}")
    print(f"ratio of median throughputs {statistics.median(bare_times) / statistics.median(our_times):.3f} (target >= 0.9)")


if __name__ == "__main__":
    main()
