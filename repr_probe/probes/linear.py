"""Linear probes: a convex fit chosen without the test set (default), and the minibatch recipes of the literature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from repr_probe import progress
from repr_probe.errors import InputError
from repr_probe.metrics.rows import Rows
from repr_probe.probes.devices import resolve_device
from repr_probe.probes.labelled_rows import Split, open_split
from repr_probe.probes.logistic import GAP, MAX_ITERATIONS, TOLERANCE, Fit, fit_logistic
from repr_probe.probes.minibatch import Recipe, n_steps_of, train_layers
from repr_probe.probes.probe_result import ProbeResult, frozen, scored
from repr_probe.probes.standardised import Scale, Standardised
from repr_probe.ranks import ALONE, Ranks

PENALTIES = tuple(float(l2) for l2 in np.logspace(-6, 2, 10))
HOLD_EVERY = 10
MEMORY = 1 << 30
_DINOV2_RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)
# docs/protocols.md sets each beside its source.
RECIPES: Mapping[str, Recipe] = MappingProxyType({
    "paper": Recipe("adam", (1e-3,), 256, epochs=90, steps=None, cosine=False, start="torch"),
    "sgd": Recipe("sgd", (0.1,), 256, epochs=90, steps=None, cosine=True, start="torch"),
    "dinov2": Recipe("sgd", _DINOV2_RATES, 128, epochs=None, steps=12500, cosine=True, start="normal"),
})  # fmt: skip
PRESETS = ("lbfgs", *RECIPES)


@dataclass(frozen=True, eq=False)
class LinearResult(ProbeResult):
    """Accuracy of a linear probe.  converged: the last fit met its tolerance; None for recipes of a fixed number of steps."""

    converged: bool | None


def linear(
    train: Any,
    train_labels: Any = None,
    test: Any = None,
    test_labels: Any = None,
    *,
    preset: str = "lbfgs",
    l2: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    memory: int = MEMORY,
    ranks: Ranks = ALONE,
) -> LinearResult:
    """Top-1 and top-5 on `test` of a linear classifier trained on `train` (n_samples, n_features); the test rows choose nothing.

    preset: "lbfgs" (default): features standardised by the training rows, mean cross entropy + (l2 / 2) ‖weights‖² with free biases, solved
        to a gradient of 1e-6 and a loss within 1e-6 of the least; l2 is the best of ten, logspace(-6, 2), by top-1 on every tenth training
        row of each class (ties: the larger), then all training rows are fitted. No random numbers.
        "paper": Adam 1e-3, batch 256, 90 epochs.  "sgd": SGD 0.1, momentum 0.9, cosine, batch 256, 90 epochs.  "dinov2": 13 learning rates
        in one pass of 12,500 batches of 128, the best on the same held-out rows. All three on raw features, the last weights.
    l2: with "lbfgs", this penalty and no choice.  epochs, batch_size: with the others, in place of the preset's; they enter the protocol.
    seed: of the start and the order of the minibatches.  memory: bytes for standardised rows and histories.
    ranks: the processes of a job, each calling this on the same features. They share the passes over the rows of "lbfgs"; minibatches, where
        every step waits for the one before, are the first one's. All get the result.

    Raises InputError for features, labels or settings outside this contract.

    >>> result = linear([[0.0], [1], [2], [3]], [0, 0, 1, 1], [[-1], [4]], [0, 1], l2=0.01)
    >>> result.top1, result.protocol, result.converged
    (1.0, 'linear lbfgs standardised l2=0.01', True)
    """
    recipe = chosen_recipe(preset, l2, epochs, batch_size)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed must be an integer, 0 or more; got {seed!r}")
    if test is None:
        raise InputError("test must be features with labels; got none")
    split = open_split(train, train_labels, test, test_labels, ("train", "test"), unit=False)
    if split.n_classes < 2:
        raise InputError(f"train must have two classes; got {split.n_classes}")
    ranks.require_alike(train=split.train.mark, test=split.test.mark)
    work = _Work(split, resolve_device(ranks.device_name(device)), memory, ranks)
    return work.by_recipe(recipe, preset, int(seed)) if recipe else work.by_penalty(l2)


def chosen_recipe(preset: str, l2: float | None, epochs: int | None, batch_size: int | None) -> Recipe | None:
    """The recipe of a minibatch preset with what was given in its place; None for "lbfgs". InputError for what does not go together."""
    if preset not in PRESETS:
        raise InputError(f"preset must be one of {', '.join(PRESETS)}; got {preset!r}")
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if value is not None and preset == "lbfgs":
            raise InputError(f"{name} must go with a minibatch preset; got {value!r} beside 'lbfgs'")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1):
            raise InputError(f"{name} must be an integer, 1 or more; got {value!r}")
    if l2 is not None and preset != "lbfgs":
        raise InputError(f"l2 must go with preset 'lbfgs'; got {l2!r} beside {preset!r}")
    if l2 is not None and not (isinstance(l2, int | float | np.number) and not isinstance(l2, bool) and 0 < float(l2) < np.inf):
        raise InputError(f"l2 must be a finite number above 0; got {l2!r}")
    if preset == "lbfgs":
        return None
    recipe = RECIPES[preset]
    if epochs is not None:
        recipe = replace(recipe, epochs=int(epochs), steps=None)
    size = recipe.batch_size if batch_size is None else int(batch_size)
    rates = recipe.learning_rates if preset == "paper" else tuple(rate * size / 256 for rate in recipe.learning_rates)
    return replace(recipe, batch_size=size, learning_rates=rates)


def held_out(codes: np.ndarray) -> np.ndarray:
    """(n,) bool: every tenth row of each class, in stored order.

    >>> np.flatnonzero(held_out(np.array([0] * 21 + [1] * 9)))
    array([ 9, 19])
    """
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(codes[order])) + 1]
    sizes = np.diff(np.r_[starts, len(codes)])
    place = np.empty(len(codes), np.int64)
    place[order] = np.arange(len(codes)) - np.repeat(starts, sizes)
    return place % HOLD_EVERY == HOLD_EVERY - 1


class _Work:
    """The two sets, with training classes renumbered 0..K - 1."""

    def __init__(self, split: Split, device: str, memory: int, ranks: Ranks) -> None:
        self.split, self.device, self.memory, self.ranks = split, device, memory, ranks
        self.classes, self.codes = np.unique(split.train.codes, return_inverse=True)
        self.codes = self.codes.astype(np.int64)

    def by_penalty(self, l2: float | None) -> LinearResult:
        settings: dict[str, Any] = {"preset": "lbfgs", "standardised": True}
        settings |= {"tolerance": TOLERANCE, "gap_tolerance": GAP, "max_iterations": MAX_ITERATIONS}
        notes: list[str] = []
        if l2 is None:
            chosen, tried = self.choose_penalty(notes)
            settings |= tried
        else:
            chosen = float(l2)
        rows, fit = self.fit(self.split.train.rows, self.codes, [chosen])
        converged = bool(fit.converged[0])
        if not converged:
            notes.append(_unfinished(fit, [chosen]))
        reached = {"gradient": float(fit.gradients[0]), "gap": float(fit.gaps[0]), "loss": float(fit.losses[0])}
        settings |= {"l2": chosen, "iterations": int(fit.iterations[0]), **reached}
        weights = _for_raw_rows(fit.weights[0], rows.scale)
        kind = "grid" if l2 is None else f"l2={chosen:g}"
        return self.result(weights, f"linear lbfgs standardised {kind}", settings, notes, converged)

    def choose_penalty(self, notes: list[str]) -> tuple[float, dict[str, Any]]:
        """The penalty with the best top-1 on the held-out rows, the larger at a tie, and what was seen."""
        kept, held = self.parts("pass l2= to leave the choice out")
        rows, fit = self.fit(self.split.train.rows.select(kept), self.codes[kept], PENALTIES)
        if not fit.converged.all():
            notes.append(_unfinished(fit, PENALTIES))
        tops = [self.top1(_for_raw_rows(weights, rows.scale), held) for weights in fit.weights]
        best = max(range(len(PENALTIES)), key=lambda number: (tops[number], PENALTIES[number]))
        if best in (0, len(PENALTIES) - 1):
            notes.append(f"the chosen l2, {PENALTIES[best]:g}, is the {'last' if best else 'first'} of the ten tried")
        return PENALTIES[best], {"l2_tried": list(PENALTIES), "validation_top1": tops, "n_validation": len(held)}

    def by_recipe(self, recipe: Recipe, preset: str, seed: int) -> LinearResult:
        settings = {
            "preset": preset, "standardised": False, "optimiser": recipe.optimiser, "batch_size": recipe.batch_size, "epochs": recipe.epochs,
            "steps": n_steps_of(recipe, len(self.codes)), "schedule": "cosine" if recipe.cosine else "constant",
            "momentum": recipe.momentum if recipe.optimiser == "sgd" else None, "weight_decay": 0.0, "start": recipe.start, "seed": seed,
        }  # fmt: skip
        rows, length = self.split.train.rows, f"epochs={recipe.epochs}" if recipe.epochs else f"steps={recipe.steps}"
        if len(recipe.learning_rates) > 1:
            kept, held = self.parts("take a preset of one learning rate")
            layers = self.train(rows.select(kept), self.codes[kept], recipe, seed)
            tops = [self.top1(layer, held) for layer in layers]
            best = int(np.argmax(tops))
            settings |= {"learning_rates_tried": list(recipe.learning_rates), "validation_top1": tops, "n_validation": len(held)}
            recipe = replace(recipe, learning_rates=(recipe.learning_rates[best],))
        settings["learning_rate"] = recipe.learning_rates[0]
        (layer,) = self.train(rows, self.codes, recipe, seed)
        return self.result(layer, f"linear {preset} batch={recipe.batch_size} {length} seed={seed}", settings, [], None)

    def fit(self, rows: Rows, codes: np.ndarray, penalties: Sequence[float]) -> tuple[Standardised, Fit]:
        scaled, n_classes = Standardised(rows, Scale.of(rows), self.memory), len(self.classes)
        return scaled, fit_logistic(scaled, codes, n_classes, np.array(penalties), device=self.device, memory=self.memory, ranks=self.ranks)

    def train(self, rows: Rows, codes: np.ndarray, recipe: Recipe, seed: int) -> np.ndarray:
        """(n_learning_rates, n_features + 1, n_classes)"""
        return self.ranks.first_does(lambda: train_layers(rows, codes, len(self.classes), recipe, seed=seed, device=self.device))

    def parts(self, way_out: str) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers to fit and row numbers to choose by."""
        held = held_out(self.codes)
        if not held.any():
            raise InputError(f"train must have a class of {HOLD_EVERY} rows to hold one out; got fewer in each; {way_out}")
        return np.flatnonzero(~held), np.flatnonzero(held)

    def top1(self, weights: np.ndarray, which: np.ndarray) -> float:
        ranks, _ = _ranks(self.split.train.rows.select(which), self.codes[which], weights)
        return float((ranks == 0).mean())

    def result(self, weights: np.ndarray, protocol: str, settings: Mapping[str, Any], notes: Sequence[str], converged: bool | None) -> LinearResult:
        known = ~self.split.absent
        codes = np.where(known, np.searchsorted(self.classes, self.split.test.codes), 0)
        codes = np.minimum(codes, len(self.classes) - 1)
        ranks, winners = _ranks(self.split.test.rows, codes, weights)
        ranks = np.where(known, ranks, len(self.classes))
        for note in notes:
            progress.note(note)
        return LinearResult(**scored(self.split, ranks, self.classes[winners]), protocol=protocol, settings=frozen(settings),
                            notes=(*self.split.notes, *notes), converged=converged)  # fmt: skip


