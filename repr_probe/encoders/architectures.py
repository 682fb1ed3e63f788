"""Names of networks: `torchvision:resnet50`, `timm:vit_tiny_patch16_224`, or a bare name (torchvision's where it has one, else timm's)."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

from repr_probe.errors import CheckpointError

LIBRARIES = ("torchvision", "timm", "repr_probe")
OWN_NETWORKS = ("digits_net",)


@dataclass(frozen=True)
class Architecture:
    """A network that can be built: its library and its name there. A timm name may carry the tag of a configuration ("x.y")."""

    library: str
    name: str

    def __str__(self) -> str:
        return f"{self.library}:{self.name}"


def resolve_architecture(text: str) -> Architecture:
    """The network `text` names, with or without its library in front.

    Raises CheckpointError with the nearest names when there is none.
    """
    library, colon, name = text.strip().partition(":")
    if not colon:
        library, name = "", library
    if library and library not in LIBRARIES:
        raise CheckpointError(f"arch must name a library of {', '.join(LIBRARIES)} before the colon; got {text!r}")
    for candidate in (library,) if library else LIBRARIES:
        if _exists(candidate, name):
            return Architecture(candidate, name)
    raise CheckpointError(f"arch must be a network of torchvision or timm; got {text!r}; {nearest_architectures(text)}")


def nearest_architectures(text: str) -> str:
    """A sentence part with up to three names that look like `text`."""
    library, _, name = text.rpartition(":")
    names = {known: f"{where}:{known}" for where in reversed(LIBRARIES) if library in ("", where) for known in known_networks(where)}
    near = difflib.get_close_matches(name.lower(), list(names), n=3, cutoff=0.5)
    return f"nearest: {', '.join(names[known] for known in near)}" if near else "no name is near; timm.list_models() lists them"


@cache
def known_networks(library: str) -> tuple[str, ...]:
    """Every name of a library, without tags."""
    if library == "timm":
        import timm

        return tuple(timm.list_models())
    if library == "torchvision":
        import torchvision

        return tuple(torchvision.models.list_models(module=torchvision.models))
    return OWN_NETWORKS


def _exists(library: str, name: str) -> bool:
    if library != "timm":
        return name in known_networks(library)
    import timm

    if not timm.is_model(name):
        return False
    try:
        timm.models.get_pretrained_cfg(name)
    except RuntimeError as failure:  # the network exists, the tag behind the dot does not
        raise CheckpointError(f"arch must have a tag timm knows; got {name!r}; leave out what follows the dot") from failure
    return True
