"""The recipe of DINO's views (Caron et al. 2021, arXiv 2104.14294, appendix), written once for the per-image and the batched path.

Two global views and six local ones: a crop of 0.4 to 1 (local: 0.05 to 0.4) of the area with aspect ratio 3/4 to 4/3, resized bicubically;
mirrored with probability 0.5; with probability 0.8 brightness, contrast (each x 0.6-1.4), saturation (x 0.8-1.2) and hue (+-0.1 of the
circle) changed in random order; grey with probability 0.2; Gaussian blur with sigma 0.1 to 2 pixels, at every size, with probability 1 on
the first global view, 0.1 on the second and 0.5 on local ones; the second global view solarised above 128 with probability 0.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from repr_probe.errors import UsageError

GLOBAL_AREA = (0.4, 1.0)
LOCAL_AREA = (0.05, 0.4)
ASPECT_RATIO = (3 / 4, 4 / 3)
FLIP = 0.5
JITTER = 0.8
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.4, 0.4, 0.2, 0.1
GREY = 0.2
GLOBAL_BLUR = (1.0, 0.1)  # first, second, and so on in turn
LOCAL_BLUR = 0.5
BLUR_SIGMA = (0.1, 2.0)  # pixels of the view
GLOBAL_SOLARISE = (0.0, 0.2)
SOLARISE_THRESHOLD = 128
SMALLEST_SIDE = 2  # of a view and of an image, in pixels: one pixel has no neighbours to resize, mirror or blur


@dataclass(frozen=True)
class ViewRecipe:
    """How one view is drawn from an image; the names ending in `_p`, `flip`, `grey` are probabilities.

    size: side of the square view in pixels.  area: fraction of the image that the crop shows, (low, high).
    ratio: width over height of the crop, (low, high), log-uniform.
    brightness, contrast, saturation: b stands for a factor uniform in [max(0, 1 - b), 1 + b].
    hue: h for a turn uniform in [-h, h] of the colour circle, at most 0.5.  blur_sigma: standard deviation in pixels of the view, uniform.
    Raises UsageError for values no view can be drawn with.
    """

    size: int
    area: tuple[float, float] = GLOBAL_AREA
    ratio: tuple[float, float] = ASPECT_RATIO
    flip: float = FLIP
    jitter_p: float = JITTER
    brightness: float = BRIGHTNESS
    contrast: float = CONTRAST
    saturation: float = SATURATION
    hue: float = HUE
    grey: float = GREY
    blur_p: float = LOCAL_BLUR
    blur_sigma: tuple[float, float] = BLUR_SIGMA
    solarise_p: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.size, Integral) or isinstance(self.size, bool) or self.size < SMALLEST_SIDE:
            raise UsageError(f"size must be a whole number of {SMALLEST_SIDE} pixels or more; got {self.size!r}")
        for name, most in (("area", 1.0), ("ratio", math.inf), ("blur_sigma", math.inf)):
            span = getattr(self, name)
            if not _is_span(span) or span[1] > most or span[1] == math.inf:
                limit = f"0 < low <= high{' <= 1' if most == 1 else ''}"
                raise UsageError(f"{name} must be two numbers (low, high) with {limit}; got {span!r}")
        for name in ("flip", "jitter_p", "grey", "blur_p", "solarise_p"):
            _check_between(name, getattr(self, name), 1.0, "a probability between 0 and 1")
        for name in ("brightness", "contrast", "saturation"):
            _check_between(name, getattr(self, name), math.inf, "a finite number of 0 or more")
        _check_between("hue", self.hue, 0.5, "between 0 and 0.5 of the colour circle")


@dataclass(frozen=True)
class MultiCrop:
    """The views of one image: the first `n_global` are the global ones."""

    views: tuple[ViewRecipe, ...]
    n_global: int

    def __post_init__(self) -> None:
        if not self.views:
            raise UsageError("views must hold one recipe or more; got none")
        if not 0 <= self.n_global <= len(self.views):
            raise UsageError(f"n_global must be between 0 and the number of views ({len(self.views)}); got {self.n_global}")

    @property
    def n_views(self) -> int:
        return len(self.views)

    @property
    def sizes(self) -> dict[int, tuple[int, ...]]:
        """{side in pixels: numbers of the views of that size}: what is worked on together.

        >>> dino_views(global_size=32, local_size=16).sizes
        {32: (0, 1), 16: (2, 3, 4, 5, 6, 7)}
        """
        groups: dict[int, tuple[int, ...]] = {}
        for number, view in enumerate(self.views):
            groups[int(view.size)] = (*groups.get(int(view.size), ()), number)
        return groups


def dino_views(
    *,
    global_size: int = 224,
    local_size: int = 96,
    n_global: int = 2,
    n_local: int = 6,
    global_area: tuple[float, float] = GLOBAL_AREA,
    local_area: tuple[float, float] = LOCAL_AREA,
    strength: float = 1.0,
    blur: bool = True,
    solarise: bool = True,
    flip: float = FLIP,
    grey: float = GREY,
) -> MultiCrop:
    """DINO's views at sizes and strengths of your own.

    strength: factor on brightness, contrast, saturation and hue (hue stays at most half the circle); 0 switches the jitter off.
    blur, solarise: False leaves them out.  With other than two global views, blur and solarising go in turn: even views, odd views.

    >>> recipe = dino_views(global_size=32, local_size=16, n_local=2, blur=False)
    >>> [(view.size, view.area, view.blur_p, view.solarise_p) for view in recipe.views]
    [(32, (0.4, 1.0), 0.0, 0.0), (32, (0.4, 1.0), 0.0, 0.2), (16, (0.05, 0.4), 0.0, 0.0), (16, (0.05, 0.4), 0.0, 0.0)]
    """
    for name, count in (("n_global", n_global), ("n_local", n_local)):
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 0:
            raise UsageError(f"{name} must be a whole number of 0 or more; got {count!r}")
    _check_between("strength", strength, math.inf, "a finite number of 0 or more")
    colours: dict[str, Any] = {
        "jitter_p": JITTER if strength else 0.0,
        "brightness": strength * BRIGHTNESS,
        "contrast": strength * CONTRAST,
        "saturation": strength * SATURATION,
        "hue": min(strength * HUE, 0.5),
        "flip": flip,
        "grey": grey,
    }
    views = [
        ViewRecipe(global_size, global_area, blur_p=blur * GLOBAL_BLUR[view % 2], solarise_p=solarise * GLOBAL_SOLARISE[view % 2], **colours)
        for view in range(n_global)
    ]
    views += [ViewRecipe(local_size, local_area, blur_p=blur * LOCAL_BLUR, **colours) for _ in range(n_local)]
    return MultiCrop(tuple(views), n_global)


def _is_span(span: Any) -> bool:
    if not isinstance(span, tuple | list) or len(span) != 2 or not all(isinstance(end, Real) for end in span):
        return False
    return 0 < span[0] <= span[1]


def _check_between(name: str, value: object, most: float, what: str) -> None:
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) <= most or value == math.inf:
        raise UsageError(f"{name} must be {what}; got {value!r}")
