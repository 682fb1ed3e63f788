"""What shapes tell of a vision transformer, and a check that every tensor of it has exactly the shape these sizes ask for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from repr_probe.encoders.architectures import Option
from repr_probe.encoders.reading import Clues, Piece
from repr_probe.encoders.vits.names import NamedTensors, positions_without_class
from repr_probe.errors import CheckpointError

UNKNOWN_GRID = "unknown"
MOST_WRONG = 0.05  # of the tensors of a file that may be absent or of another shape before it is taken for another network


@dataclass(frozen=True)
class Sizes:
    """pieces: the tensors by timm's names, with DINOv2's positions as timm has them.  hidden: of the MLP; of SwiGLU one of its two halves.

    norm: "before" or "after" the pooling.  position: "all", "patches" or "rope".  grid: (rows, columns) of patches; None with rope.
    head_width: where rotation periods are in the file, which tell it; else 0.
    """

    pieces: Mapping[str, Piece]
    width: int
    depth: int
    channels: int
    patch: tuple[int, int]
    hidden: int
    swiglu: bool
    class_token: bool
    distilled: bool
    registers: int
    layer_scale: bool
    qkv_bias: bool
    pre_norm: bool
    patch_bias: bool
    norm: str
    position: str
    grid: tuple[int, int] | None
    head_width: int
    dinov2_registers: bool

    @property
    def image_size(self) -> tuple[int, int] | None:
        return None if self.grid is None else (self.grid[0] * self.patch[0], self.grid[1] * self.patch[1])

    @property
    def described(self) -> str:
        return f"a vision transformer of width {self.width}, depth {self.depth}, patch {self.patch[0]} x {self.patch[1]}"

    def options(self) -> dict[str, Option]:
        """The options of repr_probe:vit that shapes tell."""
        return {
            "class_token": self.class_token, "depth": self.depth, "distilled": self.distilled,
            "hidden": 0 if self.hidden == 4 * self.width else self.hidden, "layer_scale": self.layer_scale,
            "mlp": "swiglu" if self.swiglu else "gelu", "norm": self.norm,
            "patch": self.patch[0] if self.patch[0] == self.patch[1] else f"{self.patch[0]}x{self.patch[1]}",
            "patch_bias": self.patch_bias, "periods": "rope.periods" in self.pieces, "position": self.position, "pre_norm": self.pre_norm,
            "qkv_bias": self.qkv_bias, "registers": self.registers, "width": self.width,
        }  # fmt: skip


def sizes_of(named: NamedTensors, clues: Clues) -> Sizes | None:
    """None where these are not the tensors of a plain vision transformer."""
    patch, first, second = (named.shape(name) for name in ("patch_embed.proj.weight", "blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc2.weight"))
    numbers = sorted({int(found.group(1)) for name in named.pieces if (found := re.match(r"blocks\.(\d+)\.", name))})
    norms = [where for where, name in (("before", "norm.weight"), ("after", "fc_norm.weight")) if name in named.pieces]
    if len(patch) != 4 or 0 in patch or len(first) != 2 or len(second) != 2 or len(norms) != 1 or numbers != list(range(len(numbers))):
        return None
    width, hidden, token = patch[0], second[1], "cls_token" in named.pieces
    registers = named.shape("reg_token")[1] if "reg_token" in named.pieces else 0
    distilled = "dist_token" in named.pieces
    if first[0] not in (hidden, 2 * hidden) or (distilled and (registers or not token)):
        return None
    positions = _positions(named, registers, clues, patch[2:])
    if positions is None:
        return None
    position, grid, dinov2 = positions
    periods = named.shape("rope.periods")
    sizes = Sizes(
        pieces=positions_without_class(named.pieces) if dinov2 else named.pieces, width=width, depth=len(numbers), channels=patch[1],
        patch=(patch[2], patch[3]), hidden=hidden, swiglu=first[0] == 2 * hidden, class_token=token, distilled=distilled,
        registers=registers, layer_scale="blocks.0.ls1.gamma" in named.pieces, qkv_bias="blocks.0.attn.qkv.bias" in named.pieces,
        pre_norm="norm_pre.weight" in named.pieces, patch_bias="patch_embed.proj.bias" in named.pieces, norm=norms[0], position=position,
        grid=grid, head_width=4 * periods[0] if len(periods) == 1 else 0, dinov2_registers=dinov2,
    )  # fmt: skip
    if not _nearly_all(sizes):
        return None
    if sizes.position == UNKNOWN_GRID:
        rows = named.shape("pos_embed")[1]
        raise CheckpointError(
            f"image_size must be given for {sizes.described}: its position table has {rows} rows, which are no square; give --image-size",
            code="E_SHAPE",
        )
    return sizes


def _nearly_all(sizes: Sizes) -> bool:
    """Whether the file has these tensors and no other of the network; the few of a damaged file that are absent or misshaped are named later."""
    wanted = expected(sizes)
    wrong = [name for name, shape in wanted.items() if name not in sizes.pieces or sizes.pieces[name].shape != shape]
    return set(sizes.pieces) <= set(wanted) and len(wrong) <= max(2, MOST_WRONG * len(wanted))


def _positions(
    named: NamedTensors, registers: int, clues: Clues, patch: tuple[int, ...]
) -> tuple[str, tuple[int, int] | None, bool] | None:  # fmt: skip
    """(kind of position, grid, whether the class token's row has to move into the token, as in DINOv2 with registers)."""
    table = named.shape("pos_embed")
    if not table:  # DINOv3 by its own names or Hugging Face's; other networks without a table are not plain
        tokens = named.pieces.get("reg_token")
        rotates = "rope.periods" in named.pieces or "DINOv3" in named.scheme.name or (tokens and tokens.keys == ("storage_tokens",))
        return ("rope", None, False) if rotates else None
    if "rope.periods" in named.pieces:
        return None
    n_class = int("cls_token" in named.pieces) + int("dist_token" in named.pieces)
    kinds = {n_class + registers: "all", 0: "patches"} if registers or n_class == 1 else {n_class: "all"}
    if registers and n_class == 1:
        kinds = {1: "moved", **kinds}
    counts = [(kind, table[1] - extra) for extra, kind in kinds.items()]
    fitting = [(kind, grid) for kind, rows in counts if (grid := _stated_grid(rows, clues, patch))]
    fitting = fitting or [(kind, (side, side)) for kind, rows in counts if (side := math.isqrt(max(rows, 0))) and side * side == rows]
    if not fitting:
        return UNKNOWN_GRID, (table[1] - n_class - registers, 1), False
    if len(fitting) > 1:
        return None
    kind, grid = fitting[0]
    return ("patches", grid, True) if kind == "moved" else (kind, grid, False)


def _stated_grid(rows: int, clues: Clues, patch: tuple[int, ...]) -> tuple[int, int] | None:
    """The grid of a clue, where it has this many patches."""
    for key, divide in (("grid", (1, 1)), ("image_size", patch)):
        if key in clues:
            height, width = (int(side) // by for side, by in zip(clues[key].value, divide))
            if height > 0 and height * width == rows:
                return height, width
    return None


def expected(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of a plain vision transformer of these sizes."""
    width, hidden = sizes.width, sizes.hidden
    shapes: dict[str, tuple[int, ...]] = {"patch_embed.proj.weight": (width, sizes.channels, *sizes.patch)}
    if sizes.patch_bias:
        shapes["patch_embed.proj.bias"] = (width,)
    for name, there in (("cls_token", sizes.class_token), ("dist_token", sizes.distilled)):
        if there:
            shapes[name] = (1, 1, width)
    if sizes.registers:
        shapes["reg_token"] = (1, sizes.registers, width)
    if sizes.grid is not None:
        extra = sizes.class_token + sizes.distilled + sizes.registers if sizes.position in ("all", UNKNOWN_GRID) else 0
        shapes["pos_embed"] = (1, sizes.grid[0] * sizes.grid[1] + extra, width)
    if sizes.head_width:
        shapes["rope.periods"] = (sizes.head_width // 4,)
    layers: dict[str, tuple[int, ...]] = {"norm": (width,)} if sizes.norm == "before" else {"fc_norm": (width,)}
    layers |= {"norm_pre": (width,)} if sizes.pre_norm else {}
    for number in range(sizes.depth):
        start = f"blocks.{number}."
        layers |= {f"{start}norm1": (width,), f"{start}norm2": (width,)}
        layers |= {f"{start}attn.qkv": (3 * width, width), f"{start}attn.proj": (width, width)}
        layers |= {f"{start}mlp.fc1": ((2 if sizes.swiglu else 1) * hidden, width), f"{start}mlp.fc2": (width, hidden)}
        if sizes.layer_scale:
            shapes |= {f"{start}ls1.gamma": (width,), f"{start}ls2.gamma": (width,)}
    for name, shape in layers.items():
        shapes[f"{name}.weight"] = shape
        if sizes.qkv_bias or not name.endswith("qkv"):
            shapes[f"{name}.bias"] = shape[:1]
    return shapes
