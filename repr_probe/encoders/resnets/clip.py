"""CLIP's modified ResNet told from its tensors, by the names of OpenAI's and OpenCLIP's files."""

from __future__ import annotations

import math
import re

from repr_probe.encoders.reading import Assumption, Clue, Clues, Reading, Shapes, as_they_stand
from repr_probe.encoders.resnets.inputs import clip_input
from repr_probe.encoders.resnets.modified import HEAD_CHANNELS
from repr_probe.encoders.resnets.options import architecture
from repr_probe.errors import CheckpointError

POSITIONS = "attnpool.positional_embedding"
OWN = re.compile(
    r"(?:layer[1-4]\.\d{1,3}\.)?(?:conv[123]\.weight|bn[123]\.\w+)|layer[1-4]\.\d{1,3}\.downsample\.(?:0\.weight|1\.\w+)|"
    r"attnpool\.(?:positional_embedding|[qkvc]_proj\.(?:weight|bias))"
)


def is_modified(shapes: Shapes) -> bool:
    return "layer1.0.conv1.weight" in shapes and any(name.startswith("attnpool.") for name in shapes)


def read_modified(shapes: Shapes, clues: Clues) -> Reading:
    """Raises CheckpointError where sizes are missing or contradict each other."""
    positions, out, stem = (shapes.get(name, ()) for name in (POSITIONS, "attnpool.c_proj.weight", "conv1.weight"))
    if (len(positions), len(out), len(stem)) != (2, 2, 4):
        raise CheckpointError(
            f"the file must hold a whole CLIP ResNet; got shapes {positions}, {out} and {stem} for positions, projection and first convolution",
            code="E_MISSING",
        )
    grid, width = math.isqrt(max(positions[0] - 1, 0)), positions[1] // 32
    if grid < 1 or grid * grid + 1 != positions[0] or width < 2 or width * 32 != positions[1]:
        raise CheckpointError(
            f"arch must be given: positions of the attention pool have shape {positions}, which no square map of a CLIP ResNet has",
            code="E_SHAPE",
        )
    strangers = [name for name in shapes if not OWN.fullmatch(name) and re.match(r"(layer|conv|bn|attnpool)", name)]
    if strangers or stem[1] not in (1, 3, 4):
        raise CheckpointError(
            f"arch must be given: the file holds a CLIP ResNet of width {width} with {strangers[0] if strangers else f'{stem[1]} input channels'}",
            code="E_SHAPE",
        )
    layers = _layers(shapes)
    usual = max(width * 32 // HEAD_CHANNELS, 1)
    heads = clues.get("heads", Clue(usual, f"one for {HEAD_CHANNELS} channels, as in every CLIP ResNet"))
    chosen = heads if heads.source.startswith("--") else Clue(usual, f"one for {HEAD_CHANNELS} channels, as in every CLIP ResNet")
    network = architecture(
        stem="clip", layers="-".join(map(str, layers)), width=width, grid=grid, out=out[0], heads=0 if chosen.value == usual else int(chosen.value)
    )
    names = [name for name in shapes if OWN.fullmatch(name)]
    return Reading(
        scheme="OpenAI's CLIP names",
        architecture=network,
        pieces=as_they_stand(shapes, {name: name for name in names}),
        assumptions=(
            Assumption("heads", str(chosen.value), chosen.source, "--heads"),
            Assumption("features", "after the attention pool and its projection", "what CLIP compares with text"),
        ),
        channels=stem[1],
        image_size=(32 * grid, 32 * grid),
        input=clip_input(grid),
    )


def _layers(shapes: Shapes) -> list[int]:
    """Blocks of each stage; CheckpointError where blocks are missing in between."""
    indexes = [(int(match[1]), int(match[2])) for name in shapes if (match := re.match(r"layer([1-4])\.(\d{1,3})\.", name))]
    layers = [1 + max((index for stage, index in indexes if stage == number), default=-1) for number in (1, 2, 3, 4)]
    if 0 in layers or sum(layers) - len(set(indexes)) > 1:
        raise CheckpointError(f"the file must hold a whole CLIP ResNet; got stages of {layers} blocks with gaps", code="E_MISSING")
    return layers
