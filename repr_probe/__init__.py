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
    "GeometryMonitor": "monitor.geometry_monitor",
    "GeometryReport": "reports.geometry_report",
    "HyDeSLoss": "training.hydes_loss",
    "Measurement": "metrics.measurement",
    "ProbeReport": "reports.probe_report",
    "ReprProbeError": "errors",
    "SemanticReport": "reports.semantic_report",
    "TrainConfig": "training.config",
    "UndefinedMeasure": "errors",
    "alignment": "metrics.functions",
    "angle_histograms": "plots.angles",
    "angles": "metrics.functions",
    "anisotropy": "metrics.functions",
    "as_encoder": "encoders.adapters.as_encoder",
    "as_features": "features.door",
    "attention": "workflows.attention",
    "attention_maps": "visual.attention",
    "center_vector_norm": "metrics.functions",
    "centroid_maps": "plots.centroid_map",
    "centroid_rank": "metrics.functions",
    "cka": "metrics.cka",
    "compare": "workflows.compare",
    "compare_semantic": "reports.semantic_comparison",
    "d_prime": "metrics.functions",
    "dynamics": "workflows.dynamics",
    "effective_rank": "metrics.functions",
    "extract": "workflows.extract",
    "feature_correlation": "metrics.functions",
    "feature_maps": "encoders.maps",
    "geometry": "workflows.geometry",
    "geometry_report": "reports.geometry",
    "hubness": "metrics.hubness",
    "hydes_entropies": "training.hydes_loss",
    "hydes_loss": "training.hydes_loss",
    "hypercolumn_pca": "visual.hypercolumns",
    "hypercolumns": "workflows.hypercolumns",
    "inspect": "workflows.inspect",
    "knn": "probes.knn",
    "knn_purity": "metrics.hubness",
    "knn_sweep": "probes.knn",
    "lean_pca": "visual.lean_pca",
    "learning_curves": "plots.learning_curves",
    "lidar": "metrics.lidar",
    "lidar_class": "metrics.lidar",
    "linear": "probes.linear",
    "load_encoder": "encoders.load",
    "localise": "workflows.localise",
    "mcnemar": "probes.accuracy",
    "mean_cosine": "metrics.functions",
    "neural_collapse": "metrics.neural_collapse",
    "open_dataset": "datasets.open",
    "participation_ratio": "metrics.functions",
    "probe": "workflows.probe",
    "probe_set": "monitor.probe_set",
    "rankme": "metrics.functions",
    "read_report": "workflows.read_report",
    "read_series": "monitor.series",
    "report": "workflows.report",
    "saliency": "workflows.saliency",
    "segment": "workflows.segment",
    "semantic": "workflows.semantic",
    "semantic_report": "reports.semantic",
    "silhouette_cosine": "metrics.class_rivals",
    "smoothgrad_cam": "visual.smoothgrad_cam",
    "spectrum_plot": "plots.spectrum",
    "sweep": "workflows.sweep",
    "train": "workflows.train",
    "twonn": "metrics.twonn",
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
