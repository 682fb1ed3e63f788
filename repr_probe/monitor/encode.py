"""What the monitor takes for the features of somebody's model, when nobody says: the encoder inside it, and one vector an image."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from repr_probe.encoders.adapters.module_encoder import without_classifier
from repr_probe.encoders.encoder import maps_channels_last
from repr_probe.encoders.forward import run_network
from repr_probe.encoders.pooling import Tokens, pool_output
from repr_probe.errors import UsageError

# A class token as the libraries name it: timm and torchvision, then the Vision Transformers of Hugging Face.
_CLASS_TOKENS = ("cls_token", "class_token", "class_embedding")


def encode(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(n, channels, height, width) -> (n, n_features): the features of `model` before its heads.

    The network asked is `model.backbone` where there is one, of a Hugging Face model its `base_model`, else the model itself;
    wrappers (DataParallel, DistributedDataParallel, averaged and compiled models) are looked through. The classifier of a timm or
    torchvision network is left out, as `as_encoder` does; of any other module the output itself is taken.
    Hugging Face outputs give `last_hidden_state`: token 0 where the network has a class token, else the mean over tokens; never
    `pooler_output`, which many models leave untrained. Maps are averaged over their places.

    Raises UsageError for an output that has no such reading.
    """
    network, _ = without_classifier(encoder_of(model))
    _, output = run_network(network, images)
    hidden = hidden_state(output)
    if hidden is None and not isinstance(output, torch.Tensor):
        got = type(output).__name__
        raise UsageError(f"model must give a tensor or a Hugging Face output for images; got a {got}; say encode=lambda model, images: ...")
    if hidden is not None and hidden.ndim == 3:
        return hidden[:, 0] if has_class_token(network) else hidden.mean(1)
    values = output if hidden is None else hidden
    channels_last = maps_channels_last(network) if hidden is None else False
    return pool_output(values, layer=type(network).__name__, batch=len(images), tokens=Tokens.of(network), channels_last=channels_last, pool=None)


def encoder_of(model: nn.Module) -> nn.Module:
    """The network inside `model` whose output is the representation."""
    inner = unwrapped(model)
    backbone = getattr(inner, "backbone", None)
    if isinstance(backbone, nn.Module):
        return unwrapped(backbone)
    if is_hugging_face(inner) and isinstance(inner.base_model, nn.Module):
        return inner.base_model
    return inner


def unwrapped(model: nn.Module) -> nn.Module:
    """`model` without what parallel training, weight averaging and compilation put around it.

    A wrapper may not be run here: only one process asks, and a collective call would wait for the others for ever.
    """
    from torch.nn.parallel import DataParallel, DistributedDataParallel
    from torch.optim.swa_utils import AveragedModel

    while True:
        if isinstance(model, DataParallel | DistributedDataParallel | AveragedModel):
            model = model.module
        elif isinstance(compiled := getattr(model, "_orig_mod", None), nn.Module):
            model = compiled
        else:
            return model


def is_hugging_face(model: nn.Module) -> bool:
    return isinstance(getattr(model, "base_model_prefix", None), str) and hasattr(model, "config")


def hidden_state(output: Any) -> torch.Tensor | None:
    """`last_hidden_state` of a Hugging Face output, None for anything else."""
    state = getattr(output, "last_hidden_state", None)
    return state if isinstance(state, torch.Tensor) else None


def has_class_token(network: nn.Module) -> bool:
    """Whether the first token is a class token: some part of the network holds it as a parameter."""
    return any(name.rpartition(".")[2] in _CLASS_TOKENS for name, _ in network.named_parameters())
