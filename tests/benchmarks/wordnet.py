"""WordNet similarities of ImageNet's 1,000 synsets against NLTK's double loop: `python tests/benchmarks/wordnet.py [--pairs 3000]`.

Prints how many times faster Wu-Palmer, Leacock-Chodorow and path of all 499,500 pairs are than NLTK's own, from a sample of its pairs in
the same process; once with everything loaded on both sides and once with reading WordNet and all depths on our side (and NLTK's load not
counted). Needs Debian's wordnet-base and wordnet-sense-index.
"""

from __future__ import annotations

import argparse
import runpy
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from repr_probe.classes.wnids import imagenet_names
from repr_probe.semantics.similarity import similarities
from repr_probe.semantics.wordnet_files import read_records
from repr_probe.semantics.wordnet_graph import load_nouns

nltk_folder = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "semantics" / "nltk_folder.py")))
MEASURES = ("wup", "lch", "path")


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def nltk_pairs(synsets: list[Any], pairs: np.ndarray) -> np.ndarray:
    return np.array([(synsets[a].wup_similarity(synsets[b]), synsets[a].lch_similarity(synsets[b]), synsets[a].path_similarity(synsets[b]))
                     for a, b in pairs])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pairs", type=int, default=3000, help="pairs that NLTK computes")
    options = parser.parse_args()
    if nltk_folder.missing():
        sys.exit(nltk_folder.missing())
    wnids = list(imagenet_names())
    pairs = np.array(np.triu_indices(len(wnids), 1)).T
    sample = np.random.default_rng(0).choice(pairs, options.pairs, replace=False)

    def ours(place: Path | None) -> dict[str, np.ndarray]:
        nouns = load_nouns(place)
        return similarities(nouns, [nouns.find(wnid) for wnid in wnids], MEASURES)

    bundled, _ = seconds(lambda: ours(None))
    files, _ = seconds(lambda: ours(nltk_folder.SYSTEM))
    reading, _ = seconds(lambda: read_records(nltk_folder.SYSTEM))
    warm, found = min((seconds(lambda: ours(None)) for _ in range(5)), key=lambda run: run[0])

    with tempfile.TemporaryDirectory() as root:
        folder = nltk_folder.make_nltk_folder(Path(root))
        import nltk
        from nltk.corpus.reader.wordnet import WordNetCorpusReader

        nltk.data.path.insert(0, root)
        warnings.simplefilter("ignore", UserWarning)
        load, reader = seconds(lambda: WordNetCorpusReader(str(folder), None))
        synsets = [reader.synset_from_pos_and_offset("n", int(wnid[1:])) for wnid in wnids]
        first, _ = seconds(lambda: synsets[0].lch_similarity(synsets[1]))
        nltk_pairs(synsets, sample[:200])
        sampled, theirs = seconds(lambda: nltk_pairs(synsets, sample))

    same = all(np.array_equal(theirs[:, place], found[name][sample[:, 0], sample[:, 1]]) for place, name in enumerate(MEASURES))
    everything = sampled / len(sample) * len(pairs)
    print(f"NLTK: {sampled / len(sample) * 1e6:.0f} us a pair (wup, lch, path; {len(sample)} of {len(pairs)} pairs), {everything:.0f} s for all")
    print(f"NLTK's load, in no ratio: {load:.1f} s, its first lch: {first:.1f} s; same bits: {same}")
    print(f"loaded:                          {warm:.2f} s, {everything / warm:.0f} x NLTK (at least 100)")
    print(f"with reading the bundled table:  {bundled:.2f} s, {everything / bundled:.0f} x NLTK (at least 50)")
    print(f"with parsing WordNet's files:    {files:.2f} s, {everything / files:.0f} x NLTK (at least 50); parsing alone {reading:.2f} s")


if __name__ == "__main__":
    main()
