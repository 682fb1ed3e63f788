"""Views per second and core: the batched and the streamed path against lightly's DINOTransform, side by side in one process.

    REPR_PROBE_TEST_DATA=FOLDER python tests/benchmarks/augmentation.py [--repetitions 3] [--small 512] [--photographs 30]

Three comparisons, on one thread, interleaved; medians of the repetitions and their ratio (machines differ and are shared, ratios last):
  32 px    2 x 32 + 6 x 16 from CIFAR-sized images in memory: DINOTransform image by image; `draw_views` on the batch. Goal: 3 or more.
  JPEG     2 x 224 + 6 x 96 from photographs (re-encoded at 500 x 375, quality 90): decoding and DINOTransform; decoding and `crop_views`,
           which is all a loading worker does when the device does the colours. Goal: 4 or more.
  JPEG, all on the CPU   the same with `colour_views` on the same core: what a machine without GPU gets.
The photographs are those of REPR_PROBE_TEST_DATA/imagenet_samples; without them smooth random pictures stand in, which is said.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightly.transforms import DINOTransform
from PIL import Image

from repr_probe.views.batched import colour_views, crop_views, draw_views
from repr_probe.views.recipe import dino_views

NORMALISATION = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SIZE = (500, 375)


def photographs(count: int) -> tuple[list[bytes], str]:
    """`count` JPEG files in memory, and where they come from."""
    folder = Path(os.environ.get("REPR_PROBE_TEST_DATA", "")) / "imagenet_samples"
    paths = sorted(folder.glob("*.JPEG"))[:count] if "REPR_PROBE_TEST_DATA" in os.environ else []
    if paths:
        images, source = [Image.open(path).convert("RGB") for path in paths], "ImageNet photographs"
    else:
        coarse = np.random.default_rng(0).integers(256, size=(count, 24, 32, 3), dtype=np.uint8)
        images, source = [Image.fromarray(pixels) for pixels in coarse], "smooth random pictures"
    files = []
    for image in images:
        file = io.BytesIO()
        image.resize(SIZE, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files, source


def decode(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def rates(works: dict[str, Callable[[], int]], repetitions: int) -> dict[str, list[float]]:
    """Images per second of each work, run in turn; a first round warms up and does not count."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for repetition in range(repetitions + 1):
        for name, work in works.items():
            start = time.perf_counter()
            count = work()
            if repetition:
                found[name].append(count / (time.perf_counter() - start))
    return found


def small_images(count: int) -> dict[str, Callable[[], int]]:
    pixels = np.random.default_rng(0).integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
    images = [Image.fromarray(image) for image in pixels]
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    transform = DINOTransform(global_crop_size=32, local_crop_size=16)
    recipe = dino_views(global_size=32, local_size=16)

    def lightly() -> int:
        return len([transform(image) for image in images[: count // 4]])

    def ours() -> int:
        return sum(len(draw_views(part, recipe, **NORMALISATION, seed=(0, 0))[0]) for part in batch.split(128))

    return {"lightly": lightly, "ours": ours}


def jpegs(files: list[bytes], *, colours: bool) -> dict[str, Callable[[], int]]:
    transform, recipe = DINOTransform(), dino_views()

    def lightly() -> int:
        return len([transform(decode(file)) for file in files])

    def ours() -> int:
        crops = []
        for row, file in enumerate(files):
            pixels = torch.from_numpy(np.array(decode(file))).permute(2, 0, 1)
            crops.append(crop_views(pixels, recipe, seed=(0, 0), row=row))
        groups = [torch.stack(group, dim=1) for group in zip(*crops, strict=True)]
        if colours:
            colour_views(groups, recipe, **NORMALISATION, seed=(0, 0), rows=np.arange(len(files)))
        return len(files)

    return {"lightly": lightly, "ours": ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--small", type=int, default=512, help="images of 32 x 32")
    parser.add_argument("--photographs", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    files, source = photographs(options.photographs)
    print(f"{source}, {len(files)} files of {sum(map(len, files)) // len(files) // 1000} kB on average")
    comparisons = {
        "32 px": (small_images(options.small), 3.0),
        "JPEG": (jpegs(files, colours=False), 4.0),
        "JPEG, all on the CPU": (jpegs(files, colours=True), None),
    }
    for name, (works, goal) in comparisons.items():
        found = rates(works, options.repetitions)
        middle = {work: statistics.median(values) for work, values in found.items()}
        aim = f" (goal {goal:g} or more)" if goal else ""
        line = f"{name:<22}lightly {middle['lightly']:7.1f}   ours {middle['ours']:7.1f} images/s and core"
        print(f"{line}   ratio {middle['ours'] / middle['lightly']:.1f}{aim}")


if __name__ == "__main__":
    main()
