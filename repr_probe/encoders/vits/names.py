"""Tensors of a vision transformer under timm's names, each with where its values are in the file, whoever named the file's tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from repr_probe.encoders.reading import Piece, Shapes
from repr_probe.encoders.vits.schemes import SCHEMES, Scheme

# What a network with more than plain blocks has beside them, in any scheme: relative positions, pooling by attention, stages, ...
TRUNK = re.compile(
    r"(?:blocks|layers?|stages?|encoder|transformer|model|patch_embed|patch_|embeddings|conv\d*|stem|downsample|rope|rel_pos|pos_|"
    r"positional_|attn_pool|attention_pool|norm|ln_|cls_|class_|reg_|register|storage|detection_|head\.probe|head\.attention|network|trunk)"
)


@dataclass(frozen=True)
class NamedTensors:
    """pieces: timm's names; attention's three matrices are joined and SwiGLU's two first ones are packed.  rest: names left over."""

    scheme: Scheme
    pieces: Mapping[str, Piece]
    rest: tuple[str, ...]

    def shape(self, name: str) -> tuple[int, ...]:
        """() for a tensor the file does not have."""
        return self.pieces[name].shape if name in self.pieces else ()


def timm_names(shapes: Shapes) -> NamedTensors | None:
    """The file under timm's names by the first scheme that explains every tensor of the trunk; None where there is none."""
    for scheme in SCHEMES.values():
        if scheme.landmark in shapes and (not scheme.needed or scheme.needed in shapes):
            named = _translate(shapes, scheme)
            if named is not None:
                return named
    return None


def _translate(shapes: Shapes, scheme: Scheme) -> NamedTensors | None:
    pieces: dict[str, Piece] = {}
    rest = []
    chunked = chunks_of(shapes) if scheme.name.startswith("timm") else None
    if chunked is False:
        return None
    for name, shape in shapes.items():
        target = scheme.timm_name(name)
        if target in pieces:
            return None
        if target is not None:
            pieces[target] = Piece((name,), tuple(shape))
        elif not any(re.fullmatch(pattern, name) for pattern in scheme.spare):
            if TRUNK.match(name):
                return None
            rest.append(name)
    for join in (_join_attention, _join_gate, _mask_bias, _as_tokens):
        if not join(pieces):
            return None
    return NamedTensors(scheme, pieces, tuple(rest))


def chunks_of(shapes: Shapes) -> bool | None:
    """True: blocks are numbered blocks.<chunk>.<number>. None: they are not. False: some are and some are not, which is no plain network.

    >>> chunks_of({"blocks.0.3.norm1.weight": (8,)}), chunks_of({"blocks.3.norm1.weight": (8,)})
    (True, None)
    """
    twice = [bool(re.match(r"blocks\.\d+\.\d+\.", name)) for name in shapes if name.startswith("blocks.")]
    return None if not any(twice) else all(twice)


def _numbers(pieces: Mapping[str, Piece], pattern: str) -> list[str]:
    return [found.group(1) for name in pieces if (found := re.fullmatch(pattern, name))]


def _join_attention(pieces: dict[str, Piece]) -> bool:
    """attn.q, attn.k, attn.v -> attn.qkv; keys without a bias get zeros where no block has one (DINOv3)."""
    keys_have_bias = any(re.fullmatch(r"blocks\.\d+\.attn\.k\.bias", name) for name in pieces)
    for number in _numbers(pieces, r"blocks\.(\d+)\.attn\.q\.weight"):
        start = f"blocks.{number}.attn."
        for kind in ("weight", "bias"):
            parts = [pieces.pop(f"{start}{letter}.{kind}", None) for letter in "qkv"]
            if parts == [None, None, None]:
                continue
            query, key, value = parts
            if query is None or value is None or not query.shape or (key is None and kind == "weight"):
                return False
            if key is None and keys_have_bias:
                continue  # a hole in this file, to be named as missing
            joined = Piece((*query.keys, *value.keys), (3 * query.shape[0], *query.shape[1:]), _with_zeros)
            if key is not None:
                joined = Piece((*query.keys, *key.keys, *value.keys), joined.shape, torch.cat)
            if len({part.shape for part in parts if part is not None}) != 1:
                return False
            pieces[f"{start}qkv.{kind}"] = joined
    return True


