"""Grad-CAM of all 16 blocks of a ResNet-50 over noisy samples of one 224 px image: one backward pass for all against captum's loop over layers.

    python tests/benchmarks/saliency.py [--samples 25] [--size 224] [--batch-size 1]

Both forms get the same noise, one sample at a time, on one thread, and their maps are compared: captum's is LayerGradCam for every layer and
sample, which is what NoiseTunnel does with nt_samples_batch_size=1. Each runs in a process of its own; peak memory is that process's peak less
what it held before. Ratios count: machines differ and are shared. Goals: a tenth of the time, 0.2 GB at most, the same maps to 1e-6.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torchvision

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.encoder import Encoder
from repr_probe.visual.layers import blocks_of
from repr_probe.visual.noise import image_key, noise_scale, unit_noise
from repr_probe.visual.smoothgrad_cam import smoothgrad_cam


def ours(encoder: Encoder, image: torch.Tensor, samples: int, batch_size: int) -> list[np.ndarray]:
    return list(smoothgrad_cam(encoder, image, preset="paper", samples=samples, batch_size=batch_size).per_layer)


def captum(encoder: Encoder, image: torch.Tensor, samples: int, batch_size: int) -> list[np.ndarray]:
    """The loop over layers; batch_size plays no part."""
    from captum.attr import LayerGradCam

    modules = dict(encoder.module.named_modules())
    own = encoder.features(image)["pooled"].clone()
    key, scale = image_key(image[0], encoder.input), noise_scale(0.15, encoder.input)
    found = []
    for layer in blocks_of(encoder.module):
        method = LayerGradCam(lambda noisy: (encoder.module(noisy) * own).sum(1), modules[layer])
        total = 0.0
        for sample in range(samples):
            noisy = image + unit_noise(key, sample, tuple(image.shape[1:])) * scale
            total = total + method.attribute(noisy.requires_grad_(), relu_attributions=True).detach()[:, 0]
        found.append((total / samples).numpy())
    return found


FORMS = {"captum": captum, "ours": ours}


def measure(form: str, samples: int, size: int, batch_size: int, out: str) -> dict[str, float]:
    """CPU seconds of the process and peak memory in MB above the start; the maps go to the file `out`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = torchvision.models.resnet50(weights=None)
    network.fc = torch.nn.Identity()
    encoder = as_encoder(network.eval().requires_grad_(False), image_size=size, name="resnet50", mean=0.5, std=0.5)
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        network(image)  # the first pass sets up the kernels
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    maps = FORMS[form](encoder, image, samples, batch_size)
    seconds = time.process_time() - start
    np.savez(out, *maps)
    return {"seconds": seconds, "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=25)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--form", choices=FORMS, help="internal: measure one form and print JSON")
    parser.add_argument("--maps", help="internal: where to leave the maps")
    options = parser.parse_args()
    if options.form:
        print(json.dumps(measure(options.form, options.samples, options.size, options.batch_size, options.maps)))
        return
    found, maps = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            place = str(Path(folder) / f"{form}.npz")
            call = [sys.executable, __file__, *sys.argv[1:], "--form", form, "--maps", place]
            found[form] = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
            with np.load(place) as file:
                maps[form] = [file[name] for name in file.files]
            print(f"{form:8} {found[form]['seconds']:8.1f} s  {found[form]['megabytes']:8.0f} MB  ({len(maps[form])} blocks)")
    apart = max(float(np.abs(one - other).max() / other.max()) for one, other in zip(maps["ours"], maps["captum"]))
    print(f"ratio    {found['captum']['seconds'] / found['ours']['seconds']:8.1f} x faster, maps apart by {apart:.1e} of their maximum")


if __name__ == "__main__":
    main()
