"""ImageDataset: the images of one split as an encoder wants to see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from repr_probe.datasets.image_sources import ImageSource
from repr_probe.datasets.transform import EvaluationTransform
from repr_probe.preprocessing import InputSpec


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A map-style data set, ready for `torch.utils.data.DataLoader`; made by `open_dataset`.

    labels: (n,) int64 codes into class_names, None when unlabelled.  ids: relative paths, or "test/00017" for packed sets.
    fingerprint: sha256 of the whole split (not of the draw): relative paths, sizes and times, or contents.
    wnids: one ImageNet name per class where the classes are WordNet synsets.  notes: what a reader of the results has to know.
    Indexing gives float32 (channels, height, width), normalised by `input`; a damaged image raises DatasetError naming its file.
    """

    name: str
    split: str
    input: InputSpec
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    fingerprint: str
    source: ImageSource
    transform: EvaluationTransform
    notes: tuple[str, ...] = ()
    wnids: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.image(index))

    def image(self, index: int) -> Image.Image:
        """The decoded image as stored (any size and mode), before preprocessing: what augmented views start from."""
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"index must be below {len(self)}; got {index}")
        return self.source.image(index)

    def __repr__(self) -> str:
        labels = "unlabelled" if self.labels is None else f"{len(self.class_names)} classes"
        return f"ImageDataset({self.name}, {self.split}, {len(self)} images, {labels})"
