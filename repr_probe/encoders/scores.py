"""Scores of classes in the place of features: networks of somebody's own that end in their classifier."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn

from repr_probe.encoders.encoder import maps_channels_last
from repr_probe.encoders.forward import fed, run_network, watched
from repr_probe.encoders.pooling import Tokens, pool_output
from repr_probe.errors import UsageError
from repr_probe.files.printable import printable

COUNTS = ("num_classes", "n_classes", "nb_classes", "number_of_classes")
# Last words of a layer's name, its numbers apart ("classifier.6"): what makes decisions, and what is linear and makes features.
DECIDES = re.compile(r"(?i)classif|logit|predict|decision|softmax")
FEATURES = re.compile(r"(?i)proj|embed|emb$|neck|feat|latent|descriptor|whiten|repr")


def scores_note(module: nn.Module, image: torch.Tensor) -> tuple[str, ...]:
    """A note where the features of `module` are what its last linear layer gives, which looks like a classifier; else nothing.

    image: (1, channels, height, width).  The rule: the features are exactly the output of a linear layer (or of a 1 x 1 convolution,
    averaged) or its softmax, and one of these holds: a softmax follows; the module states a number of classes, and it is theirs; the
    layer's name says so; or it is linear and its name does not speak of features (projection, embedding, neck, ...).
    """
    last = {name: part for name, part in module.named_modules() if name and _may_decide(part)}
    given: dict[str, torch.Tensor | None] = {}
    made: dict[str, torch.Tensor | None] = {}
    with (
        torch.inference_mode(),
        fed(last, lambda name, value: given.update({name: _vector(value)})),
        watched(last, lambda name, value: made.update({name: _vector(value)})),
    ):
        output = run_network(module, image)[1]
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        return ()
    for name in reversed(list(made)):
        why = _why_scores(module, name, made[name], output, linear=isinstance(last[name], nn.Linear))
        if why is not None:
            seen = f"the last layer {printable(name)!r} looks like a classifier ({output.shape[1]} outputs{why}): the features are its scores"
            return (f"{seen}; what lies before it: {_way_out(module, image, name, given.get(name))}",)
    return ()


def _may_decide(part: nn.Module) -> bool:
    return isinstance(part, nn.Linear) or (isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1))


def _vector(value: object) -> torch.Tensor | None:
    """One vector an image, maps averaged; None for what is neither. A copy: what follows may work in place."""
    if not isinstance(value, torch.Tensor) or value.ndim not in (2, 4):
        return None
    return value.mean((2, 3)) if value.ndim == 4 else value.clone()


def _why_scores(module: nn.Module, name: str, made: torch.Tensor | None, output: torch.Tensor, *, linear: bool) -> str | None:
    """What speaks for scores beside the layer being linear ("": its name, or nothing); None where it is not what makes the features, or no decision."""
    if made is None or made.shape != output.shape:
        return None
    made, output = _plain(made), _plain(output)
    if any(torch.allclose(squashed, output) for squashed in (made.softmax(1), made.log_softmax(1))):
        return ", a softmax behind it"
    # What a linear layer gives is handed on as it stands; the mean of maps may be taken in another order.
    if not (torch.equal(made, output) if linear else torch.allclose(made, output)):
        return None
    stated = next((count for part in module.modules() for count in COUNTS if getattr(part, count, None) == output.shape[1]), None)
    if stated is not None:
        return f", as its {stated} says"
    word = next((part for part in reversed(name.split(".")) if not part.isdigit()), "")
    makes_features = FEATURES.search(word) or "proj" in name.lower()
    return "" if DECIDES.search(word) or (linear and not makes_features) else None


def _way_out(module: nn.Module, image: torch.Tensor, name: str, given: torch.Tensor | None) -> str:
    """The layer whose features are exactly what the classifier is given, as `Encoder.features` reads it; else that there is one to be named."""
    found: dict[str, int] = {}
    tokens, channels_last = Tokens.of(module), maps_channels_last(module)

    def look(layer: str, output: object) -> None:
        found[layer] = 0 if layer not in found and _is(output, given, layer, tokens, channels_last) else 1

    modules: Mapping[str, nn.Module] = {layer: part for layer, part in module.named_modules() if layer and layer != name}
    with torch.inference_mode(), watched(modules, look):
        run_network(module, image)
    exact = [layer for layer, wrong in found.items() if not wrong]
    if not exact:
        return "--layer NAME with an earlier layer"
    # Of a chain that changes nothing (pooling, flattening, dropout) the outermost name, and of those the last.
    chosen = min(reversed(exact), key=lambda layer: layer.count("."))
    return f"--layer {printable(chosen)}"


def _is(output: object, given: torch.Tensor | None, layer: str, tokens: Tokens, channels_last: bool | None) -> bool:
    if given is None:
        return False
    try:
        pooled = pool_output(output, layer=layer, batch=1, tokens=tokens, channels_last=channels_last, pool=None)
    except UsageError:
        return False
    return pooled.shape == given.shape and torch.allclose(_plain(pooled), _plain(given))


def _plain(values: torch.Tensor) -> torch.Tensor:
    """A network may cast, or move, what its last layer gives."""
    return values.float().cpu()
