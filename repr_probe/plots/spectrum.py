"""Eigenvalue spectra: how variance falls off over directions, several representations in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.metrics.spectrum import entropy_rank
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.plots.figures import new_figure
from repr_probe.plots.learning_curves import COLOURS, STYLES
from repr_probe.reports.safe_text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 5.6, 3.8  # inches


def spectrum_plot(representations: Mapping[str, Any], ax: Axes | None = None, *, center: bool = True) -> Axes:
    """Share of each eigenvalue in the total against its rank, both axes logarithmic; a dot stands at each effective rank.

    representations: name -> features (n_samples, n_features) in any form that `as_features` takes, or eigenvalues (rank,) in falling order.
    center: eigenvalues of the covariance, else of the second moment about the origin (for features alone).
    A straight line is a power law; a cliff shows dimensional collapse. Spectra of different numbers of images end at different ranks.
    Without `ax` a new figure is made (`ax.figure`), outside pyplot: nothing is shown and no style changes.
    Raises InputError for no representation and for eigenvalues that do not fall or are negative.
    """
    if not representations:
        raise InputError("representations must hold at least one; got none")
    drawn = {name: eigenvalues(source, center=center) for name, source in representations.items()}
    if ax is None:
        ax = new_figure(_WIDTH, _HEIGHT).subplots()
    for number, (name, values) in enumerate(drawn.items()):
        share = values / values.sum()
        rank = np.arange(1, len(share) + 1)
        colour = COLOURS[number % len(COLOURS)]
        style = STYLES[(number + number // len(COLOURS)) % len(STYLES)]
        effective = entropy_rank(np.sqrt(values))
        label = f"{printable(name)} (effective rank {effective:.1f})".replace("$", r"\$")
        ax.plot(rank, share, color=colour, linestyle=style, linewidth=1.6, label=label)
        height = float(np.exp(np.interp(np.log(effective), np.log(rank), np.log(share))))
        ax.plot([effective], [height], "o", color=colour, markersize=5)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("rank of the eigenvalue")
    ax.set_ylabel("share of the variance" if center else "share of the second moment")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(color="0.92")
    ax.set_axisbelow(True)
    ax.legend(frameon=False, loc="lower left", fontsize="small")
    return ax


def eigenvalues(source: Any, *, center: bool = True) -> np.ndarray:
    """(rank,) eigenvalues in falling order, of features or as given; those below rounding are left out.

    >>> eigenvalues([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).tolist()
    [2.0, 0.5]
    """
    if isinstance(source, np.ndarray) and source.ndim == 1:
        values = np.asarray(source, np.float64)
        if not len(values) or not np.isfinite(values).all() or values[-1] < 0 or values[0] <= 0 or (np.diff(values) > 0).any():
            raise InputError(f"eigenvalues must be positive and fall; got {len(values)} that do not")
        return values[values > 0]
    try:
        return GeometryStates(as_features(source), Options(intervals=False)).spectrum(center=center).values
    except UndefinedMeasure as error:
        raise InputError(f"features must vary to have a spectrum; got {error}") from None
