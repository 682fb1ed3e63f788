"""What a pickled module shows of itself that its tensors do not: strides, padding, heads, constants of normalisation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from repr_probe.encoders.modules import is_module, module_facts
from repr_probe.encoders.reading import Clue
from repr_probe.files.inert import Dead

SOURCE = "attributes of the pickled module"
# The feed-forward part of a transformer's block; projection heads have activations of their own.
FEED_FORWARD = re.compile(r"(?:^|\.)(?:blocks|layers|layer|resblocks)\.\w+\.(?:.*\.)?(?:mlp|ffn|intermediate)(?:\.|$)")
ATTENTION = ("attn", "self_attn", "attention", "self_attention")
DEPTH = 3


def module_clues(content: Any) -> dict[str, Clue]:
    """Clues of the pickled modules in `content`; what they do not agree on is left out."""
    found: dict[str, set[Any]] = {}
    for module in _modules(content):
        for name, value in _clues_of(module_facts(module)).items():
            found.setdefault(name, set()).add(value)
    return {name: Clue(next(iter(values)), SOURCE) for name, values in found.items() if len(values) == 1}


def _modules(content: Any) -> Iterator[Dead]:
    level, entered = [content], set()
    for _ in range(DEPTH):
        deeper: list[Any] = []
        for value in level:
            if id(value) in entered:
                continue
            entered.add(id(value))
            if is_module(value):
                yield value
            elif isinstance(value, Mapping):
                deeper += [item for item in value.values() if isinstance(item, Mapping | Dead)]
        level = deeper


def _clues_of(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    kinds = {name: str(fact.get("class", "")).rpartition(".")[2] for name, fact in facts.items()}
    clues: dict[str, Any] = {}
    heads = {fact["num_heads"] for fact in facts.values() if type(fact.get("num_heads")) is int and 0 < fact["num_heads"] <= 1024}
    if len(heads) == 1:
        clues["heads"] = next(iter(heads))
    # Only in a transformer: the normalisations of a ResNet, which has LayerNorm in its head at most, have another eps.
    if heads or any(name.rpartition(".")[2] in ATTENTION for name in facts):
        small = {fact["eps"] for name, fact in facts.items() if "LayerNorm" in kinds[name] and type(fact.get("eps")) is float}
        if len(small) == 1 and 0 < min(small) < 1:
            clues["eps"] = next(iter(small))
    activations = {kind for name, kind in kinds.items() if kind in ("GELU", "QuickGELU") and FEED_FORWARD.search(name)}
    if len(activations) == 1:
        clues["activation"] = "quick_gelu" if activations == {"QuickGELU"} else "gelu"
    pools = {fact["global_pool"] for fact in facts.values() if fact.get("global_pool") in ("token", "avg")}
    if len(pools) == 1:
        clues["pool"] = "cls" if pools == {"token"} else "mean"
    return clues | _resnet_clues(facts, kinds)


def _resnet_clues(facts: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, str]) -> dict[str, Any]:
    clues: dict[str, Any] = {}
    stem = next((fact for name, fact in facts.items() if kinds[name] == "Conv2d"), None)
    if stem is not None and not any(name.rpartition(".")[2] == "attn" for name in facts):
        pooled = any(kind == "MaxPool2d" for kind in kinds.values())
        described = (_side(stem.get("stride")), _side(stem.get("padding")), pooled)
        known = {(1, 1, False): "cifar", (1, 2, False): "solo", (2, 1, True): "imagenet", (2, 3, True): "imagenet"}
        if described in known:
            clues["stem"] = known[described]
    strides: dict[str, int | None] = {}
    for name, fact in facts.items():
        block, _, last = name.rpartition(".")
        if last in ("conv1", "conv2") and f"{block}.conv3" in facts and _side(fact.get("stride")) == 2:
            strides[last] = 2
    if len(strides) == 1:
        clues["stride_place"] = "1x1" if "conv1" in strides else "3x3"
    return clues


def _side(value: Any) -> int | None:
    """The one number of 2 or (2, 2)."""
    if isinstance(value, tuple | list):
        return _side(value[0]) if value and type(value[0]) is int and all(part == value[0] for part in value) else None
    return value if isinstance(value, int) else None
