"""The sizes of a ResNet from the shapes of its tensors, under torchvision's names.

Every size is what most tensors say: one tensor of another shape, or one that is missing, must not turn the network into another one that
happens to exist. What then does not fit is named when the network is built.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from repr_probe.encoders.reading import Shapes
from repr_probe.encoders.resnets.options import LARGEST
from repr_probe.errors import CheckpointError


@dataclass(frozen=True)
class Seen:
    """What the shapes show. planes: channels of each stage before expansion.  kernel: of the stem's (first) convolution."""

    layers: tuple[int, ...]
    planes: tuple[int, ...]
    bottleneck: bool
    base_width: int
    groups: int
    deep: bool
    stem_widths: tuple[int, ...]
    kernel: int
    channels: int
    shortcut: str
    project_first: bool
    avg_down: bool

    def __str__(self) -> str:
        blocks = f"blocks {'-'.join(map(str, self.layers))}, {'three' if self.bottleneck else 'two'} convolutions each"
        stem = "three 3 x 3 convolutions" if self.deep else f"{self.kernel} x {self.kernel}"
        inner = f", {self.groups} groups, base width {self.base_width}" if self.bottleneck else ""
        return f"{blocks}, channels {'-'.join(map(str, self.planes))}{inner}, stem {stem}"


def seen_in(shapes: Shapes) -> Seen | None:
    """None where there is no ResNet of 3 or 4 stages; CheckpointError where there is one of a kind that cannot be built."""
    blocks = _blocks(shapes)
    stages = sorted({stage for stage, _ in blocks})
    if not stages or stages[-1] not in (3, 4) or not any(name.startswith(("conv1.", "bn1.")) for name in shapes):
        return None
    layers = tuple(1 + max((index for of, index in blocks if of == stage), default=-1) for stage in range(1, stages[-1] + 1))
    absent = sum(layers) - len(blocks)
    if 0 in layers or absent > 1:
        holes = f"stage {layers.index(0) + 1} of {len(layers)}" if 0 in layers else f"{absent} blocks of {sum(layers)}"
        raise CheckpointError(f"the file must hold a whole ResNet; got one without {holes}; use the unchanged file", code="E_MISSING")
    kinds = Counter(any(name.startswith(("conv3.", "bn3.")) for name in block) for block in blocks.values())
    bottleneck = kinds[True] > kinds[False]
    odd = min(kinds[True], kinds[False])  # one block of the other kind may be damage, more are another network
    if odd > 1 or (odd and len(blocks) < 6):
        return None
    refuse_relatives(shapes, blocks)
    planes = _planes(blocks, len(layers), bottleneck)
    base_width, groups = _inner(blocks, planes) if bottleneck else (64, 1)
    deep = any(re.fullmatch(r"conv1\.[01346]\.\w+", name) for name in shapes)
    stem_widths, kernel, channels = _stem(shapes, deep)
    shortcuts = {place for place, block in blocks.items() if any(name.startswith("downsample.") for name in block)}
    expansion = 4 if bottleneck else 1
    return Seen(
        layers=layers, planes=planes, bottleneck=bottleneck, base_width=base_width, groups=groups, deep=deep, stem_widths=stem_widths,
        kernel=kernel, channels=channels, shortcut="conv" if shortcuts else "A",
        project_first=(1, 0) in shortcuts and stem_widths[-1] == planes[0] * expansion,
        avg_down=any("downsample.2.weight" in block for block in blocks.values()),
    )  # fmt: skip


Blocks = dict[tuple[int, int], dict[str, tuple[int, ...]]]


def _blocks(shapes: Shapes) -> Blocks:
    blocks: Blocks = {}
    for name, shape in shapes.items():
        match = re.match(r"layer(\d)\.(\d{1,3})\.(.+)", name)
        if match:
            blocks.setdefault((int(match[1]), int(match[2])), {})[match[3]] = tuple(shape)
    return blocks


