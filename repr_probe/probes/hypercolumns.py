"""Hypercolumns (Hariharan et al., CVPR 2015): at a pixel, the activations of every layer above it; kept as maps at native resolution.

Bilinear upsampling and a linear map over channels commute: what is linear in a hypercolumn is computed on the small maps, summed after
upsampling, and equal to the same thing on the concatenation, which `concatenated` builds for tests and small images alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repr_probe.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Hypercolumns:
    """maps: {layer: (n, channels, height, width)}, each at its own resolution.  size: (height, width) of the pixels they stand above.

    >>> import torch
    >>> columns = Hypercolumns({"a": torch.ones(1, 2, 1, 1), "b": torch.ones(1, 3, 2, 2)}, (4, 4))
    >>> columns.n_features, tuple(columns.concatenated().shape)
    (5, (1, 5, 4, 4))
    """

    maps: Mapping[str, torch.Tensor]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if not self.maps or any(each.ndim != 4 for each in self.maps.values()):
            raise InputError("maps must be (n, channels, height, width) for one or more layers; got " + _shapes(self.maps))
        if len({each.shape[0] for each in self.maps.values()}) != 1:
            raise InputError("maps must be of the same images at every layer; got " + _shapes(self.maps))

    @property
    def n_features(self) -> int:
        return sum(each.shape[1] for each in self.maps.values())

    def concatenated(self) -> torch.Tensor:
        """(n, n_features, height, width): the definition, written out. For ResNet-50 at 224 x 224 this is 0.8 GB an image."""
        import torch

        return torch.cat([upsampled(each, self.size) for each in self.maps.values()], 1)

    def projected(self, weights: Mapping[str, torch.Tensor], bias: torch.Tensor | None = None) -> torch.Tensor:
        """(n, k, height, width): `weights` ({layer: (k, channels)}) applied to every hypercolumn, without building one."""
        import torch

        total: torch.Tensor | None = None
        for layer, weight in weights.items():
            part = upsampled(torch.nn.functional.conv2d(self.maps[layer], weight[:, :, None, None]), self.size)
            total = part if total is None else total + part
        if total is None:
            raise InputError("weights must be given for one or more layers; got none")
        return total if bias is None else total + bias[:, None, None]


def upsampled(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(n, channels, h, w) -> (n, channels, height, width), bilinear, pixel centres aligned (align_corners=False), no anti-aliasing.

    As two products, one a side: twice as fast as torch's interpolation with its gradient on a CPU, and reproducible on a GPU.
    """
    if maps.shape[2:] == size:
        return maps
    rows, columns = (_bilinear(old, new, maps) for old, new in zip(maps.shape[2:], size))
    return rows @ (maps @ columns.T)


def _bilinear(old: int, new: int, like: torch.Tensor) -> torch.Tensor:
    """(new, old) weights: row i holds what the new pixel i takes from each old one."""
    import torch

    unit = torch.eye(old, dtype=like.dtype, device=like.device)[None]
    return torch.nn.functional.interpolate(unit, size=new, mode="linear", align_corners=False)[0].T


@dataclass(frozen=True, eq=False)
class ChannelScale:
    """Mean and inverse standard deviation (ddof 0) of every channel of one layer, float64 (channels,); a constant channel counts as 0."""

    mean: torch.Tensor
    inverse_std: torch.Tensor

    @classmethod
    def measured(cls, batches: Iterable[torch.Tensor]) -> ChannelScale:
        """Over all places of all maps, in one pass: batches are merged by Chan's rule, so that a large mean costs no digits.

        >>> import torch
        >>> scale = ChannelScale.measured([torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[5.0, 7.0]]]])])
        >>> scale.mean.item(), round(scale.inverse_std.item() ** -2, 6)
        (4.0, 5.0)
        """
        import torch

        count, mean, squares = 0, None, None
        for maps in batches:
            values = maps.double().transpose(0, 1).flatten(1)  # (channels, places)
            here, n_here = values.mean(1), values.shape[1]
            spread = (values - here[:, None]).square().sum(1)
            if mean is None or squares is None:
                count, mean, squares = n_here, here, spread
            else:
                step = here - mean
                squares = squares + spread + step.square() * (count * n_here / (count + n_here))
                mean, count = mean + step * (n_here / (count + n_here)), count + n_here
        if mean is None or squares is None:
            raise InputError("maps must be of one or more images; got none")
        std = (squares / count).sqrt()
        constant = std <= 8 * torch.finfo(torch.float64).eps * mean.abs()
        return cls(mean, torch.where(constant, 0.0, 1 / torch.where(constant, 1.0, std)))


def _shapes(maps: Mapping[str, torch.Tensor]) -> str:
    return ", ".join(f"{layer} {tuple(each.shape)}" for layer, each in maps.items()) or "none"
