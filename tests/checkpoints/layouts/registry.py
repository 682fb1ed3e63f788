"""Every layout of the matrix."""

from __future__ import annotations

from layouts import (
    cifar_files,
    framework_files,
    hugging_face,
    lightly_files,
    official_resnet_files,
    open_clip_files,
    timm_files,
    vit_files,
    wrapper_files,
)
from layouts.layout import Layout

FAMILIES = (
    lightly_files, official_resnet_files, framework_files, cifar_files, vit_files, timm_files, hugging_face, open_clip_files, wrapper_files,
)  # fmt: skip
LAYOUTS: tuple[Layout, ...] = tuple(layout for family in FAMILIES for layout in family.layouts())
