"""Accuracies of one encoder as Measurements under flat keys: knn_top1, knn_top5, linear_top1, linear_top5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repr_probe.metrics.measurement import Measurement

_PLACES = (("top1", "ci"), ("top5", "top5_ci"))


def probe_measures(results: Sequence[Mapping[str, Any]]) -> dict[str, Measurement]:
    """Key -> share in [0, 1] of every result of one row, as `ProbeResult.to_dict` writes it; the variant is the protocol.

    The first protocol of a kind has the plain key; a further one has its k and temperature behind an @.

    >>> one = {"protocol": "knn k=20 T=0.07 cosine", "top1": 0.5, "ci": [0.4, 0.6], "top5": None, "top5_reason": "3 classes", "n_test": 90}
    >>> other = {**one, "protocol": "knn k=5 uniform cosine"}
    >>> list(probe_measures([one, other]))
    ['knn_top1', 'knn_top5', 'knn_top1@k5.uniform', 'knn_top5@k5.uniform']
    """
    found: dict[str, Measurement] = {}
    for result in results:
        protocol = str(result["protocol"])
        kind, *words = protocol.replace("=", "").split()
        end = f"@{'.'.join(words[:2])}" if f"{kind}_top1" in found else ""
        for place, interval in _PLACES:
            found[f"{kind}_{place}{end}"] = _measurement(result, place, interval, protocol)
    return found


def _measurement(result: Mapping[str, Any], place: str, interval: str, protocol: str) -> Measurement:
    n, value, bounds = result.get("n_test"), result.get(place), result.get(interval)
    if value is None:
        return Measurement(None, variant=protocol, n=n, reason=result.get("top5_reason") or "not measured")
    ci = None if bounds is None else (float(bounds[0]), float(bounds[1]))
    return Measurement(float(value), ci=ci, ci_method="Wilson", population="images", variant=protocol, n=n)
