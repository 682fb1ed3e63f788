"""In what numbers the fused kernel multiplies, and in what tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_MULTIPLE = 64  # of the width of a stored row: whole steps of every tiling, and aligned loads


@dataclass(frozen=True)
class Mode:
    """How unit rows are kept on the device and multiplied.

    half: in bfloat16 rather than float32.  segments: 1, or 3 where a row is kept as a high and a low part (high·high + high·low + low·high).
    precision: what the matrix units do with float32 ("ieee", "tf32").
    """

    name: str
    half: bool
    segments: int
    precision: str

    def width(self, n_features: int) -> int:
        """Numbers in one part of a stored row.

        >>> MODES["bf16"].width(100)
        128
        """
        return -(-n_features // _MULTIPLE) * _MULTIPLE

    def row_bytes(self, n_features: int) -> int:
        return self.width(n_features) * self._parts * (2 if self.half else 4)

    @property
    def _parts(self) -> int:
        return 2 if self.segments == 3 else 1

    def room(self, n_rows: int, n_features: int, device: torch.device) -> torch.Tensor:
        """Memory for rows in this mode, zeros beyond the features."""
        import torch

        # Triton's interpreter multiplies the bits of bfloat16 as whole numbers, so on the CPU their values are kept in float32.
        dtype = torch.bfloat16 if self.half and device.type == "cuda" else torch.float32
        return torch.zeros((n_rows, self.width(n_features) * self._parts), dtype=dtype, device=device)

    def put(self, unit: torch.Tensor, out: torch.Tensor) -> None:
        """Write float32 unit rows (n, D) into `out`, a piece of a `room`."""
        import torch

        n_features = unit.shape[1]
        if not self.half:
            out[:, :n_features] = unit
            if self.precision == "tf32":  # to the nearest: the matrix units cut the last 13 bits off, which makes every cosine too small
                out.view(torch.int32).add_(0x1000).bitwise_and_(-0x2000)
            return
        high = unit.to(torch.bfloat16)
        out[:, :n_features] = high
        if self._parts == 2:
            width = out.shape[1] // 2
            out[:, width : width + n_features] = (unit - high.float()).to(torch.bfloat16)


MODES = {mode.name: mode for mode in (
    Mode("float32", False, 1, "ieee"), Mode("bf16x3", True, 3, "ieee"), Mode("tf32", False, 1, "tf32"), Mode("bf16", True, 1, "ieee"),
)}  # fmt: skip


@dataclass(frozen=True)
class Tiling:
    """Size of a tile, how many numbers of a row a step takes, rows of tiles that run together, warps and steps in flight.

    registers: of a thread at most (None: any); 128 with 8 warps let two tiles share a processor, one multiplying while the other adds up.
    """

    rows: int
    columns: int
    depth: int
    band: int
    warps: int
    stages: int
    registers: int | None = None

    def n_tiles(self, n_top: int, n_side: int) -> tuple[int, int]:
        return -(-n_top // self.rows), -(-n_side // self.columns)

    def options(self) -> dict[str, Any]:
        """As the kernels take them."""
        return {"ROWS": self.rows, "COLUMNS": self.columns, "DEPTH": self.depth, "BAND": self.band,
                "num_warps": self.warps, "num_stages": self.stages, "maxnreg": self.registers}  # fmt: skip


# Depth in bytes of a step is what counts: 64 bfloat16 numbers or 32 float32 ones a row.
TILINGS = {
    True: (Tiling(128, 128, 64, 8, 8, 3), Tiling(128, 128, 64, 8, 8, 3, 128), Tiling(128, 256, 64, 8, 8, 3)),
    False: (Tiling(128, 128, 32, 8, 8, 3), Tiling(128, 128, 32, 8, 8, 3, 128)),
}
