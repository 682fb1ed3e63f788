"""Build the index of all architectures: `python -m repr_probe.encoders.build_index`. Minutes on one core; run when timm or torchvision change.

Every classifier of torchvision and every network of timm is built without memory for its weights and written down; those that share all
tensors are tried on the same weights to see whether they compute the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from repr_probe.encoders.architectures import Architecture
from repr_probe.encoders.index.functions import Trials, groups_of, told_apart, with_kinds
from repr_probe.encoders.index.index_file import FILE, Index, pack, shipped_index, unpack
from repr_probe.encoders.index.record import Record
from repr_probe.encoders.index.survey import every_architecture, survey
from repr_probe.progress import note, reporting, task

STEPS_BETWEEN_LINES = 50


class Lines:
    """Progress as plain lines on stderr."""

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Any]:
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            if done % STEPS_BETWEEN_LINES == 0 or done == total:
                self.note(f"{description}: {done} of {total}, {time.monotonic() - started:.0f} s")

        started = time.monotonic()
        yield advance

    def note(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")


def build_index(architectures: Sequence[Architecture]) -> bytes:
    """The index of these architectures; those that cannot be built here are written down as left out."""
    records: list[Record] = []
    left_out: dict[str, str] = {}
    with task("architectures", len(architectures)) as advance:
        for architecture in architectures:
            try:
                records.append(survey(architecture))
            except Exception as failure:  # whatever a library raises: one network that needs a package must not stop the others
                left_out[str(architecture)] = f"{type(failure).__name__}: {str(failure)[:120]}"
                note(f"{architecture} left out: {left_out[str(architecture)]}")
            advance(1)
    trials = Trials()
    with task("groups with the same tensors", len(groups_of(records))) as advance:
        records = with_kinds(records, trials, advance)
    facts = {
        "timm": version("timm"), "torchvision": version("torchvision"), "torch": version("torch").partition("+")[0],
        "architectures": len(records), "left_out": left_out, "same_settings": trials.by_settings, "tried": trials.by_features,
        "too_large_to_try": trials.too_large, "trial_failed": trials.failed,
    }  # fmt: skip
    return pack(records, facts)


def statistics(index: Index) -> dict[str, Any]:
    """Numbers about the index, for the documentation."""
    records = [index.record(number) for number in range(len(index.records))]
    groups, apart = groups_of(records), told_apart(records)
    return {
        "timm": index.facts["timm"], "torchvision": index.facts["torchvision"], "architectures": len(records),
        "left out": len(index.facts["left_out"]), "distinct sets of tensors": len(records) - sum(len(group) - 1 for group in groups),
        "distinct sequences of tensors": len(index.landmarks), "groups that share a set": len(groups),
        "architectures in them": sum(map(len, groups)), "groups that compute different features": len(apart),
        "architectures in those": sum(len(names) for kinds in apart for names in kinds),
        "with tables that follow the image size": sum(bool(record.tables) for record in records),
        "too large to try": len(index.facts["too_large_to_try"]), "trial failed": len(index.facts["trial_failed"]),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m repr_probe.encoders.build_index", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "index" / FILE, help="where to write the index")
    parser.add_argument("--statistics", action="store_true", help="build nothing; say what is in the index that is shipped")
    options = parser.parse_args(arguments)
    if options.statistics:
        index = shipped_index()
    else:
        with reporting(Lines()):
            packed = build_index(every_architecture())
        options.out.write_bytes(packed)
        index = unpack(packed)
        sys.stderr.write(f"{options.out}: {len(packed) / 1000:.0f} kB\n")
    with reporting(Lines()):
        for name, value in statistics(index).items():
            note(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
