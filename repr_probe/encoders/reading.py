"""Reading: one way to understand the tensors below a prefix of a file as a network, with everything that had to be assumed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from repr_probe.encoders.architectures import Architecture
from repr_probe.preprocessing import InputSpec

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Piece:
    """The values of one tensor of the network.

    keys: the tensors of the file it is made of, named below the prefix; () when the file has none and zeros are right (a bias left out).
    shape: the shape of the result.  make: from those tensors to the result; None: the one tensor as it stands.
    """

    keys: tuple[str, ...]
    shape: tuple[int, ...]
    make: Callable[[list[torch.Tensor]], torch.Tensor] | None = None

    def values(self, tensors: Mapping[str, torch.Tensor], prefix: str = "") -> torch.Tensor:
        parts = [tensors[prefix + key] for key in self.keys]
        if not parts:
            return torch.zeros(self.shape)
        return parts[0] if self.make is None else self.make(parts)


@dataclass(frozen=True)
class Clue:
    """A fact about the network that its tensors do not show.

    source: who says so: "config.json", "args in the file", "--heads"; shown to the user.
    """

    value: Any
    source: str


Clues = Mapping[str, Clue]


@dataclass(frozen=True)
class Assumption:
    """Something the features depend on, which weights cannot prove.

    what: "heads".  value: "6".  source: why this value ("usual for width 384", "config.json").  flag: the option that says otherwise, or "".
    """

    what: str
    value: str
    source: str
    flag: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.value} ({self.source}{f'; {self.flag}' if self.flag not in ('', self.source) else ''})"


@dataclass(frozen=True)
class Reading:
    """scheme: whose names the tensors have, for people ("kuangliu's ResNet names").

    pieces: tensor of the network -> where its values are; whether they are all there is checked against the built network, not here.
    channels: input channels of the stem.  image_size: (height, width) where a position table fixes one other than the architecture's.
    spare: regular expressions (fullmatch, on names below the prefix) of tensors that belong to the pre-training task or the classifier.
    input: the preprocessing that files with these names call for, where it is not what the architecture's library states.
    also: other architectures whose tensors are the same and whose features differ; each as text for --arch.
    notes: what speaks against this reading, for people; nobody doubts a network that is named.
    """

    scheme: str
    architecture: Architecture
    pieces: Mapping[str, Piece]
    assumptions: tuple[Assumption, ...] = ()
    channels: int = 3
    image_size: tuple[int, int] | None = None
    spare: tuple[str, ...] = ()
    input: InputSpec | None = None
    also: tuple[str, ...] = field(default_factory=tuple)
    notes: tuple[str, ...] = ()


def as_they_stand(shapes: Shapes, names: Mapping[str, str] | None = None) -> dict[str, Piece]:
    """Pieces for tensors taken one for one: `names` maps tensors of the network to tensors of the file (default: the same names).

    >>> as_they_stand({"stem.weight": (8, 3, 3, 3)}, {"conv1.weight": "stem.weight"})["conv1.weight"].keys
    ('stem.weight',)
    """
    chosen = {name: name for name in shapes} if names is None else names
    return {name: Piece((key,), tuple(shapes[key])) for name, key in chosen.items()}
