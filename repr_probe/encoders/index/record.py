"""What the index holds of one architecture."""

from __future__ import annotations

from dataclasses import dataclass

from repr_probe.encoders.index.elastic import Axis

# Tables that networks compute themselves and older files store.
COMPUTED = ("num_batches_tracked", "relative_position_index", "attention_bias_idxs", "attn_mask", "relative_coords_table")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Record:
    """name: as for --arch.  tensors: (name, shape) of what a file must bring, in the network's order.

    head: (place, name) of the tensors of the classifier: `place` tensors of the encoder come before it.
    stem: name of the first convolution where it takes colour channels, or "".
    size: native image size.  tables: tensors whose shape follows the image size, with the forms of their axes.
    mean_std, resampling: what the library states of the preprocessing, as text.  n_parameters: without the classifier.
    kind: records of the same tensors and the same kind compute the same features; 0 where no other record has these tensors.
    """

    name: str
    tensors: tuple[tuple[str, Shape], ...]
    head: tuple[tuple[int, str], ...] = ()
    stem: str = ""
    size: tuple[int, int] = (224, 224)
    tables: tuple[tuple[str, tuple[Axis, ...]], ...] = ()
    mean_std: str = ""
    resampling: str = ""
    n_parameters: int = 0
    kind: int = 0

    def skeleton(self) -> frozenset[tuple[object, ...]]:
        """Its tensors as a set, those that follow the image size with the form of their axes in place of a shape."""
        tables = {name: tuple((axis.axis, axis.form, axis.constant) for axis in axes) for name, axes in self.tables}
        return frozenset((name, tables.get(name, shape)) for name, shape in self.tensors)
