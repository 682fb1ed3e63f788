"""Every layout of the matrix."""

from __future__ import annotations

from dataclasses import replace

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
# Near twins of others, and large: only where the slow tests run.
TWINS = {
    "moco-v1", "moco-v3-resnet", "dino-full-resnet", "deit-distilled", "lightly-example-byol", "resa-only", "lightly-train-export",
    "vissl-extractor", "mmselfsup-byol", "stable-pretraining-eval", "ema-state-dict", "compile-ddp", "activation-checkpoint", "barlow-training",
    "kuangliu-resnet18", "weiaicunzai-resnet18", "low-resolution-bare", "solo-learn-old", "ibot-full", "torchvision-vit-old",
    "lightly-simclr-resnet50", "lightly-vicreg", "lightly-barlowtwins", "lightly-example-dino", "timm-folder-vit", "simsiam", "swav-release",
    "mmselfsup-simsiam", "mmselfsup-moco", "simclr-v1", "ddp", "solo-learn-imagenet", "module-torchvision",
}  # fmt: skip
EVERY = tuple(layout for family in FAMILIES for layout in family.layouts())
LAYOUTS: tuple[Layout, ...] = tuple(replace(layout, slow=layout.slow or layout.name in TWINS) for layout in EVERY)
