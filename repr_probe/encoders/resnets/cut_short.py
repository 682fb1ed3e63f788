"""ResNets that look like a usual one with blocks lost at the end of a stage: the tensors that are left still make a network."""

from __future__ import annotations

from collections.abc import Sequence

Layers = tuple[int, ...]
# Usual depths, for blocks of two and of three convolutions.
DEPTHS: dict[bool, dict[Layers, str]] = {
    False: {(2, 2, 2, 2): "ResNet-18", (3, 4, 6, 3): "ResNet-34"},
    True: {
        (2, 2, 2, 2): "ResNet-26", (3, 4, 6, 3): "ResNet-50", (3, 4, 23, 3): "ResNet-101", (3, 8, 36, 3): "ResNet-152",
        (3, 24, 36, 3): "ResNet-200",
    },
}  # fmt: skip
LARGE = 64  # channels of the first stage from which three stages are no CIFAR network


def cut_short(layers: Layers, planes: Sequence[int], *, bottleneck: bool) -> str:
    """Which usual ResNet these stages are a part of and what they lack of it, or "" where nothing speaks for a loss.

    layers: blocks of each stage.  planes: channels of each, before expansion.  A loss is one stage that is shorter (by more than half only
    if it is the last), or stages that are missing at the end; a small network of three stages should have as many blocks in each.

    >>> cut_short((3, 4, 6, 2), (64, 128, 256, 512), bottleneck=True)
    'those of ResNet-50 (3-4-6-3) without the last 1 of stage 4'
    >>> cut_short((3, 4, 6), (64, 128, 256), bottleneck=False)
    'those of ResNet-34 (3-4-6-3) without stage 4'
    >>> cut_short((1, 1, 1, 1), (64, 128, 256, 512), bottleneck=False)
    ''
    """
    known = dict(DEPTHS[bottleneck])
    if len(layers) == 3 and planes[0] < LARGE:
        known = {(layers[0],) * 3: f"a network of {layers[0]} blocks a stage"} if layers[0] == layers[1] else {}
    if layers in known:
        return ""
    lost = {whole: losses for whole in known if (losses := _losses(layers, whole))}
    if not lost:
        return ""
    nearest = min(lost, key=lambda whole: sum(whole) - sum(layers))
    return f"those of {known[nearest]} ({_written(nearest)}) without {' and '.join(lost[nearest])}"


def _losses(layers: Layers, whole: Layers) -> list[str]:
    """What `layers` lacks of `whole`; nothing where it is no shorter form of it."""
    shared = whole[: len(layers)]
    shorter = [stage for stage, (ours, full) in enumerate(zip(layers, shared)) if ours != full]
    if len(shorter) > 1 or any(layers[stage] > shared[stage] for stage in shorter):
        return []
    at_the_end = [f"stage {stage + 1}" for stage in range(len(layers), len(whole))]
    for stage in shorter:
        n_lost, last = shared[stage] - layers[stage], stage == len(layers) - 1
        if not last and (at_the_end or 2 * n_lost > shared[stage]):
            return []
        at_the_end.insert(0, f"the last {n_lost} of stage {stage + 1}")
    return at_the_end


def _written(layers: Layers) -> str:
    return "-".join(map(str, layers))