def _for_raw_rows(weights: np.ndarray, scale: Scale) -> np.ndarray:
    """Weights (n_features + 1, n_classes) of standardised rows as weights of the rows themselves."""
    raw = weights[:-1] * scale.factor[:, None]
    return np.vstack([raw, weights[-1] - scale.mean @ raw])


def _ranks(rows: Rows, codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(place of class `codes`, winning class), (n,) each; equal scores go to the lower class."""
    ranks, winners = [], []
    for start, block in rows.blocks():
        scores = block @ weights[:-1] + weights[-1]
        mine = codes[start : start + len(block), None]
        own = np.take_along_axis(scores, mine, 1)
        lower = np.arange(scores.shape[1]) < mine
        ranks.append(((scores > own) | ((scores == own) & lower)).sum(axis=1))
        winners.append(scores.argmax(axis=1))
    return np.concatenate(ranks), np.concatenate(winners)


def _unfinished(fit: Fit, penalties: Sequence[float]) -> str:
    told = zip(penalties, fit.gradients, fit.gaps, fit.converged, strict=True)
    far = [f"{l2:g} ({peak:.1e}, {gap:.1e})" for l2, peak, gap, good in told if not good]
    return f"not converged to a gradient of {TOLERANCE:g} and a loss within {GAP:g} of the least for l2 = {', '.join(far)}"
