"""One report by several processes: the long passes shared, the rest by the first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from repr_probe.features.feature_set import Features
from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.metrics.neighbour_measures import search_together
from repr_probe.metrics.pass_cost import announce_pass
from repr_probe.metrics.states import GeometryStates
from repr_probe.reports.geometry_report import GeometryReport
from repr_probe.reports.versions import library_versions

_LOOKED_AT = 64  # rows that stand for all when processes compare what they have read


def built_together(states: GeometryStates, keys: Sequence[str], build: Callable[[], GeometryReport]) -> GeometryReport:
    """What `build` makes of the states once all ranks have done their share of the passes that `keys` need.

    Every rank gets the report; all but the first without the centroid matrix. Raises InputError on all where they read different features.
    """
    ranks = states.options.ranks
    if ranks.world_size == 1:
        return build()
    versions = library_versions()
    ranks.require_alike(features=_summary(states.features), **{f"version_of_{name}": version for name, version in versions.items()})
    angles = states.options.pairs is None and any("pairs" in DEFINITIONS[key].needs for key in keys)
    _ = states.lengths  # the processes meet for them; what follows is the first one's alone
    if angles and ranks.is_first:
        announce_pass(states)
    search_together(states, keys)
    states.run_together(angles=angles)
    own: list[GeometryReport] = []

    def first() -> dict[str, Any]:
        own.append(build())
        return own[0].to_dict()

    content = ranks.first_does(first)
    return own[0] if own else GeometryReport.from_dict(content)


def _summary(features: Features) -> str:
    """Shape and a short hash of labels and of rows from all over."""
    n = features.n_samples
    digest = hashlib.sha256(np.ascontiguousarray(features.values[:: -(-n // _LOOKED_AT)]).tobytes())
    if features.labels is not None:
        digest.update(np.ascontiguousarray(features.labels).tobytes())
    return f"{n} x {features.n_features} ({digest.hexdigest()[:8]})"
