"""A torch module that exists in memory already as an encoder; it is left as it was after every use."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from repr_probe.encoders.adapters.arrays_out import as_features_of
from repr_probe.encoders.adapters.declared_input import assumed_note
from repr_probe.encoders.adapters.first_layer import first_layer, what_to_say
from repr_probe.encoders.adapters.protocol import module_capabilities
from repr_probe.encoders.adapters.trial import fingerprint, trial_images, try_out
from repr_probe.encoders.encoder import POOLED, Encoder, probe_pooling
from repr_probe.encoders.pooling import check_pool
from repr_probe.encoders.scores import scores_note
from repr_probe.errors import CheckpointError
from repr_probe.preprocessing import InputSpec


class ModuleEncoder(Encoder):
    """An Encoder around somebody's own module: evaluation mode only while it runs."""

    def features(self, images: torch.Tensor, layers: Sequence[str] = (POOLED,), pool: str | None = None) -> dict[str, torch.Tensor]:
        with evaluating(self.module):
            return super().features(images, layers, pool)

    @property
    def capabilities(self) -> frozenset[str]:
        return module_capabilities(self.module)


def takes_grey(module: nn.Module, size: tuple[int, int]) -> bool:
    """Whether the first layer of `module` wants images of one channel; a module that makes colours grey itself does not."""
    home = next((tensor.device for tensor in module.state_dict().values() if isinstance(tensor, torch.Tensor)), torch.device("cpu"))
    with evaluating(module):
        layer = first_layer(module, torch.zeros(1, 3, *size, device=home))
    return layer is not None and layer.wants_grey


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside: every part of `module` is in evaluation mode. After: each is in the mode it was in."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def encoder_from_module(
    module: nn.Module, *, input: InputSpec, name: str = "", pool: str | None = None, notes: tuple[str, ...] = ()
) -> ModuleEncoder:  # fmt: skip
    """`module` as an encoder whose layers can all be read; its weights, modes and gradient flags stay as they are.

    The classifier of a torchvision or timm network is left out, as for a checkpoint; of other modules the output itself is taken.
    Raises CheckpointError for a module that gives no features of single images (E_OUTPUT) or works in less than float32 (E_DTYPE).
    """
    name = name or type(module).__name__
    tensors = [tensor for tensor in module.state_dict().values() if isinstance(tensor, torch.Tensor)]
    low = next((tensor.dtype for tensor in tensors if tensor.is_floating_point() and tensor.dtype != torch.float32), None)
    if low is not None:
        raise CheckpointError(f"module must hold float32 weights; got {str(low).removeprefix('torch.')}; pass module.float()", code="E_DTYPE")
    if not tensors:
        raise CheckpointError(f"module must hold weights; {name} has none; pass a function that calls it", code="E_NO_ENCODER")
    shown, left_out = without_classifier(module)
    architecture = f"module:{type(module).__module__}.{type(module).__qualname__}"
    with evaluating(shown):
        home = next((tensor.device for tensor in tensors), torch.device("cpu"))
        images = trial_images(input)
        try:
            pooled, own_pool = probe_pooling(shown, images.to(home))
        except (RuntimeError, AssertionError, ValueError, TypeError, AttributeError) as failure:
            got = " ".join(f"{failure}".split())[:160] or type(failure).__name__
            size = f"{input.channels} channel{'s' if input.channels > 1 else ''}, {input.size[0]} x {input.size[1]}"
            message = f"{name} must take images ({size}); got {type(failure).__name__}: {got}"
            remedy = what_to_say(first_layer(shown, images[:1].to(home)), input)
            raise CheckpointError(f"{message}; {remedy}", code="E_OUTPUT") from failure
        as_features_of(pooled, len(images), name)
        weights = f"sha256:{hash_of(tensors)}"
        facts = {"weights": weights, "n_features": pooled.shape[1]}
        spare = (f"{left_out} of {name} was left out as its classifier",) if left_out else scores_note(shown, images[:1].to(home))
        encoder = ModuleEncoder(
            name, architecture, shown, input, facts=facts, notes=(*notes, *spare, *assumed_note(input)), pool=check_pool(pool), own_pool=own_pool,
        )  # fmt: skip
        trial = try_out(lambda images: encoder.features(images.to(home))[POOLED].cpu(), input, name)
    return replace(encoder, identity={"architecture": architecture, "weights": weights, "trial": fingerprint(trial)})


def hash_of(tensors: Sequence[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def without_classifier(module: nn.Module) -> tuple[nn.Module, str]:
    """(the module, or a second one of the same parts without the classifier; the name of what was left out, or "").

    timm networks are asked for what lies before their classifier anyway; of torchvision's the place of the classifier is known.
    """
    if not type(module).__module__.startswith("torchvision.models."):
        return module, ""
    from repr_probe.encoders.networks import take_off_head

    shown = copy.copy(module)
    shown._modules = dict(module._modules)
    try:
        heads = take_off_head(shown)
    except StopIteration:  # a network without a classifier
        return module, ""
    place = heads[0].split(".")[0]
    return (module, "") if isinstance(getattr(module, place), nn.Identity) else (shown, place)
