"""One layout: a checkpoint as some program writes it, with the features its own network gives, and three ways to spoil it."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from layouts.saving import torch_save

Tensors = dict[str, torch.Tensor]
NOT_NEEDED = ("num_batches_tracked", "mask_token", "bias_mask", "periods", "prefix_bias")
SPOILED = ("removed", "reshaped", "rival")
WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "model.")
RIVAL = "second_tower."


@dataclass
class Content:
    """What one file holds.

    tensors: of the encoder that is meant, under their full names in the map they stand in.  features: the network they come from.
    pack: from those tensors to all that is saved.  save: from that to a file or a folder.  prefix: what stands before the encoder's names.
    rival: the names of a second encoder put beside it; by default `second_tower.` in place of the prefix, inside the wrappers.
    own_write: for formats that are not a map of names: writes the file whole or spoiled by itself, ("" | "removed" | "reshaped" | "rival").
    """

    tensors: Tensors
    features: Callable[[torch.Tensor], torch.Tensor]
    pack: Callable[[Tensors], Any] = dict
    save: Callable[[Any, Path], Path] = torch_save
    prefix: str = ""
    rival: Callable[[str], str] | None = None
    own_write: Callable[[Path, str], Path] | None = None

    def needed(self) -> list[str]:
        return [name for name, tensor in self.tensors.items() if not name.endswith(NOT_NEEDED) and tensor.ndim]

    def spoiled(self, how: str, name: str) -> Tensors:
        """how: "" (nothing), "removed", "reshaped" or "rival"."""
        tensors = dict(self.tensors)
        needed = self.needed()
        victim = sorted(needed)[crc32(f"{name}{how}".encode()) % len(needed)]
        if how == "removed":
            del tensors[victim]
        elif how == "reshaped":
            tensors[victim] = cut(tensors[victim])
        elif how == "rival":
            tensors |= {self._rival_name(key): other_values(other_values(tensors[key])) for key in self.tensors}  # no sibling's either
        return tensors

    def _rival_name(self, name: str) -> str:
        if self.rival is not None:
            return self.rival(name)
        root, below = wrappers_of(self.prefix), name.removeprefix(self.prefix)
        return root + RIVAL + below


def wrappers_of(prefix: str) -> str:
    """The wrappers a prefix begins with.

    >>> wrappers_of("module.encoder_q.")
    'module.'
    """
    root = ""
    while rest := next((word for word in WRAPPERS if prefix[len(root) :].startswith(word)), ""):
        root += rest
    return root


def cut(tensor: torch.Tensor) -> torch.Tensor:
    """One channel less, on an axis that another tensor fixes, too.

    >>> cut(torch.zeros(8, 3, 7, 7)).shape, cut(torch.zeros(1, 17, 32)).shape
    (torch.Size([7, 3, 7, 7]), torch.Size([1, 17, 31]))
    """
    axis = tensor.ndim - 1 if tensor.ndim == 3 else next(axis for axis, size in enumerate(tensor.shape) if size > 1)
    return tensor.narrow(axis, 0, tensor.shape[axis] - 1).clone()


def other_values(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor of a sibling: alike, and different enough that taking it is seen."""
    if not tensor.is_floating_point():
        return tensor.clone()
    return tensor * 1.25 + (0.05 if tensor.ndim == 1 else 0.0)


def sibling(tensors: Mapping[str, torch.Tensor], old: str, new: str) -> Tensors:
    """The same encoder under another prefix, with other values."""
    return {new + name.removeprefix(old): other_values(tensor) for name, tensor in tensors.items() if name.startswith(old)}


@dataclass(frozen=True)
class Layout:
    """name: unique.  source: the program that writes it.  row: of which table of the facts.

    options: for `load_encoder`, only where nothing in the file can say it.
    expect: what has to be found: "architecture" (a regular expression), "prefix", "role", "mean", "std", "interpolation", "size".
    refused: the code with which a layout that has no reader is refused by name; "" for all that have one.
    requires: libraries that write it.
    """

    name: str
    source: str
    row: str
    build: Callable[[], Content]
    image_size: int = 64
    channels: int = 3
    n_images: int = 3
    options: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""
    slow: bool = False
    requires: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """Libraries that write this layout and are not installed."""
        return [name for name in self.requires if importlib.util.find_spec(name) is None]

    def images(self) -> torch.Tensor:
        generator = torch.Generator().manual_seed(crc32(self.name.encode()))
        return torch.randn(self.n_images, self.channels, self.image_size, self.image_size, generator=generator)

    def write(self, folder: Path, how: str = "") -> Path:
        """The checkpoint, whole (""), or "removed", "reshaped", "rival": spoiled."""
        content = content_of(self)
        folder.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if content.own_write is not None:
                return content.own_write(folder, how)
            return content.save(content.pack(content.spoiled(how, self.name)), folder)

    def reference(self, images: torch.Tensor) -> np.ndarray:
        """(n, channels, height, width) -> (n, d) by the network the weights come from."""
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return content_of(self).features(images).numpy()


_latest: dict[str, Content] = {}


def content_of(layout: Layout) -> Content:
    """Built once in a row of calls for the same layout; the one before is dropped, for they are large."""
    if layout.name not in _latest:
        _latest.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _latest[layout.name] = layout.build()
    return _latest[layout.name]
