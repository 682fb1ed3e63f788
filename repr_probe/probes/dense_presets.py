"""The protocols of the dense probe: what is fixed, under a name that every result carries."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from repr_probe.errors import UsageError


@dataclass(frozen=True)
class DensePreset:
    """One protocol. solver: "adamw" (seeded, by minibatches) or "ridge" (one pass, one solve, no randomness).

    adamw: cross-entropy of the pixels that are not void at the size of the input image; torch's default initialisation and AdamW
    defaults but for what is here; the last epoch counts.
    ridge: least squares on the shares of classes in cells of `cell` x `cell` pixels, weighted by their pixels that are not void;
    penalty: added to the Gram matrix of the standardised channels, per weight.
    """

    name: str
    source: str
    solver: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch_size: int = 32
    epochs: int = 20
    cell: int = 8
    penalty: float = 1e-2

    @property
    def protocol(self) -> str:
        """The id that results carry; results of different ids never share a column.

        >>> DENSE_PRESETS["small"].protocol
        'dense/adamw lr 0.001, decay 0.01, batch 8, 15 epochs'
        """
        if self.solver == "ridge":
            return f"dense/ridge cells {self.cell}, penalty {self.penalty:g}"
        return f"dense/adamw lr {self.learning_rate:g}, decay {self.weight_decay:g}, batch {self.batch_size}, {self.epochs} epochs"


DENSE_PRESETS = {
    preset.name: preset
    for preset in (
        DensePreset("paper", source="HyDeS section V-B: AdamW, 1e-3, batch 32, 20 epochs; weight decay is not stated: torch's default"),
        DensePreset("small", source="own: more steps for data sets of a hundred images", batch_size=8, epochs=15),
        DensePreset("ridge", source="own: the deterministic alternative", solver="ridge"),
    )
}


def dense_preset(
    name: str, *, learning_rate: float | None = None, batch_size: int | None = None, epochs: int | None = None
) -> DensePreset:  # fmt: skip
    """The preset called `name`, with some numbers replaced (the protocol id says so). Raises UsageError for unknown names and bad numbers."""
    if name not in DENSE_PRESETS:
        near = difflib.get_close_matches(name, DENSE_PRESETS, n=1)
        raise UsageError(f"preset must be one of {', '.join(DENSE_PRESETS)}; got {name!r}" + (f"; nearest: {near[0]}" if near else ""))
    preset = DENSE_PRESETS[name]
    given = {"learning_rate": learning_rate, "batch_size": batch_size, "epochs": epochs}
    changes = {key: value for key, value in given.items() if value is not None}
    if preset.solver == "ridge" and changes:
        raise UsageError(f"{next(iter(changes))} must be left out for preset ridge, which is solved in one step; got {next(iter(changes.values()))}")
    for key, value in changes.items():
        if not 0 < value < float("inf"):
            raise UsageError(f"{key} must be positive; got {value}")
    return replace(preset, **changes)  # type: ignore[arg-type]
