"""What two rows on the same images say together: paired differences of their numbers, and the CKA of their features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from repr_probe import progress
from repr_probe.errors import UndefinedMeasure
from repr_probe.features.feature_set import Features
from repr_probe.metrics.cka import same_rows, similarities
from repr_probe.metrics.leave_class_out import JACKKNIFE
from repr_probe.metrics.paired import KEYS, LeftOut, PairedDifference, paired_differences
from repr_probe.metrics.states import GeometryStates
from repr_probe.reports.comparison import CkaPair, MeasuredRow, RowPair
from repr_probe.reports.facts import input_text
from repr_probe.reports.probe_measures import probe_measures
from repr_probe.reports.probe_report import ProbeRow, compare_rows
from repr_probe.reports.semantic_comparison import compare_semantic
from repr_probe.reports.semantic_report import SemanticReport

NO_FEATURES = "no features at hand: a result file whose store is not in the home any more"
_OTHER_INPUT = "other preprocessing"


def geometry_pairs(rows: Sequence[MeasuredRow], states: Sequence[GeometryStates | None]) -> tuple[RowPair, ...]:
    """Differences of the measures of Table III for every two rows. states: of each row's features, where they are at hand.

    Raises InputError where two hold other images, or another order of them.
    """
    found = []
    left = [None if one is None else LeftOut(one) for one in states]
    together = list(combinations(range(len(rows)), 2))
    with progress.task("paired differences", len(together)) as advance:
        for i, j in together:
            found.append(_geometry_pair(rows[i], rows[j], left[i], left[j]))
            advance(1)
    return tuple(found)


def _geometry_pair(a: MeasuredRow, b: MeasuredRow, first: LeftOut | None, second: LeftOut | None) -> RowPair:
    if first is None or second is None:
        return RowPair("geometry", a.name, b.name, reason=NO_FEATURES)
    same_rows(first.states.features, second.states.features)
    if _preprocessing(a) != _preprocessing(b):
        return RowPair("geometry", a.name, b.name, reason=_OTHER_INPUT)
    keys = [key for key in KEYS if key in a.measures and key in b.measures]
    return RowPair("geometry", a.name, b.name, paired_differences(first, second, keys, lambda key: (a.measures[key].value, b.measures[key].value)))


def semantic_pairs(rows: Sequence[MeasuredRow], reports: Sequence[SemanticReport | None]) -> tuple[RowPair, ...]:
    """Differences of the correlations for every two rows, without each class; reports from a file hold no matrices and give none."""
    found = []
    for i, j in combinations(range(len(rows)), 2):
        a, b, one, other = rows[i], rows[j], reports[i], reports[j]
        if one is None or other is None or one.centroid_cosine is None or other.centroid_cosine is None or not (one.references and other.references):
            found.append(RowPair("semantic", a.name, b.name, reason="a result file does not hold the distances: compare checkpoints or stores"))
        elif _preprocessing(a) != _preprocessing(b):
            found.append(RowPair("semantic", a.name, b.name, reason=_OTHER_INPUT))
        else:
            differences = {
                key: PairedDifference(one.a, one.b, one.difference, one.ci, one.p, "classes", JACKKNIFE, one.reason)
                for key, one in compare_semantic(one, other).differences.items()
            }
            found.append(RowPair("semantic", a.name, b.name, differences))
    return tuple(found)


def probe_pairs(rows: Sequence[MeasuredRow], probes: Sequence[ProbeRow | None]) -> tuple[RowPair, ...]:
    """Differences of top-1 for every two rows, with McNemar's exact test; result files hold no single answers and give none."""
    found = []
    for i, j in combinations(range(len(rows)), 2):
        a, b, one, other = rows[i], rows[j], probes[i], probes[j]
        if one is None or other is None:
            found.append(RowPair("probe", a.name, b.name, reason="a result file does not hold single answers: compare checkpoints"))
        elif _preprocessing(a) != _preprocessing(b):
            found.append(RowPair("probe", a.name, b.name, reason=_OTHER_INPUT))
        else:
            found.append(RowPair("probe", a.name, b.name, _mcnemar(one, other)))
    return tuple(found)


def _mcnemar(one: ProbeRow, other: ProbeRow) -> dict[str, PairedDifference]:
    values = [probe_measures([result.to_dict() for result in row.results]) for row in (one, other)]
    keys = {measure.variant: key for key, measure in values[0].items() if "top1" in key}
    found = {}
    for comparison in compare_rows(one, other):
        test, key = comparison.test, keys[comparison.protocol]
        a, b = values[0][key].value, values[1][key].value
        found[key] = PairedDifference(a, b, test.difference, test.ci, test.p, "images", "Newcombe's interval, McNemar's exact test")
    return found


def cka_pairs(names: Sequence[str], features: Sequence[Features | None]) -> tuple[CkaPair, ...]:
    """CKA of every two rows whose features are at hand. Raises InputError where two hold other images, or another order of them."""
    held = [place for place, one in enumerate(features) if one is not None]
    at_hand = [one for one in features if one is not None]
    together = list(combinations(range(len(names)), 2))
    try:
        values = similarities(at_hand, [names[place] for place in held]) if len(held) > 1 else {}
    except UndefinedMeasure as error:
        return tuple(CkaPair(names[i], names[j], None, None, reason=str(error)) for i, j in together)
    found = []
    for i, j in together:
        if i in held and j in held:
            value = values[held.index(i), held.index(j)]
            if isinstance(value, UndefinedMeasure):
                found.append(CkaPair(names[i], names[j], None, None, reason=str(value)))
            else:
                found.append(CkaPair(names[i], names[j], value.debiased, value.biased, value.n))
        else:
            found.append(CkaPair(names[i], names[j], None, None, reason=NO_FEATURES))
    return tuple(found)


def _preprocessing(row: MeasuredRow) -> str:
    return input_text(row.provenance.get("input"))
