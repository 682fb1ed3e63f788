"""What a dense probe is trained on: frozen maps and masks, by rows, with the scale of every layer's channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from repr_probe.errors import InputError
from repr_probe.probes.hypercolumns import ChannelScale

if TYPE_CHECKING:
    import torch

_ROWS_AT_ONCE = 16


class MapArray(Protocol):
    """(n, channels, height, width), in memory or mapped from a file; indexed by rows."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, rows: Any, /) -> Any: ...


class DenseData:
    """Maps and masks on a device, in as many rows at a time as are asked for; masks are (n, height, width) at the size of the images."""

    def __init__(self, maps: Mapping[str, MapArray], masks: np.ndarray, ignore_index: int | None, device: str) -> None:
        self.arrays, self.masks, self.ignore_index, self.device = maps, masks, ignore_index, device
        self.size: tuple[int, int] = (masks.shape[1], masks.shape[2])
        self.scales = {layer: ChannelScale.measured(self._chunks(layer)) for layer in maps}
        for layer, scale in self.scales.items():
            if not (scale.mean.isfinite().all() and scale.inverse_std.isfinite().all()):
                raise InputError(f"maps must be finite; layer {layer} gives NaN or infinity; check the weights")

    def __len__(self) -> int:
        return len(self.masks)

    def maps(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        return {layer: self._rows(layer, rows) for layer in self.arrays}

    def targets(self, rows: np.ndarray) -> torch.Tensor:
        """(n, height, width) int64; void is -100."""
        import torch

        masks = self.masks[rows].astype(np.int64)
        if self.ignore_index is not None:
            masks = np.where(masks == self.ignore_index, -100, masks)
        return torch.from_numpy(masks).to(self.device)

    def _rows(self, layer: str, rows: np.ndarray) -> torch.Tensor:
        import torch

        return torch.from_numpy(np.ascontiguousarray(self.arrays[layer][rows])).to(self.device).float()

    def _chunks(self, layer: str) -> Iterator[torch.Tensor]:
        for start in range(0, len(self), _ROWS_AT_ONCE):
            yield self._rows(layer, np.arange(start, min(start + _ROWS_AT_ONCE, len(self)))).cpu()
