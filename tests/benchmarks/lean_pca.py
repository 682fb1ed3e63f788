"""PCA of ResNet-50's hypercolumns, four stages: ours against upsampling, concatenating and a full SVD of what stands there.

    python tests/benchmarks/lean_pca.py [--size 224] [--images 1] [--repetitions 3]

The maps are those of a ResNet-50 with random weights for images of smoothed noise. The definition works in float32, as the maps are, on
pixels x channels: covariance by one product, then an eigendecomposition (several times faster than an SVD of all pixels). Each form runs in a
process of its own, on one thread; time is CPU time, peak memory that process's peak less what it held before (Linux). Ratios
count.
Goals: 20 times faster, 20 times less memory, scores that correlate above 1 - 1e-8 with those of float64.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from repr_probe.visual.lean_pca import lean_pca

Maps = dict[str, torch.Tensor]


def maps_of(size: int, images: int) -> Maps:
    from repr_probe.encoders.load import load_encoder
    from repr_probe.encoders.maps import feature_maps

    noise = torch.randn(images, 3, size // 8, size // 8, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, size=(size, size), mode="bicubic")
    return feature_maps(load_encoder("torchvision:resnet50", image_size=size), smooth, ["stage1", "stage2", "stage3", "stage4"])


def concatenated(maps: Maps, size: tuple[int, int], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """(n, 3, height, width): the definition, each layer divided by the root of its variance."""
    parts = []
    for each in maps.values():
        part = torch.nn.functional.interpolate(each.to(dtype), size=size, mode="bilinear").permute(0, 2, 3, 1).flatten(0, 2)
        parts.append(part / part.var(0).sum().sqrt())
    columns = torch.cat(parts, 1)
    columns -= columns.mean(0)
    vectors = torch.linalg.eigh(columns.T @ columns / (len(columns) - 1)).eigenvectors
    scores = columns @ vectors[:, -3:].flip(1)
    return scores.T.unflatten(1, (len(next(iter(maps.values()))), *size)).transpose(0, 1)


def lean(maps: Maps, size: tuple[int, int]) -> torch.Tensor:
    return lean_pca(maps, size).scores


FORMS = {"concatenated": concatenated, "lean": lean}


def memory_in_kilobytes(line: str) -> int:
    """VmRSS, resident now, or VmHWM, its peak; Linux alone says."""
    return next(int(each.split()[1]) for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(line))


def resident_from_now() -> int:
    """Start the peak anew, so that what importing took does not hide a small one."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_in_kilobytes("VmRSS")


def measure(form: str, size: int, maps_file: str, repetitions: int, scores_file: str) -> dict[str, float]:
    torch.set_num_threads(1)
    maps: Maps = torch.load(maps_file)
    torch.linalg.eigh(torch.eye(8) @ torch.eye(8))  # libraries are loaded before memory is read
    before, seconds = resident_from_now(), []
    for _ in range(repetitions):
        start = time.process_time()
        scores = FORMS[form](maps, (size, size))
        seconds.append(time.process_time() - start)
    peak = memory_in_kilobytes("VmHWM") - before
    np.save(scores_file, scores.double().numpy())
    return {"seconds": statistics.median(seconds), "megabytes": peak / 1000}


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Smallest over the components, without sign."""
    one, other = (each.swapaxes(0, 1).reshape(3, -1) for each in (one, other))
    return float(min(abs((a * b).sum()) / np.sqrt((a * a).sum() * (b * b).sum()) for a, b in zip(one, other)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--form", choices=FORMS, help="internal: measure one form and print JSON")
    parser.add_argument("--files", nargs=2, help="internal: maps to read and scores to write")
    asked = parser.parse_args()
    if asked.form:
        print(json.dumps(measure(asked.form, asked.size, asked.files[0], asked.repetitions, asked.files[1])))
        return
    with TemporaryDirectory() as folder:
        maps_file = str(Path(folder, "maps.pt"))
        maps = maps_of(asked.size, asked.images)
        torch.save(maps, maps_file)
        found, scores = {}, {}
        for form in FORMS:
            files = [maps_file, str(Path(folder, f"{form}.npy"))]
            repetitions = str(1 if form == "concatenated" else asked.repetitions)
            options = ["--form", form, "--size", str(asked.size), "--repetitions", repetitions, "--files", *files]
            said = subprocess.run([sys.executable, __file__, *options], check=True, capture_output=True, text=True).stdout
            found[form], scores[form] = json.loads(said), np.load(files[1])
            print(f"{form:13} {found[form]['seconds']:8.3f} s {found[form]['megabytes']:9.1f} MB")
        ours, theirs = found["lean"], found["concatenated"]
        print(f"ratio         {theirs['seconds'] / ours['seconds']:8.1f} x {theirs['megabytes'] / max(ours['megabytes'], 1e-3):9.1f} x")
        print(f"1 - correlation with the definition in float32: {1 - correlation(scores['lean'], scores['concatenated']):.1e}")
        small = (asked.size // 4, asked.size // 4)
        exact, ours_small = concatenated(maps, small, torch.float64), lean(maps, small)
        print(f"1 - correlation with it in float64, at {small[0]} px: {1 - correlation(ours_small.numpy(), exact.numpy()):.1e}")


if __name__ == "__main__":
    main()
