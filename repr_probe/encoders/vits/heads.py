"""The number of attention heads: no weight shows it, so it comes from a clue, from stored rotation periods, or from what is usual."""

from __future__ import annotations

from repr_probe.encoders.reading import Assumption, Clues
from repr_probe.encoders.vits.sizes import Sizes
from repr_probe.errors import CheckpointError

# Width of the network -> heads, over the published vision transformers that have the plain tensors.
USUAL_HEADS = {
    192: 3, 256: 4, 288: 6, 320: 5, 384: 6, 512: 8, 640: 10, 768: 12, 832: 13, 896: 14, 1024: 16, 1152: 16, 1280: 16, 1408: 16, 1536: 24,
    1664: 16, 1792: 16, 4096: 32,
}  # fmt: skip
FLAG = "--heads"


def heads_of(sizes: Sizes, clues: Clues, family: str) -> Assumption:
    """Raises CheckpointError where nothing tells, or where the number given does not divide the width."""
    if "heads" in clues and not _of_another(sizes, clues):
        return _checked(sizes, clues["heads"].value, clues["heads"].source)
    if sizes.head_width:
        if sizes.width % sizes.head_width:
            raise CheckpointError(
                f"heads must be given for {sizes.described}: its rotation periods are for heads of {sizes.head_width}; give {FLAG}",
                code="E_AMBIGUOUS",
            )
        return Assumption("heads", str(sizes.width // sizes.head_width), "the rotation periods in the file", FLAG)
    return _usual(sizes, family)


def _of_another(sizes: Sizes, clues: Clues) -> bool:
    """Whether the number comes from a word ("vit_base") that names networks of another width: a student's word beside its teacher."""
    width = clues.get("width")
    return width is not None and width.source == clues["heads"].source and width.value != sizes.width


def _checked(sizes: Sizes, value: object, source: str) -> Assumption:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or sizes.width % value:
        raise CheckpointError(f"heads must divide the width {sizes.width}; got {value} ({source}); give {FLAG}", code="E_AMBIGUOUS")
    return Assumption("heads", str(value), source, FLAG)


def _usual(sizes: Sizes, family: str) -> Assumption:
    width, special = sizes.width, None
    if family == "MoCo v3" and width == 384:
        special = 12, "MoCo v3's small network"
    elif width == 768 and sizes.depth == 8:
        special = 8, "usual for width 768, depth 8"
    elif width == 1280 and sizes.position == "rope":
        special = 20, "DINOv3's width 1280; 16 in networks without rotation"
    elif family == "CLIP" and width % 64 == 0 and width not in USUAL_HEADS:
        special = width // 64, "64 a head, as in OpenAI's CLIP"
    if special is None and width not in USUAL_HEADS:
        raise CheckpointError(
            f"heads must be given for {sizes.described}: no weight shows them and the width has no usual number; give {FLAG}",
            code="E_AMBIGUOUS",
        )
    number, source = special or (USUAL_HEADS[width], f"usual for width {width}")
    return Assumption("heads", str(number), source, FLAG)
