"""Attention weights of any vision transformer while it runs: what is watched are torch's functions that compute attention, not the modules.

Fused kernels never form the weights, so that hooks on modules see nothing (timm, torchvision, Hugging Face by default); eager code forms them
in a softmax. Both are called through torch, where a TorchFunctionMode sees them with their arguments, whoever wrote the network.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Rows = Callable[[slice], torch.Tensor]


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """One attention of one forward pass, whose rows are computed when asked for.

    shape: (batch, heads, queries, keys); windows and other dimensions before the heads are counted as batch.
    rows: slice of the queries -> their weights (batch, heads, rows, keys), each row summing to 1 over the keys.
    fused: computed by scaled_dot_product_attention or torch's own module, hence certainly attention; else a softmax that looks like one.
    """

    shape: tuple[int, int, int, int]
    rows: Rows
    fused: bool


class AttentionTap(TorchFunctionMode):
    """Inside `with AttentionTap(look):`, `look(call)` is called after every attention, in the order of the blocks.

    Results are those of the watched functions themselves. `rows` is to be called inside `look`, before the network overwrites anything.

    >>> calls = []
    >>> q = k = torch.eye(2)[None, None]  # 1 image, 1 head, 2 tokens
    >>> with AttentionTap(lambda call: calls.append(call.rows(slice(0, 1)))):
    ...     _ = functional.scaled_dot_product_attention(q, k, k, scale=1.0)
    >>> calls[0].flatten().tolist() == torch.tensor([1.0, 0.0]).softmax(0).tolist()
    True
    """

    def __init__(self, look: Callable[[AttentionCall], None]) -> None:
        super().__init__()
        self._look = look

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:  # fmt: skip
        kwargs = kwargs or {}
        output = func(*args, **kwargs)  # the mode is off in here, so nothing is seen twice
        read = _READERS.get(func)
        call = read(output, *args, **kwargs) if read is not None else None
        if call is not None:
            self._look(call)
        return output


def _of_fused(
    _output: Any, query: torch.Tensor, key: torch.Tensor, value: Any, attn_mask: torch.Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
) -> AttentionCall:  # fmt: skip
    if query.ndim == 3:  # (batch, tokens, width): one head
        query, key = query.unsqueeze(1), key.unsqueeze(1)
        attn_mask = attn_mask.unsqueeze(1) if attn_mask is not None and attn_mask.ndim == 3 else attn_mask
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    return _product(query.shape, lambda chosen: query[..., chosen, :], key, mask=attn_mask, causal=is_causal, scale=scale)


def _product(
    shape: torch.Size, query: Rows, key: torch.Tensor, *, mask: torch.Tensor | None, causal: bool, scale: float | None
) -> AttentionCall:  # fmt: skip
    """softmax(q kᵀ scale + mask), as the documentation of scaled_dot_product_attention defines it, for some of the queries.

    shape: that of all queries (..., heads, queries, width).  query: slice -> those queries.  mask: added, or False where nothing is seen.
    """
    n_queries, n_keys = shape[-2], key.shape[-2]
    factor = shape[-1] ** -0.5 if scale is None else scale

    def rows(chosen: slice) -> torch.Tensor:
        scores = query(chosen) @ key.transpose(-2, -1) * factor
        if causal:
            allowed = torch.ones(n_queries, n_keys, dtype=torch.bool, device=key.device).tril()[chosen]
            scores = scores.masked_fill(~allowed, -torch.inf)
        if mask is not None:
            part = mask[..., chosen, :] if mask.ndim > 1 and mask.shape[-2] == n_queries else mask
            scores = scores.masked_fill(~part, -torch.inf) if part.dtype == torch.bool else scores + part
        return scores.softmax(-1).flatten(0, -4)

    return AttentionCall((shape[:-3].numel(), shape[-3], n_queries, n_keys), rows, fused=True)


def _of_softmax(output: torch.Tensor, input: torch.Tensor, dim: Any = None, *_: Any, **__: Any) -> AttentionCall | None:
    """Eager attention: a softmax over the last of four dimensions, with as many queries as keys or a single query."""
    if output.ndim != 4 or dim not in (-1, 3) or output.shape[2] not in (1, output.shape[3]):
        return None
    batch, heads, queries, keys = output.shape
    return AttentionCall((batch, heads, queries, keys), lambda chosen: output[:, :, chosen], fused=False)


_MODULE = inspect.signature(functional.multi_head_attention_forward)
_UNUSUAL = ("bias_k", "bias_v", "key_padding_mask", "static_k", "static_v", "q_proj_weight")


def _of_module(_output: Any, *args: Any, **kwargs: Any) -> AttentionCall:
    """torch.nn.MultiheadAttention (torchvision, open_clip): queries and keys are projected as it does, only the queries asked for."""
    bound = _MODULE.bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    query, key, mask, heads = given["query"], given["key"], given["attn_mask"], given["num_heads"]
    if query.ndim != 3 or given["add_zero_attn"] or any(given[name] is not None for name in _UNUSUAL):
        whole: Any = functional.multi_head_attention_forward(**{**given, "need_weights": True, "average_attn_weights": False})[1]
        weights: torch.Tensor = whole if whole.ndim == 4 else whole.unsqueeze(0)
        batch, heads, queries, keys = weights.shape
        return AttentionCall((batch, heads, queries, keys), lambda chosen: weights[:, :, chosen], fused=True)
    n_queries, batch, width = query.shape
    to_query, to_key = given["in_proj_weight"].chunk(3)[:2]
    bias = given["in_proj_bias"]
    query_bias, key_bias = (None, None) if bias is None else bias.chunk(3)[:2]

    def split(tokens: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return functional.linear(tokens, weight, bias).unflatten(-1, (heads, -1)).permute(1, 2, 0, 3)  # (batch, heads, tokens, width / heads)

    mask = mask.unflatten(0, (batch, heads)) if mask is not None and mask.ndim == 3 else mask
    shape = torch.Size((batch, heads, n_queries, width // heads))
    return _product(
        shape, lambda chosen: split(query[chosen], to_query, query_bias), split(key, to_key, key_bias), mask=mask, causal=False, scale=None
    )  # fmt: skip


_READERS: dict[Any, Callable[..., AttentionCall | None]] = {
    functional.scaled_dot_product_attention: _of_fused,
    functional.multi_head_attention_forward: _of_module,
    **dict.fromkeys((functional.softmax, torch.softmax, torch.Tensor.softmax, torch.special.softmax), _of_softmax),
}
