"""Extraction by several processes: each writes its consecutive part of the rows, the first puts the parts together.

Parts are files of their own, because two machines that write into one file over a network disk can undo each other's pages. Parts begin at
whole batches, so that every image shares its batch with the same others as in one process, and the bytes are the same.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from repr_probe import progress
from repr_probe.errors import StoreError
from repr_probe.extraction_pass import ExtractionPass, equipment
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_key import canonical_json, store_key
from repr_probe.features.store_writer import StoreWriter
from repr_probe.files.atomic import explained
from repr_probe.ranks import Ranks

_COPIED_ROWS = 4096
_LONGEST = 40  # signs of a fact that is told as it is; of a longer one its hash
_SAID = {"identity": "weights", "fingerprint": "files_of_the_data_set", "rows": "images_and_labels"}


def in_parts(work: ExtractionPass, ranks: Ranks) -> dict[str, FeatureStore]:
    """The stores of `work`, the same on every rank. An interrupted job goes on with its parts when it comes back with as many processes.

    Raises InputError on all ranks where they were given different networks, images or library versions.
    """
    ranks.require_alike(**_facts(work))
    with ExitStack() as locks:
        whole: dict[str, StoreWriter] = {}
        # Held by the first rank from the start: nobody else may begin, or tidy up, what these parts will become.
        ranks.first_does(lambda: whole.update(locks.enter_context(work.writing())))
        spans = _spans(work, ranks)
        if spans[ranks.rank][0] < spans[ranks.rank][1]:
            _write_part(work, spans[ranks.rank])
        ranks.wait()
        return ranks.first_does(lambda: {layer: _assembled(work, layer, writer, spans) for layer, writer in whole.items()})


def _facts(work: ExtractionPass) -> dict[str, str]:
    """All that the bytes depend on, each under a name that says what to look at where processes differ."""
    key = next(iter(work.fields.values()))
    made_of = {_SAID.get(name, name): value for name, value in key.items() if name not in ("layer", "schema")}
    run = equipment(work.facts)
    versions = {f"version_of_{name}": version for name, version in run.pop("versions").items()}
    facts = {"layers": list(work.fields), **made_of, **run, **versions, "batch_size": work.facts["batch_size"]}
    return {name: _short(value) for name, value in facts.items()}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= _LONGEST else sha256(text.encode()).hexdigest()[:12]


def _spans(work: ExtractionPass, ranks: Ranks) -> list[tuple[int, int]]:
    step = work.facts["batch_size"]
    return [Ranks(rank, ranks.world_size, None).run_of(len(work.dataset), step=step) for rank in range(ranks.world_size)]


def _suffix(work: ExtractionPass, span: tuple[int, int]) -> str:
    return f".part-{work.facts['batch_size']}-{span[0]}-{span[1]}"


def _part_of(work: ExtractionPass, layer: str, span: tuple[int, int]) -> Path:
    return work.folder / f"{store_key(work.fields[layer])}{_suffix(work, span)}"


def _write_part(work: ExtractionPass, span: tuple[int, int]) -> None:
    missing = {layer: content for layer, content in work.fields.items() if work.fresh or not _finished(work, layer, span)}
    part = replace(work, fields=missing, rows=span)
    with part.writing(_suffix(work, span)) as writers:
        part.run(writers)
        for layer, writer in writers.items():
            part.finish(layer, writer)


def _finished(work: ExtractionPass, layer: str, span: tuple[int, int]) -> bool:
    """Whether an earlier job left this part whole, made with the same equipment."""
    path = _part_of(work, layer, span)
    try:
        return path.exists() and equipment(FeatureStore.open(path).meta["provenance"]["run"]) == equipment(work.facts)
    except StoreError:
        return False


def _assembled(work: ExtractionPass, layer: str, writer: StoreWriter, spans: list[tuple[int, int]]) -> FeatureStore:
    """One store of the parts of all ranks; the parts, and those of jobs of other sizes, go away."""
    writer.restart()
    with progress.task(f"putting parts of {layer} together", len(work.dataset)) as advance:
        for first, last in spans:
            if first == last:
                continue
            part = FeatureStore.open(_part_of(work, layer, (first, last))).features()
            for start in range(0, last - first, _COPIED_ROWS):
                rows = slice(start, start + _COPIED_ROWS)
                writer.write(first + start, part.values[rows], None if part.views is None else part.views[rows])
                advance(len(part.values[rows]))
    store = work.finish(layer, writer)
    with explained(work.folder):
        for path in work.folder.glob(f"{store.key}.part-*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return store
