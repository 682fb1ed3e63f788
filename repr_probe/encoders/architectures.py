"""Names of networks: `torchvision:resnet50`, `timm:vit_tiny_patch16_224`, or a bare name (torchvision's where it has one, else timm's)."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from repr_probe.errors import CheckpointError
from repr_probe.files.printable import printable

LIBRARIES = ("torchvision", "timm", "repr_probe")
# Networks of this package: digits_net, and two whose sizes are options: repr_probe:resnet(layers=3-3-3, width=16, shortcut=A).
OWN_NETWORKS = ("digits_net", "resnet", "vit")
BY_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
TEXT_LIMIT = 1000
Option = str | int | float | bool


@dataclass(frozen=True)
class Architecture:
    """A network that can be built: its library and its name there. A timm name may carry the tag of a configuration ("x.y").

    options: sizes of a parametric network, sorted by name; only networks of this package have them.
    """

    library: str
    name: str
    options: tuple[tuple[str, Option], ...] = ()

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options)
        if self.library == "code":
            return self.name
        return f"{self.library}:{self.name}" + (f"({options})" if options else "")

    def changed(self, **options: Option) -> Architecture:
        """The same network with some options set.

        >>> str(Architecture("repr_probe", "resnet", (("width", 16),)).changed(layers="3-3-3"))
        'repr_probe:resnet(layers=3-3-3, width=16)'
        """
        return Architecture(self.library, self.name, tuple(sorted({**dict(self.options), **options}.items())))


def resolve_architecture(text: str, *, allow_code: bool = False) -> Architecture:
    """The network `text` names, with or without its library in front; `package.module:callable` (library "code") with `allow_code`.

    Raises CheckpointError with the nearest names when there is none.
    """
    if len(text) > TEXT_LIMIT:
        raise CheckpointError(f"arch must be a name of at most {TEXT_LIMIT} characters; got {len(text)}, {printable(text)!r}")
    plain, bracket, written = text.strip().partition("(")
    options = parse_options(written) if bracket else ()
    library, colon, name = plain.strip().partition(":")
    if not colon:
        library, name = "", library
    if is_code_name(text):
        if not allow_code:
            code = f"arch must not run code unless that is allowed; got {printable(text)}; if you trust it, add --allow-code"
            raise CheckpointError(code, code="E_NEEDS_CODE")
        return Architecture("code", text.strip())
    if library and library not in LIBRARIES:
        raise CheckpointError(f"arch must name a library of {', '.join(LIBRARIES)} before the colon; got {printable(text)!r}")
    for candidate in (library,) if library else LIBRARIES:
        if _exists(candidate, name):
            if options and candidate != "repr_probe":
                raise CheckpointError(f"arch must have options in brackets only for networks of repr_probe; got {printable(text)!r}")
            return Architecture(candidate, name, options)
    raise CheckpointError(f"arch must be a network of torchvision or timm; got {printable(text)!r}; {nearest_architectures(text)}")


def is_code_name(text: str) -> bool:
    """Whether `text` is `package.module:name`, and not a network of a library here.

    >>> is_code_name("mylab.nets:encode"), is_code_name("timm:resnet18"), is_code_name("resnet50.pth")
    (True, False, False)
    """
    return BY_NAME.fullmatch(text.strip()) is not None and text.strip().partition(":")[0] not in LIBRARIES


def parse_options(written: str) -> tuple[tuple[str, Option], ...]:
    """`name=value, name=value)`: what `str(Architecture)` writes in its brackets.

    >>> parse_options("layers=3-3-3, width=16, se=False)")
    (('layers', '3-3-3'), ('se', False), ('width', 16))
    """
    if not written.endswith(")") or "=" not in written:
        raise CheckpointError(f"arch must have its options as (name=value, ...); got ({printable(written)}")
    pairs = [item.partition("=") for item in written[:-1].split(",")]
    return tuple(sorted((name.strip(), _option_value(value.strip())) for name, _, value in pairs))


def _option_value(text: str) -> Option:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


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
        raise CheckpointError(f"arch must have a tag timm knows; got {printable(name)!r}; leave out what follows the dot") from failure
    return True
