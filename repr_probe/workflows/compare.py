"""compare: several result files, stores, feature files or checkpoints in one table (the command `repro-probe compare`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from repr_probe.errors import UsageError
from repr_probe.files.home import home, using_home
from repr_probe.reports.comparison import PARTS, Comparison, MeasuredRow, RowPair
from repr_probe.workflows.compare_early import check_used, refuse_early
from repr_probe.workflows.compare_sources import Entry, is_store, open_source, probe_row, row_of
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options
from repr_probe.workflows.told_once import each_note_once

if TYPE_CHECKING:
    from repr_probe.features.feature_set import Features
    from repr_probe.metrics.states import GeometryStates, Options

_OF_IMAGES = ("dataset", "split", "data_root", "limit", "layer")  # options that only checkpoints heed
MOST = 50  # rows; a table of more says nothing, and pairs grow with the square


def compare(
    *sources: Any,
    parts: Sequence[str] | None = None,
    dataset: str | Path | None = None,
    split: str | None = None,
    train_split: str = "train",
    data_root: str | Path | None = None,
    layer: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 64,
    workers: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    population: str = "classes",
    allow: Sequence[str] = (),
    paired: bool = True,
    fresh: bool = False,
    verify_data: bool = False,
    features_key: str | None = None,
    labels_key: str | None = None,
    store: str | Path | None = None,
    **encoder: Unpack[EncoderOptions],
) -> Comparison:
    """Several encoders on the same images: Tables III, IV and I of HyDeS with intervals, paired differences and CKA.

    sources: each a result file (.json), a store, a feature file, or a checkpoint with `dataset`; from Python also reports, features and open
    encoders. parts: "geometry", "semantic", "probe"; default: what the result files hold, else geometry.
    allow: "preprocessing" lets input specifications differ, without paired differences; other differences in data, number of images or protocol
    are refused. paired=False leaves differences and CKA out.  The other options are those of `geometry`; they hold for every checkpoint.

    Raises UsageError, InputError, CheckpointError, DatasetError, FileFormatError or StoreError, each with one line that says what to do.
    """
    if len(sources) < 2 and not _holds_several(sources):
        raise UsageError(f"sources must be two or more; got {len(sources)}")
    images: dict[str, Any] = {"dataset": dataset, "split": split, "data_root": data_root, "limit": limit, "layer": layer, "seed": seed}
    running: dict[str, Any] = {"device": device, "batch_size": batch_size, "workers": workers, "fresh": fresh, "verify_data": verify_data}
    given = checked_options(encoder)
    with using_home(store), each_note_once():
        entries = [
            entry for source in sources for entry in open_source(source, dataset=dataset, features_key=features_key, labels_key=labels_key)
        ]
        if not 2 <= len(entries) <= MOST:
            raise UsageError(f"sources must hold 2 to {MOST} results; got {len(entries)}")
        check_used(entries, {**{name: images[name] for name in _OF_IMAGES}, **given}, population)
        name_apart(entries)
        wanted = chosen_parts(entries, parts)
        refuse_early(entries, wanted, {**given, "device": device}, allow=allow)
        work = ComparisonWork(entries, wanted, {**images, **running, **given}, dtype=dtype, train_split=train_split, population=population)
        return work.comparison(allow=allow, paired=paired)


def chosen_parts(entries: Sequence[Entry], parts: Sequence[str] | None) -> tuple[str, ...]:
    """The parts in the order of PARTS. Raises UsageError for an unknown part and for one that an entry cannot give."""
    if parts is None:
        held = {part for entry in entries for part in entry.rows}
        wanted = tuple(part for part in PARTS if part in held) or ("geometry",)
    else:
        unknown = next((part for part in parts if part not in PARTS), None)
        if unknown is not None or not parts:
            raise UsageError(f"--with must name {', '.join(PARTS)}; got {unknown or 'none'!r}")
        wanted = tuple(part for part in PARTS if part in parts)
    for part in wanted:
        for entry in entries:
            if part in entry.rows:
                continue
            if entry.source is None:
                raise UsageError(f"{entry.name} must hold {part} results; got a result file of {', '.join(entry.rows)}; choose parts with --with")
            if part == "probe" and not entry.is_checkpoint:
                raise UsageError(f"probe must have checkpoints with --dataset, or probe result files; got the features {entry.name}")
    return wanted


def name_apart(entries: Sequence[Entry]) -> None:
    """Give each entry a name of its own: with its folder where two files share a name, else with a number."""
    twice = {name for name, count in Counter(entry.name for entry in entries).items() if count > 1}
    for entry in entries:
        if entry.name in twice and isinstance(entry.source, str | Path) and Path(entry.source).exists():
            entry.name = f"{Path(entry.source).absolute().parent.name}/{entry.name}"
    twice = {name for name, count in Counter(entry.name for entry in entries).items() if count > 1}
    seen: Counter[str] = Counter()
    for entry in entries:
        if entry.name in twice:
            seen[entry.name] += 1
            entry.name = f"{entry.name} ({seen[entry.name]})"
    for entry in entries:
        entry.rows = {part: replace(row, name=entry.name) for part, row in entry.rows.items()}


def _holds_several(sources: Sequence[Any]) -> bool:
    return len(sources) == 1 and isinstance(sources[0], str | Path) and Path(sources[0]).suffix.lower() == ".json"


def _unpaired(pairs: Sequence[RowPair]) -> list[str]:
    """Why there are no paired differences: a line a part and reason."""
    told: dict[tuple[str, str], list[RowPair]] = {}
    for pair in pairs:
        if pair.reason:
            told.setdefault((pair.part, pair.reason), []).append(pair)
    lines = []
    for (part, reason), found in told.items():
        one = f"{found[0].first} and {found[0].second}"
        lines.append(f"no paired differences of {part} for {one if len(found) == 1 else f'{len(found)} pairs ({one}, ...)'}: {reason}")
    return lines


class ComparisonWork:
    """Every part of every entry, measured where it is not known yet."""

    def __init__(
        self, entries: Sequence[Entry], parts: Sequence[str], options: Mapping[str, Any], *, dtype: str, train_split: str, population: str
    ) -> None:
        self.entries, self.parts, self.options = entries, parts, options
        self.dtype, self.train_split, self.population = dtype, train_split, population

    def comparison(self, *, allow: Sequence[str], paired: bool) -> Comparison:
        from repr_probe.reports.comparable import check_comparable
        from repr_probe.reports.versions import library_versions

        rows: dict[str, tuple[MeasuredRow, ...]] = {}
        notes: list[str] = []
        for part in self.parts:
            rows[part] = tuple(entry.rows[part] if part in entry.rows else self.measured(part, entry) for entry in self.entries)
            notes += check_comparable(part, rows[part], allow=allow)
        pairs = tuple(pair for part in self.parts for pair in self._pairs(part, rows[part])) if paired else ()
        notes += _unpaired(pairs)
        return Comparison(
            names=tuple(entry.name for entry in self.entries),
            rows=rows,
            pairs=pairs,
            cka=self._cka() if paired else (),
            notes=tuple(dict.fromkeys(notes)),
            options={"parts": list(self.parts), "allow": list(allow), "paired": paired, "population": self.population, "seed": self.options["seed"]},
            versions=library_versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def measured(self, part: str, entry: Entry) -> MeasuredRow:
        """The row of a part that the entry does not hold yet."""
        return {"geometry": self._geometry, "semantic": self._semantic, "probe": self._probe}[part](entry)

    def _features(self, entry: Entry) -> Features:
        from repr_probe.workflows.extract import extract

        if entry.features is None:
            (entry.extracted,) = extract(entry.source, dtype=self.dtype, **self.options)
            entry.features = entry.extracted.features()
        return entry.features

    def _geometry(self, entry: Entry) -> MeasuredRow:
        """The numbers of `geometry_report`, with the states kept for the differences."""
        from repr_probe.reports.geometry import measured

        report, entry.states = measured(self._features(entry), self._measuring(), name=entry.name)
        return row_of(report)

    def _measuring(self) -> Options:
        from repr_probe.metrics.states import Options
        from repr_probe.reports.geometry import resolve_device

        return Options(seed=self.options["seed"], device=resolve_device(self.options["device"]), population=self.population, keep=home() / "passes")

    def _semantic(self, entry: Entry) -> MeasuredRow:
        from repr_probe.reports.semantic import semantic_report

        features = self._features(entry)
        held = entry.extracted or (entry.source if is_store(entry.source) else features)  # a store also knows the wnids
        entry.semantic = semantic_report(held, seed=self.options["seed"], name=entry.name)
        return row_of(entry.semantic)

    def _probe(self, entry: Entry) -> MeasuredRow:
        from repr_probe.workflows.probe import probe

        report = probe(entry.source, train_split=self.train_split, dtype=self.dtype, **self.options)
        entry.probe = replace(report.rows[0], name=entry.name)
        return probe_row(report.to_dict(), entry.probe.to_dict())

    def _pairs(self, part: str, rows: Sequence[MeasuredRow]) -> tuple[RowPair, ...]:
        from repr_probe.reports.comparison_pairs import geometry_pairs, probe_pairs, semantic_pairs

        if part == "semantic":
            return semantic_pairs(rows, [entry.semantic for entry in self.entries])
        if part == "probe":
            return probe_pairs(rows, [entry.probe for entry in self.entries])
        return geometry_pairs(rows, [self._states(entry) for entry in self.entries])

    def _states(self, entry: Entry) -> GeometryStates | None:
        from repr_probe.metrics.states import GeometryStates

        if entry.states is None and entry.features is not None:
            entry.states = GeometryStates(entry.features, self._measuring())
        return entry.states

    def _cka(self) -> tuple[Any, ...]:
        from repr_probe.reports.comparison_pairs import cka_pairs

        if all(entry.features is None for entry in self.entries):
            return ()
        return cka_pairs([entry.name for entry in self.entries], [entry.features for entry in self.entries])
