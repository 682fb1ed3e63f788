"""Colours of many views at once, each with factors of its own; on any device.

Every operation takes float32 views (n, C, S, S) in [0, 1] with C = 3 (RGB) or 1 (grey), and numbers for each view; each view comes out as
torchvision's operation of the same name gives it alone, to 1e-5. `apply_photometry` runs the whole recipe on the views it was drawn for.
Which those are was decided on the CPU, so a GPU is never waited for. Grey views: saturation, hue and grey leave them as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch

from repr_probe.views.draws import Photometry
from repr_probe.views.recipe import SOLARISE_THRESHOLD

LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2, with the digits torchvision has
BLUR_REACH = 3  # standard deviations at which the Gaussian is cut
_CONTRAST, _SATURATION, _HUE = 1, 2, 3  # columns of the factors; 0 is brightness


def apply_photometry(views: torch.Tensor, draws: Photometry) -> torch.Tensor:
    """Jitter, grey, blur, solarise, in this order and in place; each costs only the views that were drawn for it."""
    rgb = views.shape[1] == 3
    chosen = [np.flatnonzero(mask) for mask in (draws.jitter, draws.grey & rgb, draws.sigma > 0, draws.solarise)]
    places = to_device(chosen, views.device)
    jittered, _, blurred, _ = chosen
    _change(views, places[0], lambda part: jitter(part, draws.factors[jittered], draws.order[jittered]))
    _change(views, places[1], lambda part: part.copy_(grey(part).expand_as(part)))
    _change(views, places[2], lambda part: blur(part, draws.sigma[blurred]))
    _change(views, places[3], solarise)
    return views


def jitter(views: torch.Tensor, factors: np.ndarray, order: np.ndarray) -> torch.Tensor:
    """Brightness, contrast, saturation and hue, in an order of its own for each view; in place.

    factors: (n, 4) the factors of brightness, contrast and saturation (1 changes nothing) and the turn of the hue in [-0.5, 0.5].
    order: (n, 4) permutations: column p says which of the four comes at place p.

    The first three are one formula, clamp(t + f (x - t)), with another target t: black, the mean grey of the view, the grey of the pixel.
    So at each place one blend serves all views, whichever of the three they are at (with f = 1 where it is the hue's turn).
    """
    factor = np.where(order == _HUE, 1.0, np.take_along_axis(factors, order, axis=1))
    turning = [np.flatnonzero(order[:, place] == _HUE) for place in range(4)] if views.shape[1] == 3 else []
    table = [column[:, place] for place in range(4) for column in (factor, order == _CONTRAST, order == _SATURATION)]
    numbers = to_device([np.asarray(column, np.float32) for column in (*table, *(factors[rows, _HUE] for rows in turning))], views.device)
    rows = to_device(turning, views.device)
    for place in range(4):
        f, at_contrast, at_saturation = (column.view(-1, 1, 1, 1) for column in numbers[3 * place : 3 * place + 3])
        shade = grey(views)  # (n, 1, S, S)
        target = torch.addcmul(shade.mean((2, 3), keepdim=True) * at_contrast, shade, at_saturation)
        torch.lerp(target, views, f, out=views).clamp_(0, 1)
        if turning:
            turns = numbers[12 + place]
            _change(views, rows[place], lambda part, turns=turns: turn_hue(part, turns))  # type: ignore[misc]
    return views


def grey(views: torch.Tensor) -> torch.Tensor:
    """(n, 1, S, S): luma of RGB views; grey views themselves."""
    if views.shape[1] == 1:
        return views
    red, green, blue = views.split(1, dim=1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def turn_hue(views: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """RGB views with the colour circle turned by `turns` (n,), 1 being once around; in place.

    With h in [0, 6) the hue in sixths of the circle, a colour of largest value v and chroma c (largest minus smallest) has
    red v - c * clamp(2 - |h - 3|), green v - c * clamp(|h - 2| - 1), blue v - c * clamp(|h - 4| - 1), each clamped to [0, 1].
    """
    red, green, blue = views.split(1, dim=1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    # Which difference counts, and from where on the circle, depends on the largest channel; greys have chroma 0 and difference 0.
    from_green, from_blue = (blue - red).add_(chroma, alpha=2), (red - green).add_(chroma, alpha=4)
    hue = torch.where(red == value, green - blue, torch.where(green == value, from_green, from_blue)).div_(chroma.clamp_min(1e-12))
    hue.add_(6 * turns.view(-1, 1, 1, 1)).remainder_(6)
    torch.addcmul(value, chroma, (hue - 3).abs_().neg_().add_(2).clamp_(0, 1), value=-1, out=red)
    torch.addcmul(value, chroma, (hue - 2).abs_().sub_(1).clamp_(0, 1), value=-1, out=green)
    torch.addcmul(value, chroma, hue.sub_(4).abs_().sub_(1).clamp_(0, 1), value=-1, out=blue)
    return views


def blur(views: torch.Tensor, sigma: np.ndarray) -> torch.Tensor:
    """Gaussian blur with standard deviations sigma (n,) in pixels, edges mirrored; a new tensor.

    Cut at three standard deviations, rounded up (torchvision's kernel_size 2 ceil(3 sigma) + 1), and at the size of the view. Each axis is a
    product with one small matrix that holds the mirrored edges too: four GPU launches instead of the thirty of shifted sums. On one CPU core
    both take the same time at 32 pixels; at 224 shifted sums would take 0.4 of it, but there a GPU does the colours.
    Pillow's GaussianBlur, which DINO used, is three box blurs in a row: half a grey level of 255 away on average, one on views of 32 pixels.
    """
    n_views, _, size, _ = views.shape
    reach = np.minimum(np.ceil(BLUR_REACH * sigma), size - 1)
    steps = np.arange(int(reach.max()) + 1)
    weights = np.where(steps <= reach[:, None], np.exp(-0.5 * (steps / sigma[:, None]) ** 2), 0.0)
    weights /= weights[:, :1] + 2 * weights[:, 1:].sum(axis=1, keepdims=True)
    (numbers,) = to_device([weights.astype(np.float32)], views.device)
    matrices = (numbers @ _shifts(size, len(steps), views.device)).view(n_views, size, size)
    wide = torch.bmm(views.flatten(1, 2), matrices.mT)
    return torch.matmul(matrices.unsqueeze(1), wide.view(views.shape))


def solarise(views: torch.Tensor) -> torch.Tensor:
    """Values from 128 / 255 on turned to 1 - value; a new tensor."""
    return torch.where(views >= SOLARISE_THRESHOLD / 255, 1 - views, views)


def to_device(arrays: Sequence[np.ndarray], device: torch.device) -> list[torch.Tensor]:
    """Arrays of one dtype as tensors on `device`, in one transfer that nothing waits for."""
    if device.type == "cpu" or not arrays:
        return [torch.from_numpy(np.require(array, requirements=["C", "W"])) for array in arrays]  # torch warns of memory it may not write to
    flat = torch.from_numpy(np.concatenate([array.ravel() for array in arrays]))
    flat = (flat.pin_memory() if device.type == "cuda" else flat).to(device, non_blocking=True)
    parts = flat.split([array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]


def _change(views: torch.Tensor, rows: torch.Tensor, work: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """views[rows] = work(views[rows]), without a copy when `rows` are all."""
    if len(rows) == len(views):
        done = work(views)
        if done is not views:
            views.copy_(done)
    elif len(rows):
        views.index_copy_(0, rows, work(views.index_select(0, rows)))


@lru_cache(maxsize=16)
def _shifts(size: int, n_steps: int, device: torch.device) -> torch.Tensor:
    """(n_steps, size * size): entry [d, i * size + j] counts how often pixel j lies d steps from pixel i, mirrored edges included."""
    matrices = np.zeros((n_steps, size, size), dtype=np.float32)
    outputs = np.arange(size)
    for step in range(n_steps):
        for shift in {step, -step}:
            pixels = abs(outputs + shift)  # -1 is 1
            pixels = size - 1 - abs(size - 1 - pixels)  # size is size - 2
            np.add.at(matrices[step], (outputs, pixels), 1)
    return torch.from_numpy(matrices.reshape(n_steps, -1)).to(device)

