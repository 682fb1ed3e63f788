"""Class-token attention at 448 px beside the plain forward pass, whole matrices, and eager code with hooks; ViT-S/16 with random weights.

    python tests/benchmarks/attention.py [--size 448] [--batch 4] [--repetitions 5]

All forms take the same images on one thread, in turn, in one process; CPU time, median. Ratios count: machines differ and are shared.
Goal: the class token's row at most 1.3 times the plain pass.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import timm
import torch

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.visual.attention import attention_maps
from repr_probe.visual.attention_tap import AttentionTap


def forms(size: int, images: torch.Tensor) -> dict[str, Callable[[], object]]:
    module = timm.create_model("vit_small_patch16_224", img_size=size, num_classes=0).eval()
    encoder = as_encoder(module, image_size=size)
    eager = timm.create_model("vit_small_patch16_224", img_size=size, num_classes=0).eval()
    kept: list[torch.Tensor] = []
    for block in eager.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _, inputs, __: kept.append(inputs[0]))

    def hooked() -> None:
        kept.clear()
        eager(images)

    def matrices() -> None:
        whole: list[torch.Tensor] = []
        with AttentionTap(lambda call: whole.append(call.rows(slice(None)))):
            module(images)

    n = len(images)
    return {
        "plain forward pass": lambda: module(images),
        "attention_maps, mean": lambda: attention_maps(encoder, images, batch_size=n),
        "attention_maps, rollout": lambda: attention_maps(encoder, images, reduce="rollout", batch_size=n),
        "tap, whole matrices": matrices,
        "eager code and hooks": hooked,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=448)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.randn(asked.batch, 3, asked.size, asked.size)
    seconds: dict[str, list[float]] = {}
    runs = forms(asked.size, images)
    with torch.no_grad():
        for repetition in range(asked.repetitions + 1):  # the first is a warm-up
            for name, run in runs.items():
                start = time.process_time()
                run()
                if repetition:
                    seconds.setdefault(name, []).append(time.process_time() - start)
    plain = statistics.median(seconds["plain forward pass"])
    for name, times in seconds.items():
        print(f"{name:26} {statistics.median(times):6.2f} s  {statistics.median(times) / plain:5.2f} x")


if __name__ == "__main__":
    main()
