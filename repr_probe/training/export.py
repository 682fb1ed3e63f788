"""What a run leaves for others: the backbone alone, with the names of torchvision or timm, and its model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from repr_probe.encoders.checkpoint_file import OWN_BLOCK, OWN_FORMAT
from repr_probe.files.atomic import atomic_write
from repr_probe.training.config import ASSUMPTIONS, FREE_ON_RESUME, TrainConfig
from repr_probe.training.networks import architecture_of, has_chosen_stem, input_of_run


def own_block(config: TrainConfig, *, key: str | None = None, **facts: Any) -> dict[str, Any]:
    """How a file of a run describes itself to `load_encoder`: its network, its input and the recipe.

    key: where in the file the backbone is, None for the top.  facts: what else the recipe should tell (step, versions ...).
    """
    recipe = {name: value for name, value in config.to_dict().items() if name not in FREE_ON_RESUME and value is not None}
    recipe["dataset"] = data_name(config)
    if not has_chosen_stem(config):
        del recipe["stem"]
    return {
        "format": OWN_FORMAT,
        "arch": str(architecture_of(config)),
        "input": input_of_run(config).to_dict(),
        **({} if key is None else {"key": key}),
        "training": {**recipe, **facts},
        "role": "online",
    }


def data_name(config: TrainConfig) -> str:
    """The data set without its place on this machine, which is nobody else's business.

    >>> data_name(TrainConfig(dataset="pictures/photos")), data_name(TrainConfig(dataset="cifar10"))
    ('photos', 'cifar10')
    """
    kind, colon, place = config.dataset.partition(":")
    if colon and kind.lower() == "imagenet":
        return f"{kind}:{Path(place).name}"
    return Path(config.dataset).name or config.dataset


def write_backbone(path: str | Path, tensors: Mapping[str, torch.Tensor], config: TrainConfig, **facts: Any) -> None:
    """Write the backbone's tensors as safetensors, under the names that torchvision or timm have for them.

    `load_encoder` knows the network by the header; elsewhere `network.load_state_dict(safetensors.torch.load_file(path))` fits strictly
    once the classifier is off (torchvision: `fc = Identity()`, timm: `num_classes=0`).
    """
    from safetensors.torch import save

    plain = {name: _written(tensor.detach().cpu(), config.export_dtype) for name, tensor in tensors.items()}
    atomic_write(path, save(plain, {OWN_BLOCK: json.dumps(own_block(config, **facts))}))


def model_card(
    config: TrainConfig, *, name: str, n_parameters: int, results: Mapping[str, float], facts: Mapping[str, Any],
    start: Mapping[str, float] | None = None,
) -> str:  # fmt: skip
    """Markdown: what was trained on what and how, how good it is, and which of the settings are nobody's but ours.

    results: the last evaluation, by name; start: that of the random weights that training began from.
    facts: steps, seconds, versions, fingerprint of the data ...
    """
    block = own_block(config)
    spec = input_of_run(config)
    data = " ".join([data_name(config), *([config.split] if config.split else []), *([f"({config.limit:,} images)"] if config.limit else [])])
    lines = [f"# {name}", "", f"{block['arch']}, {n_parameters:,} parameters, trained with {config.method} on {data}."]
    lines += ["", f"Input: {spec}.", ""]
    if results:
        lines += ["## Results", "", "| measure | trained | random start |", "|---|---|---|"]
        lines += [f"| {key} | {_short(value)} | {_short((start or {}).get(key, ''))} |" for key, value in results.items()] + [""]
    lines += ["## Recipe", "", "| setting | value |", "|---|---|"]
    recipe = {key: value for key, value in block["training"].items() if key != "options"}
    lines += [f"| {key} | {_short(value)} |" for key, value in {**recipe, **config.options}.items()]
    used = {key: sentence for key, sentence in ASSUMPTIONS.items() if key != "stem" or key in recipe}
    lines += ["", "## Where the paper is silent", "", *(f"- {key}: {sentence}." for key, sentence in used.items()), ""]
    lines += ["## Facts", "", *(f"- {key}: {_short(value)}" for key, value in facts.items()), ""]
    return "\n".join(lines)


def _written(tensor: torch.Tensor, dtype: str) -> torch.Tensor:
    """Matrices and kernels in the dtype of the export; vectors (normalisation, biases) and counts as they are: they take no room."""
    shrinks = dtype == "float16" and tensor.is_floating_point() and tensor.ndim > 1
    return (tensor.half() if shrinks else tensor).contiguous()


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_short, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
