"""stage1, stage2, ...: the same word for the resolution steps of every network that has them."""

from __future__ import annotations

from torch import nn

PATTERNS = ("layer{}", "stage{}", "trunk_output.block{}", "features.denseblock{}")
ODD_STAGES = ("ConvNeXt", "SwinTransformer")  # torchvision: features.1, 3, 5, 7; the even ones halve the resolution


def stages_of(module: nn.Module) -> dict[str, str]:
    """{"stage1": name of a module, ...}; empty for networks without stages, such as plain vision transformers.

    timm lists modules with the factor by which each has reduced the image: the last one of every factor from 4 on is a stage.
    """
    names = {name for name, _ in module.named_modules()}
    listed = getattr(module, "feature_info", None)
    if isinstance(listed, list):
        last_of = {entry["reduction"]: entry["module"] for entry in listed if entry["reduction"] >= 4}
        paths = [last_of[reduction] for reduction in sorted(last_of)]
        return _numbered(paths) if len(paths) > 1 and names.issuperset(paths) else {}
    for pattern in PATTERNS:
        for last in (4, 3):  # ResNets for small images have three
            if pattern.format(last) in names:
                return _numbered([pattern.format(number) for number in range(1, last + 1)])
    if type(module).__name__ in ODD_STAGES and "features.7" in names:
        return _numbered([f"features.{number}" for number in (1, 3, 5, 7)])
    return {}


def _numbered(paths: list[str]) -> dict[str, str]:
    return {f"stage{number}": path for number, path in enumerate(paths, start=1)}