def _with_zeros(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    query, value = parts
    return torch.cat([query, torch.zeros_like(query), value])


def _join_gate(pieces: dict[str, Piece]) -> bool:
    """SwiGLU's gate and values in one matrix, gate first (mlp.fc1); DINOv3 by Hugging Face names the matrix of a plain MLP `up`."""
    for number in _numbers(pieces, r"blocks\.(\d+)\.mlp\.(?:w12|w1|up)\.weight"):
        start = f"blocks.{number}.mlp."
        for kind in ("weight", "bias"):
            packed, gate = pieces.pop(f"{start}w12.{kind}", None), pieces.pop(f"{start}w1.{kind}", None)
            values = pieces.pop(f"{start}w2.{kind}", None) or pieces.pop(f"{start}up.{kind}", None)
            if gate is not None and values is not None and packed is None and gate.shape == values.shape != ():
                packed = Piece((*gate.keys, *values.keys), (2 * gate.shape[0], *gate.shape[1:]), torch.cat)
            elif gate is None and values is not None and packed is None:
                packed = values
            elif gate is not None or values is not None:
                return False
            if packed is not None:
                pieces[f"{start}fc1.{kind}"] = packed
    return True


def _mask_bias(pieces: dict[str, Piece]) -> bool:
    """DINOv3 multiplies the bias of attention by a mask that it stores (zeros for the keys)."""
    for number in _numbers(pieces, r"blocks\.(\d+)\.attn\.qkv\.bias_mask"):
        mask, bias = pieces.pop(f"blocks.{number}.attn.qkv.bias_mask"), pieces.get(f"blocks.{number}.attn.qkv.bias")
        if bias is None or bias.shape != mask.shape:
            return False
        pieces[f"blocks.{number}.attn.qkv.bias"] = Piece((*bias.keys, *mask.keys), bias.shape, _product)
    return True


def _product(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return parts[0] * parts[1].to(parts[0].dtype)


def _as_tokens(pieces: dict[str, Piece]) -> bool:
    """CLIP's class embedding (width) and positions (tokens, width) with the leading ones of timm's; no table of no registers."""
    if "reg_token" in pieces and 0 in pieces["reg_token"].shape:
        del pieces["reg_token"]
    for name in ("cls_token", "dist_token", "reg_token", "pos_embed"):
        piece = pieces.get(name)
        if piece is not None and len(piece.shape) < 3:
            pieces[name] = reshaped(piece, (*(1,) * (3 - len(piece.shape)), *piece.shape))
    return all(len(pieces[name].shape) == 3 for name in ("cls_token", "dist_token", "reg_token", "pos_embed") if name in pieces)


def reshaped(piece: Piece, shape: tuple[int, ...]) -> Piece:
    return replace(piece, shape=shape, make=lambda parts: parts[0].reshape(shape))


def positions_without_class(pieces: Mapping[str, Piece]) -> dict[str, Piece]:
    """DINOv2 with registers: its table has a row for the class token but none for registers; that row goes into the class token, as in timm."""
    table, token = pieces["pos_embed"], pieces["cls_token"]
    moved = dict(pieces)
    moved["cls_token"] = Piece((*token.keys, *table.keys), token.shape, lambda parts: parts[0].reshape(token.shape) + _rows(parts[1])[:, :1])
    moved["pos_embed"] = Piece(table.keys, (1, table.shape[1] - 1, table.shape[2]), lambda parts: _rows(parts[0])[:, 1:])
    return moved


def _rows(table: torch.Tensor) -> torch.Tensor:
    return table.reshape(1, *table.shape[-2:])
