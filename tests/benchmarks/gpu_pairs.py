"""All pairs of 1,281,167 x 2048 synthetic unit features on one GPU: `python tests/benchmarks/gpu_pairs.py [--rows N] [--matmul fast]`.

Prints the time of the fused pair pass (mean, SD, row sums and 0.05-degree histograms of all, labelled and same-class pairs), its share of the
rate that torch's own product reaches in the same numbers on the same device, and the errors against float64 on the first 20,000 rows.
Features are made in host memory, block by block; the time from there to the device is given apart. Without a GPU: one line and exit code 2;
`--interpret` runs a toy size on the CPU to show that the script is whole, not how fast anything is.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import numpy as np

_CHUNK = 8192
_SUBSET = 20_000


def features(n: int, width: int, n_classes: int, device) -> tuple[np.ndarray, np.ndarray]:
    """Float32 rows around class centres and the class of each, in order of class; made on the device."""
    import torch

    generator = torch.Generator(device).manual_seed(0)
    centres = torch.randn((n_classes, width), generator=generator, device=device)
    codes = np.sort(np.arange(n) % n_classes)
    values = np.empty((n, width), np.float32)
    for start in range(0, n, _CHUNK):
        own = torch.from_numpy(codes[start : start + _CHUNK]).to(device)
        chunk = torch.randn((len(own), width), generator=generator, device=device) + 0.5 * centres[own]
        values[start : start + _CHUNK] = torch.nn.functional.normalize(chunk).cpu().numpy()
    return values, codes


def ordered(values: np.ndarray, codes: np.ndarray):
    from repr_probe.metrics.inference import delete_groups
    from repr_probe.metrics.rows import Rows

    groups = delete_groups(int(codes.max()) + 1)[codes]
    order = np.lexsort((codes, groups))
    return Rows(values, order, unit=True), codes[order], groups[order]


def rate_of(mode, device, size: int) -> float:
    """Multiplications and additions a second of torch's product of two (size, size) matrices in the numbers of a mode."""
    import torch

    from repr_probe.metrics.products import matmul_precision

    dtype = torch.bfloat16 if mode.half and device.type == "cuda" else torch.float32
    left, right = (torch.randn((size, size), device=device).to(dtype) for _ in range(2))
    times = []
    with matmul_precision("high" if mode.precision == "tf32" else "highest"):
        for _ in range(8):
            wait(device)
            start = time.perf_counter()
            left @ right.T
            wait(device)
            times.append(time.perf_counter() - start)
    return 2.0 * size**3 / float(np.median(times[2:]))


def wait(device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def one_pass(rows, codes, groups, *, matmul: str, device, tilings):
    """The pass, its totals, and seconds of choosing and making it, of loading, and of the pairs."""
    from repr_probe.metrics.fused.fused_pass import fused_pass
    from repr_probe.metrics.fused.plain import PlainTotals

    clock = [time.perf_counter()]
    work = fused_pass(rows, codes, groups, shift=84.0, kernel=None, device=device, matmul=matmul, tilings=tilings, free_bytes=free_bytes(device))
    if work is None:
        sys.exit("gpu_pairs: the kernel cannot be used here; see the note")
    clock.append(time.perf_counter())
    if work.plan.resident:
        work.held.hold(range(1))
        wait(device)
    clock.append(time.perf_counter())
    into = PlainTotals.zeros(len(rows), groups, kernel=False)
    for _ in work.run(work.shares()):
        pass
    refused = work.collect(into)
    clock.append(time.perf_counter())
    return work, into, refused, np.diff(clock)


def free_bytes(device) -> int | None:
    return None if device.type == "cuda" else 1 << 32


def moments(into, n: int) -> tuple[float, float]:
    """Mean and SD of all angles, degrees."""
    count = n * (n - 1.0)
    mean, square = into.sums["all_1"].sum() / count, into.sums["all_2"].sum() / count
    return 84.0 + float(np.degrees(mean)), float(np.degrees(np.sqrt(square - mean * mean)))


def true_moments(rows) -> tuple[float, float]:
    """In float64, by blocks."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    unit = torch.from_numpy(rows.block(0, len(rows))).to(device)
    total = torch.zeros(2, dtype=torch.float64, device=device)
    for start in range(0, len(unit), 2000):
        angle = torch.acos((unit[start : start + 2000] @ unit.T).clamp_(-1.0, 1.0)) - np.radians(84.0)
        angle.masked_fill_(torch.ones_like(angle, dtype=torch.bool).tril_(start), 0.0)
        total += torch.stack([angle.sum(), angle.square().sum()])
    mean, square = (total / (len(unit) * (len(unit) - 1) / 2)).tolist()
    return 84.0 + float(np.degrees(mean)), float(np.degrees(np.sqrt(square - mean * mean)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_281_167)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--matmul", choices=("exact", "fast"), default="fast")
    parser.add_argument("--interpret", action="store_true", help="a toy size by Triton's interpreter, on the CPU")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    if asked.interpret:
        os.environ["TRITON_INTERPRET"] = "1"
        asked.rows, asked.features, asked.classes = 200, 32, 10
    import torch

    from repr_probe.metrics.fused.modes import TILINGS, Tiling

    if not asked.interpret and not torch.cuda.is_available():
        print("gpu_pairs: needs a CUDA device; got none; --interpret runs a toy size without one")
        sys.exit(2)
    device = torch.device("cpu" if asked.interpret else "cuda")
    small = (Tiling(64, 64, 32, 2, 4, 1),)
    tilings = {True: small, False: small} if asked.interpret else TILINGS
    report(*features(asked.rows, asked.features, asked.classes, device), matmul=asked.matmul, device=device, tilings=tilings)


def report(values: np.ndarray, codes: np.ndarray, *, matmul: str, device, tilings) -> None:
    n, width = values.shape
    rows, own_codes, groups = ordered(values, codes)
    work, into, refused, (choosing, loading, pairs) = one_pass(rows, own_codes, groups, matmul=matmul, device=device, tilings=tilings)
    mode, tiling = work.choice.mode, work.choice.tiling
    rate = rate_of(mode, device, 256 if device.type == "cpu" else 8192)
    reached = n * (n - 1.0) * width * mode.segments / pairs
    mean, std = moments(into, n)
    where = "resident" if work.plan.resident else "streamed"
    print(f"{n} x {width}, {matmul}: {mode.name}, tiles {tiling.rows} x {tiling.columns} x {tiling.depth}, {where}")
    print(f"pairs {pairs:.2f} s, choosing and compiling {choosing:.2f} s, loading {loading:.2f} s; mean {mean:.5f} deg, SD {std:.5f} deg")
    print(f"{reached / 1e12:.4g} of {rate / 1e12:.4g} TFLOP/s of the bare product in the same numbers: {100.0 * reached / rate:.1f} %")
    print(f"left to the float64 path: {sum(part.n_pairs for part in refused)} pairs in {len(refused)} rectangles")
    few = min(n, _SUBSET)
    part, part_codes, part_groups = ordered(values[:few], codes[:few])
    _, found, left, _ = one_pass(part, part_codes, part_groups, matmul=matmul, device=device, tilings=tilings)
    errors = [abs(own - true) for own, true in zip(moments(found, few), true_moments(part), strict=True)]
    print(f"against float64 on {few} rows: mean off by {errors[0]:.2g} deg, SD by {errors[1]:.2g} deg ({len(left)} rectangles left out)")


if __name__ == "__main__":
    main()