def refuse_relatives(shapes: Shapes, blocks: Blocks) -> None:
    """Networks with a ResNet's names whose function is another one."""
    if any(name.endswith("bn1.weight") for name in shapes) and not any(name.endswith("running_mean") for name in shapes):
        raise CheckpointError(
            "the file must hold the running statistics of its normalisation; got none: GroupNorm, or statistics kept elsewhere "
            "(Flax: batch_stats); name the exact network with --arch",
            code="E_MISSING",
        )
    entering = [block for block in blocks.values() if len(block.get("conv1.weight", ())) == 4 and "bn1.weight" in block]
    changing = [block for block in entering if block["conv1.weight"][0] != block["conv1.weight"][1] and block["conv1.weight"][2] > 0]
    before = [block for block in changing if block["bn1.weight"] == (block["conv1.weight"][1],) != (block["conv1.weight"][0],)]
    if len(before) * 2 > len(changing):
        raise CheckpointError(
            "arch must be given: the file holds a pre-activation ResNet (normalisation before convolution), which cannot be rebuilt here; "
            "name the exact network with --arch",
            code="E_NO_ENCODER",
        )


def _most(values: Iterable[int], what: str) -> int:
    counted = Counter(value for value in values if 0 < value <= LARGEST).most_common(1)
    if not counted:
        raise CheckpointError(f"the file must hold the whole ResNet; got none of {what}; use the unchanged file", code="E_MISSING")
    return counted[0][0]


def _planes(blocks: Blocks, n_stages: int, bottleneck: bool) -> tuple[int, ...]:
    """Votes of the last convolution and its normalisation in every block of a stage."""
    last, expansion = ("3", 4) if bottleneck else ("2", 1)
    found = []
    for stage in range(1, n_stages + 1):
        inside = [block for (of, _), block in blocks.items() if of == stage]
        names = (f"conv{last}.weight", f"bn{last}.weight", f"bn{last}.bias", f"bn{last}.running_mean", f"bn{last}.running_var")
        widths = [block[name][0] for block in inside for name in names if block.get(name)]
        outputs = _most(widths, f"the outputs of stage {stage}")
        if outputs % expansion:
            raise CheckpointError(
                f"arch must be given: stage {stage} of the file's ResNet has {outputs} channels, which its bottlenecks cannot have; "
                "name the exact network with --arch",
                code="E_SHAPE",
            )
        found.append(outputs // expansion)
    return tuple(found)


def _inner(blocks: Blocks, planes: tuple[int, ...]) -> tuple[int, int]:
    """(base width, groups): from the convolution in the middle of the bottlenecks."""
    widths, groups = [], []
    for (stage, _), block in blocks.items():
        middle = block.get("conv2.weight", ())
        if len(middle) != 4 or not middle[1] or middle[0] % middle[1]:
            continue
        groups.append(middle[0] // middle[1])
        if middle[1] * 64 % planes[stage - 1] == 0:
            widths.append(middle[1] * 64 // planes[stage - 1])
    return _most(widths, "the middle convolutions that fit their stage"), _most(groups, "the middle convolutions")


def _stem(shapes: Shapes, deep: bool) -> tuple[tuple[int, ...], int, int]:
    """(output channels of each convolution, kernel, input channels)."""
    first = shapes.get("conv1.0.weight" if deep else "conv1.weight", ())
    if len(first) != 4:
        raise CheckpointError("the file must hold the first convolution of its ResNet; got none; use the unchanged file", code="E_MISSING")
    if first[2] != first[3]:
        raise CheckpointError(f"arch must be given: the stem's kernel is {first[2]} x {first[3]}, not square", code="E_SHAPE")
    if first[1] not in (1, 3, 4):
        raise CheckpointError(
            f"the network must take images of 1, 3 or 4 channels; the file's ResNet takes {first[1]}; images have no such channels", code="E_SHAPE"
        )
    if not deep:
        return (_most([*_vector_lengths(shapes, "bn1"), first[0]], "the stem"),), first[2], first[1]
    inner = (_most(_vector_lengths(shapes, f"conv1.{index}"), "the stem") for index in (1, 4))
    return (*inner, _most(_vector_lengths(shapes, "bn1"), "the stem")), first[2], first[1]


def _vector_lengths(shapes: Shapes, name: str) -> list[int]:
    vectors = (shapes.get(f"{name}.{part}", ()) for part in ("weight", "bias", "running_mean", "running_var"))
    return [shape[0] for shape in vectors if len(shape) == 1]
