"""`repro-probe geometry FILE ...` that keeps its sums after every column of tiles, and whose FILE is cut after CUT_AT tiles, if that is set."""

from __future__ import annotations

import os
import sys

from repr_probe.cli.main import main
from repr_probe.metrics import kept_sums
from repr_probe.metrics.angle_tiles import Tile


def run() -> int:
    fill, seen = Tile.fill, []

    def counted(*arguments: object) -> None:
        fill(*arguments)  # type: ignore[arg-type]
        seen.append(1)
        if str(len(seen)) == os.environ.get("CUT_AT"):
            os.truncate(sys.argv[1], 4096)

    Tile.fill = counted  # type: ignore[method-assign, assignment]
    kept_sums.SAVE_SECONDS = 0.0
    return main(["geometry", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(run())
