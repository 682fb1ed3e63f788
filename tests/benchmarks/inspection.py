"""`inspect` on an ordinary ResNet-50 and on a DINO training file of 690 MB: `python tests/benchmarks/inspection.py`.

Prints the time after imports and the peak of anonymous memory above what the libraries hold (Linux), each in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ONE = """
import sys, threading, time
import numpy, safetensors, timm, torch, torchvision
import repr_probe.encoders.inspect_file

def anonymous():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))

before, peak, done = anonymous(), [0.0], threading.Event()

def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], anonymous())

watcher = threading.Thread(target=watch)
watcher.start()
start = time.perf_counter()
found = repr_probe.inspect(sys.argv[1])
seconds = time.perf_counter() - start
done.set()
watcher.join()
print(f"{found.facts['chosen']['place']}: {found.facts['architecture']}; {seconds:.2f} s, {peak[0] - before:.0f} MB")
"""


def main() -> None:
    import timm
    import torch
    import torchvision

    with tempfile.TemporaryDirectory() as folder:
        resnet, dino = Path(folder) / "resnet50.pth", Path(folder) / "dino.pth"
        torch.save(torchvision.models.resnet50().state_dict(), resnet)
        network = timm.create_model("vit_base_patch16_224", num_classes=0).state_dict()
        teacher = {f"backbone.{name}": tensor for name, tensor in network.items()}
        student = {f"module.backbone.{name}": tensor + 0.1 for name, tensor in network.items()}
        torch.save({"student": student, "teacher": teacher, "epoch": 3}, dino)
        del network, teacher, student
        for path in (resnet, dino):
            print(f"{path.name}, {path.stat().st_size / 1e6:.0f} MB")
            for _ in range(3):
                print("  " + subprocess.run([sys.executable, "-c", ONE, path], check=True, capture_output=True, text=True).stdout.strip())


if __name__ == "__main__":
    main()
