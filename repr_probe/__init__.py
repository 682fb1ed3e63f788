"""repr_probe: what did this image encoder learn? Names load on first use; importing the package imports no heavy library."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Encoder": "encoders.encoder",
    "FeatureStore": "features.store",
    "Features": "features.feature_set",
    "GeometryAccumulator": "reports.accumulator",
    "GeometryReport": "reports.geometry_report",
    "Measurement": "metrics.measurement",
    "ReprProbeError": "errors",
    "UndefinedMeasure": "errors",
    "SemanticReport": "reports.semantic_report",
    "alignment": "metrics.functions",
    "angles": "metrics.functions",
    "anisotropy": "metrics.functions",
    "as_encoder": "encoders.adapters.as_encoder",
    "as_features": "features.door",
    "center_vector_norm": "metrics.functions",
    "centroid_rank": "metrics.functions",
    "compare_semantic": "reports.semantic_comparison",
    "d_prime": "metrics.functions",
    "effective_rank": "metrics.functions",
    "extract": "workflows.extract",
    "feature_correlation": "metrics.functions",
    "geometry": "workflows.geometry",
    "geometry_report": "reports.geometry",
    "hydes_loss": "training.hydes_loss",
    "inspect": "workflows.inspect",
    "load_encoder": "encoders.load",
    "mean_cosine": "metrics.functions",
    "open_dataset": "datasets.open",
    "participation_ratio": "metrics.functions",
    "rankme": "metrics.functions",
    "read_report": "reports.read",
    "semantic": "workflows.semantic",
    "semantic_report": "reports.semantic",
    "uniformity": "metrics.functions",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'repr_probe' has no attribute {name!r}")
    value = getattr(import_module(f"repr_probe.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
