"""With what a number is compared: closed forms at this size, the paper's rows, networks measured in docs/results.md; nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from repr_probe.published.printed import PublishedRow
from repr_probe.published.table3 import published_rows
from repr_probe.reports.sources import MeasuredReport

PAPER_SETS = {"imagenet": "ImageNet", "food101": "Food-101"}

# EfficientNet-Lite0 with its ImageNet weights on the 10,000 test images of CIFAR-10: the digits of docs/results.md, which a test compares.
MEASURED_NETWORK = "EfficientNet-Lite0 on CIFAR-10"
MEASURED_VALUES: Mapping[str, str] = {
    "anisotropy": "0.472", "feature_correlation": "0.055", "center_vector_norm": "0.686", "centroid_rank": "5.5", "effective_rank": "819.2",
    "d_prime": "0.881", "angle_all_mean": "61.83", "angle_all_std": "5.16", "angle_positive_mean": "57.67", "angle_positive_std": "5.62",
    "anisotropy_mean_cosine": "0.470", "center_vector_norm_debiased": "0.686", "centroid_rank_centered": "7.9",
    "effective_rank_centered": "900.2", "participation_ratio_debiased": "72.0", "angle_negative_mean": "62.30", "angle_negative_std": "4.89",
    "uniformity": "-2.069", "alignment_class": "0.936", "zero_fraction": "0.417", "norm_cv": "0.078", "norm_alignment": "-0.079",
    "centroid_noise_share": "0.007",
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """kind: "closed" (a formula at this N, D, K), "paper" or "measured".  words: what the value is.  values: one, or one a row of the paper."""

    kind: str
    words: str
    values: tuple[float, ...]
    printed: str


def references_of(reports: Sequence[MeasuredReport], names: Sequence[str]) -> dict[str, tuple[Reference, ...]]:
    """Measure key -> its references, closed forms first; where features differ in width, closed forms say whose they are."""
    found: dict[str, list[Reference]] = {}
    for key, words, value, whose in _forms_of_all(reports, names):
        found.setdefault(key, []).append(Reference("closed", f"{words}{whose}", (value,), f"{value:.4g}"))
    for rows in _paper_sets(str(reports[0].provenance.get("dataset") or "")):
        for key in rows[0].printed:
            found.setdefault(key, []).append(_of_paper(rows, key))
    for key, text in MEASURED_VALUES.items():
        found.setdefault(key, []).append(Reference("measured", MEASURED_NETWORK, (float(text),), text))
    return {key: tuple(references) for key, references in found.items()}


def _forms_of_all(reports: Sequence[MeasuredReport], names: Sequence[str]) -> Iterator[tuple[str, str, float, str]]:
    """(key, words, value, "" or " (names)"), each value once."""
    every = [closed_forms(report.n_samples, report.n_features, report.n_classes) for report in reports]
    for key in dict.fromkeys(key for forms in every for key in forms):
        holders: dict[tuple[str, float], list[str]] = {}
        for name, forms in zip(names, every, strict=True):
            if key in forms:
                holders.setdefault(forms[key], []).append(name)
        for (words, value), whose in holders.items():
            yield key, words, value, f" ({', '.join(whose)})" if len(holders) > 1 else ""


def closed_forms(n: int, d: int, k: int) -> dict[str, tuple[str, float]]:
    """Measure key -> (what it is the value of, value) for n rows, d features and k classes.

    "Uniform" is n independent directions, uniform on the sphere in d dimensions.

    >>> forms = closed_forms(10_000, 4, 10)
    >>> forms["anisotropy"], forms["center_vector_norm"][1], round(forms["angle_all_std"][1], 2)
    (('lowest possible', 0.25), 0.01, 32.54)
    """
    spread = uniform_angle_sd(d)
    forms = {
        "anisotropy": ("lowest possible", 1.0 / min(n, d)),
        "anisotropy_mean_cosine": ("uniform", 0.0),
        "feature_correlation": ("independent features", math.sqrt(2.0 / (math.pi * n))),
        "center_vector_norm": ("uniform", 1.0 / math.sqrt(n)),
        "center_vector_norm_debiased": ("uniform", 0.0),
        "effective_rank": ("highest possible", float(min(n, d))),
        "effective_rank_centered": ("highest possible", float(min(n - 1, d))),
        "participation_ratio_debiased": ("equal variance in all directions", float(d)),
        "angle_all_mean": ("uniform", 90.0),
        "angle_all_std": ("uniform", spread),
        "uniformity": ("uniform", uniform_uniformity(d)),
        "norm_alignment": ("norms independent of direction", 0.0),
    }
    if k > 0:
        forms |= {
            "centroid_rank": ("highest possible", float(min(k, d))),
            "d_prime": ("labels say nothing", 0.0),
            "angle_positive_mean": ("uniform", 90.0),
            "angle_positive_std": ("uniform", spread),
            "angle_negative_mean": ("uniform", 90.0),
            "angle_negative_std": ("uniform", spread),
            "alignment_class": ("uniform", 2.0),
        }
    if k > 1:
        forms["centroid_rank_centered"] = ("highest possible", float(min(k - 1, d)))
    return forms


def uniform_angle_sd(n_features: int) -> float:
    """SD in degrees of the angle between two uniform directions: its density is sin(θ)^(D - 2); about 57.3/√D.

    >>> round(uniform_angle_sd(2), 3), round(180 / math.sqrt(12), 3)
    (51.962, 51.962)
    """
    if n_features < 2:
        return 90.0  # two directions: the angle is 0 or 180
    angle = (np.arange(200_000) + 0.5) * math.pi / 200_000
    weight = np.exp((n_features - 2) * np.log(np.sin(angle)))
    return math.degrees(math.sqrt(float(weight @ (angle - math.pi / 2) ** 2 / weight.sum())))


def uniform_uniformity(n_features: int) -> float:
    """ln ₀F₁(; D/2; 4) - 4.

    >>> round(uniform_uniformity(2048), 3)
    -3.996
    """
    from scipy.special import hyp0f1

    return float(np.log(hyp0f1(n_features / 2.0, 4.0)) - 4.0)


def _paper_sets(dataset: str) -> list[tuple[PublishedRow, ...]]:
    """The paper's rows on this data set; where it has none, those of both of its sets."""
    return [published_rows(name) for name in ([dataset] if dataset in PAPER_SETS else PAPER_SETS)]


def _of_paper(rows: Sequence[PublishedRow], key: str) -> Reference:
    texts = sorted((row.printed[key] for row in rows), key=float)
    words = f"paper, {len(rows)} encoders on {PAPER_SETS[rows[0].dataset]}"
    return Reference("paper", words, tuple(float(text) for text in texts), f"{texts[0]} to {texts[-1]}")
