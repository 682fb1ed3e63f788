"""One training step of the dense probe at 224 px on ResNet-50's four stages: one 1x1 convolution a layer against upsample-and-concatenate.

    python tests/benchmarks/dense.py [--batch 2] [--repetitions 3] [--size 224]

Both forms take the same maps and masks, with gradients of all weights, on one thread, and their logits are compared. Each runs in a process
of its own, in turn; peak memory is that process's peak less what it held before its first step. Ratios count: machines differ and are
shared. Goals: 10 times faster, 10 times less memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch

from repr_probe.probes.hypercolumns import Hypercolumns

N_CLASSES = 21
STAGES = {"stage1": (256, 4), "stage2": (512, 8), "stage3": (1024, 16), "stage4": (2048, 32)}  # channels, stride


def concatenated(columns: Hypercolumns, weights: dict[str, torch.Tensor], bias: torch.Tensor) -> torch.Tensor:
    """The definition: all maps upsampled and concatenated by torch, then one 1x1 convolution."""
    up = [torch.nn.functional.interpolate(maps, size=columns.size, mode="bilinear") for maps in columns.maps.values()]
    return torch.nn.functional.conv2d(torch.cat(up, 1), torch.cat(list(weights.values()), 1)[:, :, None, None], bias)


FORMS = {"concatenated": concatenated, "ours": Hypercolumns.projected}


def measure(form: str, batch: int, repetitions: int, size: int) -> dict[str, float]:
    """Seconds a step (CPU time of the process, median), peak memory in MB above the start, and a digest of the logits."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    maps = {layer: torch.randn(batch, channels, size // stride, size // stride, generator=generator) for layer, (channels, stride) in STAGES.items()}
    weights = {layer: (torch.randn(N_CLASSES, channels, generator=generator) / 64).requires_grad_() for layer, (channels, _) in STAGES.items()}
    bias = torch.zeros(N_CLASSES, requires_grad=True)
    masks = torch.randint(0, N_CLASSES, (batch, size, size), generator=generator)
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(repetitions):
        start = time.process_time()
        logits = FORMS[form](Hypercolumns(maps, (size, size)), weights, bias)
        torch.nn.functional.cross_entropy(logits, masks).backward()
        seconds.append(time.process_time() - start)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    return {"seconds": statistics.median(seconds), "megabytes": peak, "digest": float(logits.detach().double().square().mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--form", choices=FORMS, help="internal: measure one form and print JSON")
    options = parser.parse_args()
    if options.form:
        print(json.dumps(measure(options.form, options.batch, options.repetitions, options.size)))
        return
    found = {}
    for form in FORMS:
        call = [sys.executable, __file__, *sys.argv[1:], "--form", form]
        found[form] = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
        print(f"{form:13} {found[form]['seconds']:8.3f} s a step  {found[form]['megabytes']:8.0f} MB")
    slow, fast = found["concatenated"], found["ours"]
    assert abs(slow["digest"] / fast["digest"] - 1) < 1e-5, "the two forms must give the same logits"
    print(f"ratio         {slow['seconds'] / fast['seconds']:8.1f} x faster   {slow['megabytes'] / fast['megabytes']:8.1f} x less memory")


if __name__ == "__main__":
    main()
