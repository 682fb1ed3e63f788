"""Several checkpoints beside each other on the same pictures, and the network with random weights they are compared with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe import progress
from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.workflows.short_form import short_form

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.preprocessing import InputSpec
    from repr_probe.visual.pictures import Pictures


def opened_beside(checkpoints: Sequence[str | Path | ImageEncoder], options: Mapping[str, Any], device: str) -> Iterator[ImageEncoder]:
    """The checkpoints one after the other, each opened when its turn comes; the options are of the first alone."""
    from repr_probe.encoders.load import load_encoder

    for number, checkpoint in enumerate(checkpoints):
        given = {} if number else dict(options)
        if isinstance(checkpoint, str | Path):
            encoder: ImageEncoder = load_encoder(checkpoint, device=device, **given)
            for line in short_form(encoder.name, encoder.architecture, encoder.facts, encoder.input.sources):
                progress.note(line)
            yield encoder
        elif given:
            raise UsageError(f"{next(iter(given))} must go with a checkpoint; got it beside an encoder that is open already")
        else:
            yield checkpoint


def pictures_for(images: str | Path | Sequence[str | Path], encoder: ImageEncoder, first: InputSpec) -> tuple[Pictures, InputSpec]:
    """The pictures as this encoder sees them, cut to the same field of view as for the first one, and the preprocessing that made them."""
    from repr_probe.visual.pictures import read_pictures

    input = encoder.input
    if input.crop_pct != first.crop_pct:
        progress.note(f"{encoder.name}: pictures are cut to {first.crop_pct:g} of their side as for the first, not to its own {input.crop_pct:g}")
        input = input.override("the first checkpoint", crop_pct=first.crop_pct)
    pictures = read_pictures(images, input)
    for note in pictures.notes if first is encoder.input else ():
        progress.note(note)
    return pictures, input


def made_from(pictures: Pictures, input: InputSpec) -> dict[str, Any]:
    """What of the settings of a result is of its pictures and of this machine."""
    from repr_probe.run_facts import package_versions

    return {"images": list(pictures.names), "picture_notes": list(pictures.notes), "input": input.to_dict(), "versions": package_versions()}


def layers_for(network: ImageEncoder, layers: str | Sequence[str]) -> str | Sequence[str]:
    """Names are of the first checkpoint; another that lacks them is read at its stages, said."""
    words = [layers] if isinstance(layers, str) else list(layers)
    lacking = [word for word in words if word not in ("stages", "all", *network.layers())]
    if not lacking:
        return layers
    progress.note(f"{network.name}: it has no layer {lacking[0]}; its stages are taken")
    return "stages"


def random_twin(encoder: ImageEncoder, *, allow_code: bool = False) -> ImageEncoder:
    """The same architecture and input with random weights (seed 0); raises ReprProbeError for one that cannot be built anew."""
    from repr_probe.workflows.probe_baselines import random_encoder

    origin = {"architecture": encoder.architecture, "input": encoder.input.to_dict(), "pool": getattr(encoder, "pool", None)}
    try:
        return random_encoder(origin, str(encoder.device), allow_code=allow_code)
    except ReprProbeError as failure:
        raise type(failure)(f"{encoder.architecture} cannot be built anew ({failure})") from failure


def random_twin_or_reason(encoder: ImageEncoder) -> ImageEncoder | str:
    """`random_twin`, or why there is none to compare with: it cannot be built, or is the encoder itself."""
    import torch

    try:
        twin = random_twin(encoder)
    except ReprProbeError as failure:
        return str(failure)
    own, other = list(encoder.module.parameters()), list(twin.module.parameters())
    if all(one.shape == two.shape and torch.equal(one, two) for one, two in zip(own, other)):
        return "its own weights are the random ones"
    return twin


@contextmanager
def computing(encoder: ImageEncoder) -> Iterator[None]:
    """Full float32 on the device where the encoder is, everything put back afterwards."""
    from repr_probe.exact_pass import exact_pass, module_device

    with exact_pass(encoder.module, module_device(encoder.module, "auto")):
        yield


def unique(name: str, taken: Collection[str]) -> str:
    """`name`, or with a number behind it where it is taken.

    >>> unique("a.pth", ["a.pth", "a.pth (2)"])
    'a.pth (3)'
    """
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found


def labelled(name: str, identity: Mapping[str, Any]) -> str:
    """The name, with a word on weights that nobody has trained.

    >>> labelled("timm:vit_tiny", {"weights": "random, seed 0"})
    'timm:vit_tiny (random weights, seed 0)'
    """
    weights = str(identity.get("weights", ""))
    return f"{name} ({weights.replace('random', 'random weights', 1)})" if weights.startswith("random") else name


def numbered(path: str | Path, number: int) -> Path:
    """The file of the n-th checkpoint: maps.npz, maps-2.npz, ..."""
    path = Path(path)
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def save_maps(results: Sequence[Any], path: str | Path) -> list[Path]:
    """The maps of each result as an .npz: `path` for the first, with -2, -3, ... before the suffix for the others."""
    return [result.maps.save(numbered(path, number)) for number, result in enumerate(results, start=1)]


def check_arrays(path: str | Path) -> None:
    """Refuses another suffix than .npz before the work, not after."""
    if Path(path).suffix.lower() != ".npz":
        raise UsageError(f"the file of arrays must end in .npz; got {str(path)!r}")
