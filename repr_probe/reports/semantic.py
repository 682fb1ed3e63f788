"""semantic_report: do classes lie to each other as WordNet and language say? From features and labels, or from class prototypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError, ReprProbeError, UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features
from repr_probe.metrics.cophenetic import checked_linkage
from repr_probe.metrics.matrix_alignment import noise_ceiling, row_alignment, surprising_pairs
from repr_probe.reports.semantic_classes import ChosenClasses, choose_classes, outside_things, siblings_of
from repr_probe.reports.semantic_definitions import WORDNET_MEASURES
from repr_probe.reports.semantic_groups import control_of, group_rows, leaf_order
from repr_probe.reports.semantic_measures import Measured, measure_alignment
from repr_probe.reports.semantic_prototypes import LEAST_FOR_HALVES, Prototypes, cosine_distance, prototypes_of
from repr_probe.reports.semantic_report import SemanticReport
from repr_probe.reports.versions import library_versions

if TYPE_CHECKING:
    from repr_probe.semantics.class_synsets import ClassSynsets
    from repr_probe.semantics.wordnet_graph import Nouns

TEXT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
TEMPLATE = "a photo of a {}."
REFERENCES = ("wordnet", "text")
SOURCES = {"centroids": "class centroids: means of unit rows", "classifier": "classifier rows", "prototypes": "class centroids as given"}
FEW_IMAGES = 10
SURPRISES = 5
NEARER, FARTHER = "nearer than the reference", "farther than the reference"


@dataclass(frozen=True, eq=False)
class References:
    """distances: measure -> (K, K).  keep: measure -> (K, K) bool, the pairs that count; two classes with one text have no distance in it.
    reasons: measure -> why it tells no classes apart.  facts: what was used, for `options`.
    """

    distances: Mapping[str, np.ndarray]
    keep: Mapping[str, np.ndarray]
    reasons: Mapping[str, str]
    facts: Mapping[str, Any]
    notes: tuple[str, ...]


def semantic_report(
    features: Any,
    labels: Any = None,
    *,
    class_names: Sequence[str] | None = None,
    dataset: str | None = None,
    wnids: Sequence[str] | None = None,
    synsets: str | Path | None = None,
    references: Sequence[str] | None = None,
    wordnet_dir: str | Path | None = None,
    exact_only: bool = False,
    shared_synsets: bool = False,
    allow_first_sense: bool = False,
    text_model: str = TEXT_MODEL,
    template: str = TEMPLATE,
    allow_download: bool = False,
    source: str = "centroids",
    linkage: str = "average",
    permutations: int = 999,
    intervals: bool = True,
    seed: int = 0,
    nan_policy: str = "raise",
    features_key: str | None = None,
    labels_key: str | None = None,
    name: str | None = None,
) -> SemanticReport:
    """Alignment of a representation with WordNet and with a text model: Table IV of HyDeS (arXiv 2604.24498), with honest statistics.

    features: (n_samples, n_features) in any form that `as_features` takes; labels: one per row. With one row a class they are prototypes.
    class_names, dataset, wnids, synsets (a CSV of class and synset): what the classes are; a store knows the first three itself.
    references: "wordnet", "text" or both; None: both, the text only where its model is local.
    allow_download: fetch a text model that is not; otherwise nothing touches the network.
    exact_only, shared_synsets, allow_first_sense: see `class_synsets`.  source: "classifier" says that the rows are those of a classifier.
    linkage: of both dendrograms.  permutations: of the Mantel tests, 0 for none.
    Everything is a distance against a distance over pairs of classes; positive is aligned. Classes are sorted by synset first.

    Raises InputError for input outside the contract, fewer than three usable classes (E_CLASSES), references that tell no two classes apart
    (E_CONSTANT), an unknown synset (E_SYNSET) or a text model that is asked for and not local (E_TEXT_MODEL).
    """
    wanted = _checked(references, source, linkage, seed)
    checked = as_features(features, labels, class_names=class_names, nan_policy=nan_policy, features_key=features_key, labels_key=labels_key)
    prototypes = prototypes_of(checked, seed=seed)
    names = _names(checked, prototypes)
    how: dict[str, Any] = {"exact_only": exact_only, "shared_synsets": shared_synsets, "allow_first_sense": allow_first_sense}
    told = (names, _dataset(checked, dataset), _of_present(_wnids_of(features) if wnids is None else wnids, prototypes, checked), synsets, wordnet_dir)
    nouns, found = _synsets(*told, **how) if "wordnet" in wanted else (None, None)
    chosen = choose_classes(names, prototypes.directed, found, nouns)
    beside = _references(wanted, chosen, nouns, (text_model, template, allow_download), required=references is not None)
    leaves = leaf_order(nouns, chosen.synsets, chosen.names) if nouns else tuple(range(len(chosen.names)))
    representation = cosine_distance(prototypes.means[chosen.places])
    tests: dict[str, Any] = {"permutations": permutations, "seed": seed}
    how_measured: dict[str, Any] = {"linkage": linkage, "intervals": intervals, **tests}
    measured = _some_value(measure_alignment(representation, beside.distances, beside.keep, reasons=beside.reasons, **how_measured))
    said = {"source": source, "prototypes": SOURCES[source], "references": list(wanted), **how_measured, **how,
            "nan_policy": nan_policy, "n_classes_given": len(names), **beside.facts}  # fmt: skip
    per_class = prototypes.counts[chosen.places] if source == "centroids" else None
    notes = (*checked.notes, *(found.notes if found is not None else ()), *beside.notes, *_notes(per_class, prototypes, chosen, nouns))
    return SemanticReport(
        measures=measured.measures,
        name=name or str(checked.provenance.get("name") or checked.provenance.get("encoder") or f"features {checked.n_samples} x {checked.n_features}"),
        n_samples=checked.n_samples,
        n_features=checked.n_features,
        n_classes=len(chosen.names),
        p_values=measured.p_values,
        classes=_class_rows(chosen, per_class, representation, beside, nouns),
        pairs=_pairs(representation, beside, chosen),
        groups=_groups(nouns, chosen, representation, beside, leaves, tests),
        control=_control(nouns, chosen, representation, beside, tests),
        ceiling=_ceiling(prototypes, chosen) if source == "centroids" else {},
        left_out=chosen.left_out,
        leaf_order=leaves,
        notes=tuple(dict.fromkeys(notes)),
        options=said,
        versions=library_versions(),
        provenance=dict(checked.provenance),
        centroid_cosine=1.0 - representation,
        references=beside.distances,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _checked(references: Sequence[str] | None, source: str, linkage: str, seed: int) -> tuple[str, ...]:
    checked_linkage(linkage)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed must be an integer, 0 or more; got {seed!r}")
    if source not in SOURCES:
        raise InputError(f"source must be 'centroids', 'classifier' or 'prototypes'; got {source!r}")
    wanted = REFERENCES if references is None else tuple([references] if isinstance(references, str) else references)
    if not wanted or set(wanted) - set(REFERENCES):
        raise InputError(f"references must be 'wordnet', 'text' or both; got {', '.join(map(repr, wanted)) or 'none'}")
    return wanted


def _wnids_of(features: Any) -> Sequence[str] | None:
    """The wnids that a store keeps beside its class names."""
    if isinstance(features, (str, Path)) and (Path(features) / "meta.json").is_file():
        from repr_probe.features.store import FeatureStore

        features = FeatureStore.open(features)
    meta = getattr(features, "meta", None)
    return meta.get("wnids") if isinstance(meta, Mapping) else None


def _names(features: Features, prototypes: Prototypes) -> tuple[str, ...]:
    known = features.class_names
    return tuple(str(known[code]) if code < len(known) else str(code) for code in prototypes.codes.tolist())


def _of_present(wnids: Sequence[str] | None, prototypes: Prototypes, features: Features) -> list[str] | None:
    """The wnids of the classes that have rows."""
    if wnids is None:
        return None
    if len(wnids) != len(features.class_names):
        raise InputError(f"wnids must be one for each of the {len(features.class_names)} classes; got {len(wnids)}", code="E_SYNSET")
    return [wnids[code] for code in prototypes.codes.tolist()]


def _dataset(features: Features, dataset: str | None) -> str | None:
    if dataset is not None:
        return dataset
    known = features.provenance.get("dataset")
    return None if known is None else str(known)


def _synsets(names: Sequence[str], dataset: str | None, wnids: Sequence[str] | None, table: str | Path | None,
             wordnet_dir: str | Path | None, **rules: bool) -> tuple[Nouns, ClassSynsets]:  # fmt: skip
    from repr_probe.semantics.class_synsets import class_synsets
    from repr_probe.semantics.wordnet_graph import load_nouns

    nouns = load_nouns(wordnet_dir)
    return nouns, class_synsets(nouns, names, dataset=dataset, wnids=wnids, table=table, **rules)


def _references(wanted: Sequence[str], chosen: ChosenClasses, nouns: Nouns | None, words: tuple[str, str, bool], *, required: bool) -> References:
    """Distances of every reference; the text is left out with a note where its model is not local and nobody insisted."""
    distances: dict[str, np.ndarray] = {}
    reasons: dict[str, str] = {}
    facts: dict[str, Any] = {}
    notes: list[str] = []
    if nouns is not None:
        from repr_probe.semantics.similarity import distances as wordnet_distances

        found = wordnet_distances(nouns, chosen.synsets, virtual=chosen.virtual)
        distances |= {measure: found[measure] for measure in WORDNET_MEASURES}
        facts["wordnet"] = nouns.source
        parent = siblings_of(nouns, chosen)
        if parent is not None:  # some of them may share another parent too, by which a measure still tells them apart
            told = f"all {len(chosen.names)} classes are siblings in WordNet (children of {parent}): every pair is equally alike"
            equal = [measure for measure in WORDNET_MEASURES if len(np.unique(distances[measure][chosen.keep])) < 2]
            reasons |= dict.fromkeys(equal, told)
            if len(equal) == len(WORDNET_MEASURES):
                notes.append(f"{told}, so WordNet says nothing about them")
    if "text" in wanted:
        from repr_probe.semantics.text_reference import text_distances

        try:
            model, template, download = words
            how: dict[str, Any] = {"model": model, "template": template, "allow_download": download}
            text = text_distances(chosen.names, nouns=nouns, synsets=chosen.synsets or None, **how)
            distances["text"] = text.distance.copy()
            for pair in text.same:
                distances["text"][pair] = distances["text"][pair[::-1]] = np.nan
            facts |= {"text_model": text.model, "template": text.template}
            notes += text.notes
        except ReprProbeError as failure:
            if required or failure.code != "E_TEXT_MODEL":
                raise
            notes.append(f"no text reference: {failure}")
    keep = {name: chosen.keep if name != "text" else np.isfinite(matrix) & ~np.eye(len(matrix), dtype=bool) for name, matrix in distances.items()}
    return References(distances, keep, reasons, facts, tuple(notes))


def _some_value(measured: Measured) -> Measured:
    """What was measured; InputError where nothing is defined."""
    reasons = [one.reason for one in measured.measures.values() if one.value is None]
    if len(reasons) == len(measured.measures):
        reason = str(reasons[0]) if reasons else "none is at hand"
        if reason.startswith("representation"):  # as align says it
            raise InputError(f"{reason.replace('representation', 'features', 1)}; nothing can be measured", code="E_CONSTANT")
        raise InputError(f"references must tell some classes apart; got none that does: {reason}; nothing can be measured", code="E_CONSTANT")
    return measured


def _notes(per_class: np.ndarray | None, prototypes: Prototypes, chosen: ChosenClasses, nouns: Nouns | None) -> list[str]:
    notes = []
    if prototypes.n_zero:
        notes.append(f"{prototypes.n_zero} rows of zeros have no direction: no part of their centroid")
    if per_class is not None and per_class.min() < FEW_IMAGES:
        few = int((per_class < FEW_IMAGES).sum())
        notes.append(f"{few} of {len(per_class)} classes have fewer than {FEW_IMAGES} images (least {int(per_class.min())}): "
                     "their centroids are noisy and every correlation reads low")  # fmt: skip
    outside = outside_things(nouns, chosen) if nouns is not None else None
    return [*notes, *([outside] if outside else [])]


def _ranked(beside: References) -> str | None:
    """The reference by which classes and pairs are ranked: WuP where it tells classes apart, else the text."""
    return next((name for name in ("wup", "text") if name in beside.distances and name not in beside.reasons), None)


def _class_rows(chosen: ChosenClasses, per_class: np.ndarray | None, representation: np.ndarray, beside: References,
                nouns: Nouns | None) -> tuple[dict[str, Any], ...]:  # fmt: skip
    by_row: dict[str, list[float | None]] = {}
    for name in ("wup", "text"):
        if name in beside.distances and name not in beside.reasons:
            values = row_alignment(representation, beside.distances[name], beside.keep[name])
            by_row[name] = [float(value) if np.isfinite(value) else None for value in values]
    return tuple({
        "name": name,
        "n": None if per_class is None else int(per_class[place]),
        "synset": nouns.names[chosen.synsets[place]] if nouns is not None else None,
        "new_leaf": chosen.virtual[place] if nouns is not None else None,
        "source": chosen.sources[place] if nouns is not None else None,
        "row": {reference: values[place] for reference, values in by_row.items()},
    } for place, name in enumerate(chosen.names))  # fmt: skip


def _pairs(representation: np.ndarray, beside: References, chosen: ChosenClasses) -> tuple[dict[str, Any], ...]:
    reference = _ranked(beside)
    if reference is None:
        return ()
    nearer, farther = surprising_pairs(representation, beside.distances[reference], keep=beside.keep[reference], count=SURPRISES)
    return tuple({
        "a": chosen.names[pair.first], "b": chosen.names[pair.second], "kind": kind, "against": reference,
        "cosine": 1.0 - pair.representation, "reference": pair.reference, "surprise": pair.rank_gap,
    } for kind, pairs in ((NEARER, nearer), (FARTHER, farther)) for pair in pairs)  # fmt: skip


def _groups(nouns: Nouns | None, chosen: ChosenClasses, representation: np.ndarray, beside: References,
            leaves: Sequence[int], tests: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:  # fmt: skip
    if nouns is None or "wup" in beside.reasons:
        return ()
    both = beside.distances["wup"], beside.distances["wup_strict"]
    return group_rows(nouns, chosen.synsets, representation, *both, chosen.keep, leaves, **tests)


def _control(nouns: Nouns | None, chosen: ChosenClasses, representation: np.ndarray, beside: References,
             tests: Mapping[str, Any]) -> dict[str, Any]:  # fmt: skip
    if nouns is None or "wup" in beside.reasons:
        return {}
    return control_of(nouns, chosen.synsets, representation, beside.distances["wup"], chosen.keep, **tests)


def _ceiling(prototypes: Prototypes, chosen: ChosenClasses) -> dict[str, Any]:
    least = int(prototypes.counts[chosen.places].min())
    if least < LEAST_FOR_HALVES:
        return {"reason": f"a class has fewer than {LEAST_FOR_HALVES} images (least {least})"}
    one, other = (half[chosen.places] for half in prototypes.halves)
    try:
        found = noise_ceiling(one, other)
    except UndefinedMeasure as undefined:
        return {"reason": str(undefined)}
    return {"halves": found.half_spearman, "reliability": found.reliability_spearman, "ceiling": found.ceiling_spearman}
