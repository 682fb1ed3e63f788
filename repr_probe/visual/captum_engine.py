"""The same maps from captum's LayerGradCam, one layer at a time: slow, and not ours, hence a check of our own engine."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from repr_probe.encoders.adapters.module_encoder import evaluating
from repr_probe.encoders.adapters.protocol import ImageEncoder
from repr_probe.encoders.encoder import Encoder
from repr_probe.encoders.forward import watched
from repr_probe.encoders.maps import maps_and_output
from repr_probe.errors import UsageError
from repr_probe.visual.targets import Target


def captum_maps(
    encoder: ImageEncoder, images: torch.Tensor, owner: torch.Tensor, layers: Sequence[str], target: Target
) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:  # fmt: skip
    """(maps (m, h, w) of every layer, scores (m,), largest absolute gradient (m, L), here 1 as captum keeps it to itself).

    Refused where captum gives wrong maps without a word: tokens, whose channels it averages, and channels-last maps, whose rows it takes
    for channels.
    """
    from captum.attr import LayerGradCam

    if not isinstance(encoder, Encoder):
        raise UsageError(f"encoder must be made by load_encoder or as_encoder; got a {type(encoder).__name__}")
    modules = encoder._modules_of(layers)
    _refuse_other_layouts(encoder, images, layers)

    def score(noisy: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
        return target.score(encoder._run(noisy)[1], owners)

    maps = []
    with evaluating(encoder.module), torch.enable_grad():
        for layer in layers:
            method = LayerGradCam(score, modules[layer])
            found = method.attribute(images.requires_grad_(), additional_forward_args=(owner,), relu_attributions=True)
            maps.append(found.detach()[:, 0])  # (m, 1, h, w)
    with torch.no_grad(), evaluating(encoder.module):
        scores = score(images.detach(), owner)
    return maps, scores, torch.ones(len(owner), len(layers))


def _refuse_other_layouts(encoder: Encoder, images: torch.Tensor, layers: Sequence[str]) -> None:
    seen: dict[str, tuple[int, ...]] = {}
    modules = encoder._modules_of(layers)
    one = images[:1].detach()
    with watched(modules, lambda layer, output: seen.update({layer: tuple(getattr(output, "shape", ()))})):
        turned, _ = maps_and_output(encoder, one, layers)
    wrong = next((layer for layer in layers if seen[layer] != tuple(turned[layer].shape)), None)
    if wrong is not None:
        raise UsageError(f"engine must be own for tokens and channels-last maps, which captum misreads silently; got {wrong!r} {seen[wrong]}")
