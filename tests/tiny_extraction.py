"""A real little network and a folder of little images; run as a script, a server that extracts in a process which may be killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from repr_probe.datasets.open import open_dataset
from repr_probe.encoders.encoder import Encoder
from repr_probe.extraction import extract_features
from repr_probe.preprocessing import InputSpec

SPEC = InputSpec((16, 16), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
LAYERS = ("pooled", "early")


class TinyNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.early = torch.nn.Conv2d(3, 5, 3, stride=2)
        self.late = torch.nn.Conv2d(5, 7, 3)

    def forward(self, images):
        return self.late(torch.relu(self.early(images))).mean((2, 3))


def tiny_encoder(seed: int = 0, **facts) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = TinyNet().eval()
    return Encoder("tiny", "test:tiny", module, SPEC, identity={"seed": seed}, facts=facts)


def make_images(folder: Path, n_per_class: int = 12) -> Path:
    generator = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (folder / name).mkdir(parents=True)
        for number in range(n_per_class):
            pixels = generator.integers(0, 255, (20, 18, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def kill_at_line(count: int) -> None:
    """SIGKILL this process when the code that writes stores and files has run `count` lines; prints the number of lines at exit."""
    lines = 0

    def on_line(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        if lines == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    written = ("store_writer.py", "store_journal.py", "store_lock.py", "atomic.py")
    sys.settrace(lambda frame, event, argument: on_line if frame.f_code.co_filename.endswith(written) else None)
    import atexit

    atexit.register(lambda: print(lines, flush=True))


def serve() -> None:
    """One line in, `home images line workers fresh`; out: the process id of the child that extracts, then how it ended."""
    from repr_probe.features import store_writer

    store_writer.SYNC_SECONDS = 0.0  # every batch is made safe at once, so that there is something to resume
    for line in sys.stdin:
        home, images, count, workers, fresh = line.split()
        child = os.fork()
        if child == 0:
            sys.settrace(None)
            if int(count):
                kill_at_line(int(count))
            dataset = open_dataset(Path(images), SPEC)
            extract_features(
                tiny_encoder(), dataset, layers=LAYERS, batch_size=5, workers=int(workers), store=home, fresh=bool(int(fresh))
            )  # fmt: skip
            sys.exit()
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
