"""The network of a file that does not name it, told from the names and shapes of its tensors. Each recogniser knows one family."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from repr_probe.encoders.architectures import known_networks
from repr_probe.encoders.containers import Container
from repr_probe.encoders.prefixes import below, prefixes_before
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed

Shapes = Mapping[str, tuple[int, ...]]

# (blocks in each stage, three convolutions a block, groups, width of the inner convolution for 64 channels)
RESNETS: dict[tuple[tuple[int, ...], bool, int, int], str] = {
    ((2, 2, 2, 2), False, 1, 64): "resnet18",
    ((3, 4, 6, 3), False, 1, 64): "resnet34",
    ((3, 4, 6, 3), True, 1, 64): "resnet50",
    ((3, 4, 23, 3), True, 1, 64): "resnet101",
    ((3, 8, 36, 3), True, 1, 64): "resnet152",
    ((3, 4, 6, 3), True, 32, 128): "resnext50_32x4d",
    ((3, 4, 23, 3), True, 32, 256): "resnext101_32x8d",
    ((3, 4, 23, 3), True, 64, 256): "resnext101_64x4d",
    ((3, 4, 6, 3), True, 1, 128): "wide_resnet50_2",
    ((3, 4, 23, 3), True, 1, 128): "wide_resnet101_2",
}
# (width, depth) of the vision transformers that have one usual name.
VIT_SIZES = {(192, 12): "tiny", (384, 12): "small", (768, 12): "base", (1024, 24): "large", (1280, 32): "huge"}
TORCHVISION_VITS = {
    (768, 12, 16): "vit_b_16",
    (768, 12, 32): "vit_b_32",
    (1024, 24, 16): "vit_l_16",
    (1024, 24, 32): "vit_l_32",
    (1280, 32, 14): "vit_h_14",
}


@dataclass(frozen=True)
class Recognised:
    """architecture: text for `resolve_architecture`.  note: what the shapes cannot tell and was assumed, or ""."""

    architecture: str
    note: str = ""


def recognise(containers: list[Container]) -> Recognised:
    """The one network that the tensors of the file show.

    Raises CheckpointError saying what was seen when none or more than one is known, or when the one there cannot be built exactly.
    """
    found: dict[str, Recognised] = {}
    for container in containers:
        shapes = {name: tuple(tensor.shape) for name, tensor in container.tensors.items()}
        for landmark, recogniser in RECOGNISERS.items():
            for prefix in prefixes_before(shapes, [landmark]):
                recognised = recogniser(below(shapes, prefix))
                if recognised is not None:
                    found[recognised.architecture] = recognised
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise CheckpointError(f"arch must be given: the file holds several networks ({listed(found)}); choose one with --arch")
    largest = max(containers, key=lambda container: len(container.tensors))
    some = [f"{name} {tuple(tensor.shape)}" for name, tensor in list(largest.tensors.items())[:3]]
    raise CheckpointError(
        f"arch must be given: the network of this file is not recognised ({len(largest.tensors)} tensors, first {'; '.join(some)}); "
        "name it with --arch, for example --arch timm:resnet26d"
    )


def recognise_resnet(shapes: Shapes) -> Recognised | None:
    """ResNet, ResNeXt and Wide ResNet by torchvision's names (timm's plain ResNets have the same)."""
    stem, first = shapes.get("conv1.weight"), shapes.get("layer1.0.conv1.weight")
    if stem is None or first is None or len(stem) != 4 or "bn1.weight" not in shapes:
        return None
    stages = len({name.split(".")[0] for name in shapes if re.match(r"layer\d+\.\d", name)})
    blocks = tuple(len({name.split(".")[1] for name in shapes if name.startswith(f"layer{stage}.")}) for stage in range(1, stages + 1))
    bottleneck = "layer1.0.conv3.weight" in shapes
    second = shapes.get("layer1.0.conv2.weight", (0, 0, 0, 0))
    groups = first[0] // second[1] if second[1] else 0
    described = f"blocks {blocks}, {'three' if bottleneck else 'two'} convolutions each, {groups} groups, inner width {first[0]}"
    if stem[2] != 7:
        raise CheckpointError(
            f"arch must be given: the file holds a ResNet with a {stem[2]} x {stem[3]} stem ({described}), as used for small images; "
            "its padding and pooling are not in the file; name the exact network with --arch"
        )
    name = RESNETS.get((blocks, bottleneck, groups, first[0])) if stem[0] == 64 else None
    if name is None:
        raise CheckpointError(f"arch must be given: torchvision has no name for the ResNet of the file ({described}, stem width {stem[0]})")
    return Recognised(f"torchvision:{name}")


def recognise_torchvision_vit(shapes: Shapes) -> Recognised | None:
    stem = shapes.get("conv_proj.weight")
    if stem is None or "encoder.pos_embedding" not in shapes:
        return None
    depth = len({name.split(".")[2] for name in shapes if name.startswith("encoder.layers.")})
    name = TORCHVISION_VITS.get((stem[0], depth, stem[2]))
    if name is None:
        raise CheckpointError(f"arch must be given: the file holds a vision transformer of width {stem[0]}, depth {depth}, patch {stem[2]}")
    return Recognised(f"torchvision:{name}")


def recognise_timm_vit(shapes: Shapes) -> Recognised | None:
    """Plain, distilled and DINOv2 vision transformers by timm's names."""
    stem = shapes.get("patch_embed.proj.weight")
    if stem is None or len(stem) != 4 or "blocks.0.attn.qkv.weight" not in shapes:
        return None
    depth = len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
    width, patch = stem[0], stem[2]
    size = VIT_SIZES.get((width, depth))
    described = f"a vision transformer of width {width}, depth {depth}, patch {patch}"
    if size is None or "cls_token" not in shapes or "pos_embed" not in shapes:
        raise CheckpointError(f"arch must be given: the file holds {described}; for example --arch timm:vit_base_patch16_224")
    n_prefix = 1 + ("dist_token" in shapes)
    pixels = patch * math.isqrt(max(shapes["pos_embed"][1] - n_prefix, 1))
    if "register_tokens" in shapes or "reg_token" in shapes:
        stems = [f"vit_{size}_patch{patch}_reg4_dinov2"]
    elif "blocks.0.ls1.gamma" in shapes:
        stems = [f"vit_{size}_patch{patch}_dinov2"]
    elif "dist_token" in shapes:
        stems = [f"deit_{size}_distilled_patch{patch}_{pixels}", f"deit_{size}_distilled_patch{patch}_224"]
    else:
        stems = [f"vit_{size}_patch{patch}_{pixels}", f"vit_{size}_patch{patch}_224"]
    name = next((stem for stem in stems if stem in known_networks("timm")), None)
    if name is None:
        raise CheckpointError(f"arch must be given: the file holds {described}, which timm does not name; name it with --arch")
    return Recognised(
        f"timm:{name}",
        f"taken for {name}: number of heads, normalisation constant, and mean and deviation of the input are not in the file "
        "(DeiT, DINO and MAE weights have the same shapes and use ImageNet's --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225)",
    )


RECOGNISERS = {
    "layer1.0.conv1.weight": recognise_resnet,
    "conv_proj.weight": recognise_torchvision_vit,
    "patch_embed.proj.weight": recognise_timm_vit,
}
