"""Writes golden/<package>.json: what the real packages say of the fixed inputs. Packages that are not there are left out, and said.

    python tests/parity/make_golden.py               all that is installed
    python tests/parity/make_golden.py ssrlib        this one

A package may lie in a folder of its own that PYTHONPATH names, so that its pins touch no environment.
"""

from __future__ import annotations

import json
import platform
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from inputs import SEED, fingerprint, inputs
from peers import PEERS, Peer

FOLDER = Path(__file__).with_name("golden")


def golden(peer: Peer) -> dict[str, Any]:
    """The content of the file of this peer. Raises ImportError where it is not installed."""
    try:
        found = version(peer.distribution)
    except PackageNotFoundError as error:
        raise ImportError(str(error)) from error
    names: dict[str, Any] = {}
    exec(peer.setup, names)
    names.update(vars(inputs()))
    values = {key: {"call": call, "value": float(eval(call, names))} for key, call in peer.calls.items()}
    return {
        "package": peer.distribution,
        "version": found,
        "command": f"python tests/parity/make_golden.py {peer.distribution}",
        "how": peer.how,
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "inputs": {"seed": SEED, "sha256": fingerprint()},
        "values": values,
    }


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - {peer.distribution for peer in PEERS}
    if unknown:
        sys.stderr.write(f"no such package in peers.py: {', '.join(sorted(unknown))}\n")
        return 2
    FOLDER.mkdir(exist_ok=True)
    for peer in PEERS:
        if wanted and peer.distribution not in wanted:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                content = golden(peer)
        except ImportError as error:
            sys.stderr.write(f"{peer.distribution}: left out, {error}\n")
            continue
        path = FOLDER / f"{peer.distribution}.json"
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        sys.stderr.write(f"{peer.distribution} {content['version']}: {len(content['values'])} values\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
