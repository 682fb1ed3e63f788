"""Build the bundled WordNet tables: `python -m repr_probe.semantics.build_table [--wordnet-dir FOLDER]`; half a minute, needed once.

The source is WordNet 3.0 in any form that is read here, for example Debian's package wordnet-base, which leaves it in /usr/share/wordnet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from repr_probe.semantics.wordnet_files import read_records
from repr_probe.semantics.wordnet_table import GLOSSES, LIMIT, NOUNS, pack_glosses, pack_nouns


def build_tables(wordnet_dir: str | Path) -> dict[str, bytes]:
    """File name -> its bytes."""
    records, _ = read_records(wordnet_dir)
    return {NOUNS: pack_nouns(records), GLOSSES: pack_glosses(records)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m repr_probe.semantics.build_table", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--wordnet-dir", type=Path, default=Path("/usr/share/wordnet"), help="folder or archive of WordNet 3.0")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write into")
    options = parser.parse_args(arguments)
    tables = build_tables(options.wordnet_dir)
    total = sum(map(len, tables.values()))
    sys.stderr.write(", ".join(f"{name}: {len(content) / 1000:.0f} kB" for name, content in tables.items()) + "\n")
    if total > LIMIT:
        sys.stderr.write(f"the tables must have at most {LIMIT:,} bytes together; got {total:,}; nothing was written\n")
        return 1
    for name, content in tables.items():
        (options.out / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
