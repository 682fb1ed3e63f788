"""Which numbers and which tiles: each mode's error measured on pairs of real rows against float64, its time on the fused kernel itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from repr_probe import progress
from repr_probe.metrics.fused.device_sums import DeviceSums
from repr_probe.metrics.fused.modes import MODES, TILINGS, Mode, Tiling
from repr_probe.metrics.fused.plain import PlainTotals, add_plainly, difference, pairs_of
from repr_probe.metrics.fused.rectangles import Rectangle
from repr_probe.metrics.products import Trial, fast_product

if TYPE_CHECKING:
    import torch

_EXACT = "float32"  # always allowed
_COSINE_ERROR = 1e-6  # what an exact product may be off by: 1e-4 degree at 45 degrees or more
_FAST_ERROR = 1e-3  # degrees, of mean and SD: modes beyond it are not timed
_JUDGED = 512  # rows whose pairs are compared with float64
_FLOAT32_ERROR = 2e-6  # radians: of an angle from a float32 cosine, the arccos and the sums included


@dataclass(frozen=True, eq=False)
class Sample:
    """Unit rows (n, D) float32 on the device from all over the data, in their order; codes and groups of those that are labelled."""

    unit: torch.Tensor
    codes: np.ndarray
    groups: np.ndarray
    shift: float  # radians
    t: float | None

    def thinned(self, most: int) -> Sample:
        step = -(-len(self.unit) // most)
        return replace(self, unit=self.unit[::step].contiguous(), codes=self.codes[::step], groups=self.groups[::step])

    def first(self, most: int) -> Sample:
        return replace(self, unit=self.unit[:most].contiguous(), codes=self.codes[:most], groups=self.groups[:most])

    def sums(self, mode: Mode, tiling: Tiling) -> DeviceSums:
        n, n_features = self.unit.shape
        return DeviceSums(n, self.codes, self.groups, shift=self.shift, kernel=self.t, mode=mode, n_features=n_features,
                          tiling=tiling, device=self.unit.device)  # fmt: skip

    def stored(self, mode: Mode) -> torch.Tensor:
        out = mode.room(len(self.unit), self.unit.shape[1], self.unit.device)
        mode.put(self.unit, out)
        return out


@dataclass(frozen=True)
class Choice:
    """A mode, tiles, and by how much the mode moves a single angle at most (degrees, on the sample)."""

    mode: Mode
    tiling: Tiling
    single: float


def chosen(sample: Sample, *, matmul: str, tilings: dict[bool, tuple[Tiling, ...]] = TILINGS) -> Choice:
    """matmul "exact": the quickest mode whose cosines are within 1e-6 of float64, or float32; "fast": the quickest within 1e-3 degree."""
    few = sample.thinned(_JUDGED)
    trials, cosine_errors = {}, {}
    for name, mode in MODES.items():
        tiling = tilings[mode.half][0]
        judged, cosine_errors[name] = judge(few, mode, tiling)
        allowed = name == _EXACT or (max(judged.mean, judged.std) <= _FAST_ERROR if matmul == "fast" else cosine_errors[name] <= _COSINE_ERROR)
        trials[name] = replace(judged, seconds=seconds(sample, mode, tiling) if allowed else float("inf"))
    exact = min((name for name in trials if name == _EXACT or cosine_errors[name] <= _COSINE_ERROR), key=lambda name: trials[name].seconds)
    name, said = fast_product(exact, trials) if matmul == "fast" else (exact, None)
    if said is None and name != _EXACT:
        gain, error = trials[_EXACT].seconds / trials[name].seconds, cosine_errors[name]
        said = f"exact products ({name}): {gain:.1f} times as fast as float32 ones; on {trials[name].n_pairs} pairs one cosine is off by {error:.1g}"
    if said is not None:
        progress.note(said)
    mode = MODES[name]
    times = {tiling: seconds(sample, mode, tiling) for tiling in tilings[mode.half]} if len(tilings[mode.half]) > 1 else {}
    return Choice(mode, min(times, key=times.__getitem__, default=tilings[mode.half][0]), trials[name].single)


def cosines(sample: Sample, mode: Mode, tiling: Tiling) -> np.ndarray:
    """(n, n) float32: all products of the sample by the kernel's own loop."""
    import torch

    from repr_probe.metrics.fused.kernel import product_kernel

    stored, n = sample.stored(mode), len(sample.unit)
    out = torch.empty((n, n), device=stored.device)
    down, across = tiling.n_tiles(n, n)
    with torch.cuda.device_of(stored):
        product_kernel[(down * across,)](stored, stored, out, n, n, WIDTH=mode.width(sample.unit.shape[1]), SEGMENTS=mode.segments,
                                         PRECISION=mode.precision, **tiling.options())  # fmt: skip
    return out.cpu().numpy()


def judge(sample: Sample, mode: Mode, tiling: Tiling) -> tuple[Trial, float]:
    """Errors of angles in degrees (time not taken: infinite), and the largest error of a cosine."""
    above = np.triu_indices(len(sample.unit), 1)
    rows = sample.unit.double()
    true, found = (rows @ rows.T).cpu().numpy()[above], cosines(sample, mode, tiling)[above].astype(np.float64)
    angles, exact = (np.degrees(np.arccos(np.clip(part, -1.0, 1.0))) for part in (found, true))
    apart = np.abs(angles - exact)[np.abs(true) <= 0.999]  # nearer pairs are not left to the kernel
    single = float(apart.max(initial=0.0))
    trial = Trial(float("inf"), abs(float(angles.mean() - exact.mean())), abs(float(angles.std() - exact.std())), single, len(true))
    return trial, float(np.abs(found - true).max())


def seconds(sample: Sample, mode: Mode, tiling: Tiling) -> float:
    """Of one launch on the sample; the best of three, after one that compiles. Infinite where the device cannot run these tiles."""
    import torch
    from triton.runtime.errors import OutOfResources

    stored, n = sample.stored(mode), len(sample.unit)
    wait = torch.cuda.synchronize if stored.device.type == "cuda" else lambda: None
    sums, whole, times = sample.sums(mode, tiling), Rectangle(range(n), range(n)), []
    for _ in range(4):
        wait()
        start = time.perf_counter()
        try:
            sums.add(whole, stored, stored)
        except OutOfResources:  # shared memory, or registers
            return float("inf")
        wait()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def failure(sample: Sample, choice: Choice) -> str | None:
    """What the fused kernel gets wrong on the sample against plain float64 sums, in words; None where it can be trusted.

    Once on rows from all over, once on neighbours: of many classes only these hold two rows.
    """
    return _failure_on(sample.thinned(_JUDGED), choice) or _failure_on(sample.first(_JUDGED), choice)


def _failure_on(few: Sample, choice: Choice) -> str | None:
    n, unit = len(few.unit), few.unit.double().cpu().numpy()
    found, true = (PlainTotals.zeros(n, few.groups, kernel=few.t is not None) for _ in range(2))
    sums, stored = few.sums(choice.mode, choice.tiling), few.stored(choice.mode)
    sums.add(Rectangle(range(n), range(n)), stored, stored)
    pairs = pairs_of(n, [Rectangle(range(n), range(n))]) & ~pairs_of(n, sums.collect(found))
    add_plainly(true, unit, few.codes, few.groups, pairs, shift=few.shift, kernel=few.t)
    return difference(found, true, angle_error=2.0 * np.radians(choice.single) + _FLOAT32_ERROR, t=few.t or 0.0)
