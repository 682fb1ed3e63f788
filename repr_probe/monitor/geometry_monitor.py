"""GeometryMonitor: the numbers of `geometry_report`, and the accuracy of probes, of a model that is being trained."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from repr_probe import progress
from repr_probe.errors import InputError, UsageError
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features
from repr_probe.features.labels import encode_labels, label_array
from repr_probe.metrics.definitions import DEFINITIONS, PRESETS
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.monitor.encode import encode as usual_encode
from repr_probe.monitor.probe_accuracy import probe_accuracies
from repr_probe.monitor.untouched import untouched
from repr_probe.reports.geometry import measure_all, report_keys, resolve_device

Encode = Callable[[Any, torch.Tensor], torch.Tensor]

CACHED_BYTES = 1 << 30  # images up to this size stay on the model's device between calls


class GeometryMonitor:
    """A plain function from a model to numbers, for any training loop: `metrics = monitor(model, step=step)`.

    images: (n, channels, height, width) float, preprocessed as for evaluation, the same at every call: a fixed clean probe set
        (`probe_set` makes one); or uint8 together with an `encode` that takes those.  labels: one per image, or None: then what needs
        labels is left out.
    encode: `encode(model, images) -> (n, n_features)`; by default the model's own encoder (`repr_probe.monitor.encode`).
    bank: (images, labels) of the training split, for the probes: kNN looks its neighbours up there, the linear probe learns there, and
        both are scored on the probe set. Without it kNN leaves each image out in turn, and the linear probe learns on every second
        image of each class and is scored on the others.
    measures: a preset of `geometry_report` ("paper", "default", "full") or the keys of single measures.
    knn, linear: whether the probes are run.  device: where pairs and probes are computed ("auto": a GPU if there is one).
    log: a file to which every call adds one line of JSON; `repro-probe dynamics` reads it.

    A call gives a flat dict of floats: the measures under their keys in `geometry_report`, with the very numbers of it; `knn_top1`,
    `linear_top1`; and `monitor_seconds`, what the call cost. A number that does not exist for these features is left out, its reason in
    `reasons`; how the probes were made is in `protocols`. All calls are kept in `history`.
    The model runs in evaluation mode, without gradients and in full float32; the training flag of every module, random states and
    settings are put back, also after a failure.

    >>> import torch
    >>> images, labels = torch.eye(6).reshape(6, 1, 2, 3), [0, 0, 0, 1, 1, 1]
    >>> monitor = GeometryMonitor(images, labels, measures="paper", knn=False, linear=False)
    >>> metrics = monitor(torch.nn.Flatten(), step=0)
    >>> round(metrics["anisotropy"], 6), round(metrics["effective_rank"], 6)
    (0.166667, 6.0)
    """

    def __init__(
        self,
        images: torch.Tensor,
        labels: Any = None,
        *,
        encode: Encode | None = None,
        bank: tuple[torch.Tensor, Any] | None = None,
        measures: str | Sequence[str] = "default",
        knn: bool = True,
        linear: bool = True,
        batch_size: int = 256,
        seed: int = 0,
        device: str = "auto",
        log: str | Path | None = None,
    ) -> None:
        self.probe = _Images(images, "images", pixels=encode is not None)
        self.bank = None if bank is None else _Images(bank[0], "bank", pixels=encode is not None)
        self.labels, self.bank_labels = _codes(labels, len(images), bank)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"batch_size must be a positive integer; got {batch_size!r}")
        self.measures = _checked_measures(measures)
        self.encode = encode or usual_encode
        self.batch_size = batch_size
        self.seed = seed
        self.device = resolve_device(device)
        self.knn, self.linear = knn and self.labels is not None, linear and self.labels is not None
        self.log = None if log is None else Path(log)
        self.history: list[dict[str, float]] = []
        self.reasons: dict[str, str] = {}
        self.protocols: dict[str, str] = {}

    def __call__(self, model: nn.Module, step: int | None = None, terms: Mapping[str, float] | None = None) -> dict[str, float]:
        """The numbers of `model` now. step: where training is, for the record.

        terms: numbers of the training itself to record beside them (loss, h_global, h_local, mutual_information); given back as they are.
        Raises InputError when the features are not finite, or are not one vector an image.
        """
        start = time.perf_counter()
        with untouched(model) as device:
            features = self._features(model, self.probe, device)
            bank = None if self.bank is None or not (self.knn or self.linear) else self._features(model, self.bank, device)
            metrics = self._measured(features) | self._probed(features, bank)
        metrics["monitor_seconds"] = time.perf_counter() - start
        metrics = {**{name: float(value) for name, value in (terms or {}).items()}, **metrics}
        self._record(metrics, step)
        return metrics

    def _features(self, model: nn.Module, images: _Images, device: torch.device) -> np.ndarray:
        """(n, n_features) float32, in the order of the images."""
        dtype = next((tensor.dtype for tensor in model.parameters() if tensor.is_floating_point()), torch.float32)
        parts = []
        for batch in images.on(device).split(self.batch_size):
            output = self.encode(model, batch.to(device, dtype if batch.is_floating_point() else torch.uint8))
            if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != len(batch):
                got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
                raise InputError(f"encode must give (n, n_features) for {len(batch)} images; got {got}")
            parts.append(output.detach().float().cpu())
        return torch.cat(parts).numpy()

    def _measured(self, features: np.ndarray) -> dict[str, float]:
        checked: Features = as_features(features, self.labels)
        # As geometry_report has it, but for the intervals, on which no value depends.
        options = Options(seed=self.seed, device=self.device, intervals=False, kernel=self.measures != "paper")
        keys = report_keys(self.measures, checked) if isinstance(self.measures, str) else self.measures
        found = measure_all(GeometryStates(checked, options), keys)
        self.reasons = {key: str(measured.reason) for key, measured in found.items() if measured.value is None}
        return {key: float(measured.value) for key, measured in found.items() if measured.value is not None}

    def _probed(self, features: np.ndarray, bank: np.ndarray | None) -> dict[str, float]:
        if self.labels is None:
            return {}
        held = (features, self.labels)
        known = None if bank is None or self.bank_labels is None else (bank, self.bank_labels)
        # The monitor may be called where gradients are off (a validation hook); a linear probe is trained.
        with torch.enable_grad():
            found, reasons = probe_accuracies(held, known, knn=self.knn, linear=self.linear, seed=self.seed, device=self.device)
        self.reasons |= reasons
        self.protocols = {key: accuracy.protocol for key, accuracy in found.items()}
        return {key: accuracy.top1 for key, accuracy in found.items()}

    def _record(self, metrics: Mapping[str, float], step: int | None) -> None:
        row = {**({} if step is None else {"step": step}), **metrics}
        self.history.append(row)
        progress.note(f"monitor{'' if step is None else f' at step {step}'}: {summary(metrics)}")
        if self.log is not None:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as file:
                known = {name: value if math.isfinite(value) else None for name, value in row.items()}  # a term of the trainer may be NaN
                file.write(json.dumps({**known, "time": time.time()}, allow_nan=False) + "\n")


def summary(metrics: Mapping[str, float]) -> str:
    """The few numbers to watch, and what they cost.

    >>> summary({"effective_rank": 41.27, "knn_top1": 0.4, "monitor_seconds": 1.24})
    'kNN 40.0 %, effective rank 41.3, in 1.2 s'
    """
    said = [f"{word} {100 * metrics[key]:.1f} %" for key, word in (("knn_top1", "kNN"), ("linear_top1", "linear")) if key in metrics]
    for key in ("effective_rank", "anisotropy", "center_vector_norm"):
        if key in metrics:
            said.append(f"{DEFINITIONS[key].label} {metrics[key]:.{DEFINITIONS[key].digits}f}")
    return ", ".join([*said, f"in {metrics['monitor_seconds']:.1f} s"])


class _Images:
    """Images; they stay on the device of the model where they are few."""

    def __init__(self, images: torch.Tensor, name: str, *, pixels: bool) -> None:
        """pixels: whether uint8 will do."""
        known = isinstance(images, torch.Tensor) and (images.is_floating_point() or (pixels and images.dtype == torch.uint8))
        if not known or images.ndim != 4 or len(images) == 0:
            got = f"{images.dtype} of shape {tuple(images.shape)}" if isinstance(images, torch.Tensor) else type(images).__name__
            raise InputError(f"{name} must be a float tensor (n, channels, height, width), preprocessed for evaluation; got {got}")
        self.images = images.detach()

    def on(self, device: torch.device) -> torch.Tensor:
        if self.images.device != device and self.images.numel() * self.images.element_size() <= CACHED_BYTES:
            self.images = self.images.to(device)
        return self.images


def _codes(labels: Any, n_images: int, bank: tuple[torch.Tensor, Any] | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Codes of the labels of the probe set and of the bank, the same code for the same class; -1 where there is none."""
    if bank is not None and (labels is None or bank[1] is None):
        raise InputError("bank must come with labels, and the images too; got None")
    if labels is None:
        return None, None
    own = label_array(labels)
    if len(own) != n_images:
        raise InputError(f"labels must be one per image, {n_images} of them; got {len(own)}")
    if bank is None:
        return encode_labels(own)[0], None
    known = label_array(bank[1])
    if len(known) != len(bank[0]):
        raise InputError(f"bank must have one label per image, {len(bank[0])} of them; got {len(known)}")
    codes, _ = encode_labels([*own.tolist(), *known.tolist()])
    return (None, None) if codes is None else (codes[: len(own)], codes[len(own) :])


def _checked_measures(measures: str | Sequence[str]) -> str | tuple[str, ...]:
    if isinstance(measures, str):
        if measures not in PRESETS:
            raise UsageError(f"measures must be a preset ({', '.join(PRESETS)}) or a list of keys; got {measures!r}")
        return measures
    unknown = [key for key in measures if key not in DEFINITIONS]
    if unknown:
        import difflib

        near = difflib.get_close_matches(str(unknown[0]), DEFINITIONS, n=3)
        raise UsageError(f"measures must be keys of geometry_report; got {unknown[0]!r}; nearest: {', '.join(near) or 'none'}")
    return tuple(key for key in DEFINITIONS if key in measures)
