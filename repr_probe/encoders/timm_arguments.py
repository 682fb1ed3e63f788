"""What the arguments of timm's train.py change in a network beside its name: the constant of its normalisation, its pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from repr_probe.encoders.architectures import Architecture
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import printable

# --gp of train.py as `pool` here; what is in none of them gives other features than any single pooling.
POOLS = {"avg": "avg", "fast": "avg", "fastavg": "avg", "max": "max", "fastmax": "max", "token": "cls"}


def timm_arguments(said: Mapping[str, Any], architecture: Architecture) -> Mapping[str, Any]:
    """`args` of a file that timm's train.py wrote for a network of timm; empty for others. Drop rates and momenta change no features."""
    args = said.get("args")
    written = isinstance(args, Mapping) and {"gp", "crop_pct", "model"} <= args.keys()
    return args if architecture.library == "timm" and isinstance(args, Mapping) and written else {}


def obey_bn_eps(args: Mapping[str, Any], module: nn.Module) -> float | None:
    """Give every batch normalisation the constant of `args.bn_eps`; the constant where that changed one, else None."""
    eps = args.get("bn_eps")
    layers = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    if eps is None or not layers:
        return None
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < 1:
        raise CheckpointError(f"args.bn_eps in the file must be between 0 and 1; got {printable(eps)}; name the network: --arch", code="E_ATTRIBUTE")
    changed = any(layer.eps != eps for layer in layers)
    for layer in layers:
        layer.eps = float(eps)
    return float(eps) if changed else None


def check_in_chans(args: Mapping[str, Any], channels: int) -> None:
    """Raises CheckpointError (E_CHANNELS) where `args.in_chans` and the first layer of the file differ."""
    stated = args.get("in_chans")
    if stated is not None and stated != channels:
        text = f"args.in_chans in the file must be what its first layer takes, {channels}; got {printable(stated)}; use the unchanged file"
        raise CheckpointError(text, code="E_CHANNELS")


def stated_pool(args: Mapping[str, Any], module: nn.Module, own_pool: str | None) -> str | None:
    """`args.gp` as a pooling to take in place of the network's own; None where it is its own.

    own_pool: which pooling the network's own is, measured.  Raises CheckpointError (E_ATTRIBUTE) for one that cannot be taken here.
    """
    stated = args.get("gp")
    own, asked = _own_word(module), POOLS.get(stated) if isinstance(stated, str) else None
    if stated is None or stated == own or (asked is not None and asked in (own_pool, POOLS.get(own or ""))):
        return None
    if own_pool is None or asked is None:
        another = "choose another: --pool avg, or " if own_pool is not None else ""
        raise CheckpointError(
            f"args.gp in the file must be a pooling that is rebuilt here; got {printable(stated)}; {another}load its weights "
            "into your own class: --arch module:callable --allow-code",
            code="E_ATTRIBUTE",
        )
    return asked


def _own_word(module: nn.Module) -> str | None:
    """How timm calls the pooling of a network it built."""
    places = [getattr(module, "global_pool", None), getattr(getattr(module, "head", None), "global_pool", None)]
    words = [place if isinstance(place, str) else getattr(place, "pool_type", None) for place in places]
    return next((word for word in words if isinstance(word, str) and word), None)
