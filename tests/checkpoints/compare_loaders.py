"""The same files through the usual ways of loading weights: how many come out right, silently wrong, or with an error. A script; prints markdown.

    python tests/checkpoints/compare_loaders.py [--all] [NAME ...]

"right": features equal to those of the network the weights come from, to 1e-5 of the largest. "silently wrong": features, but others.
The other ways are given the right architecture (timm's classes, with the right stem, sizes and heads, without a classifier, so that a
classifier in the file is one reason for a strict loader to refuse it); ours is told nothing.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from layouts.layout import Layout
from layouts.registry import LAYOUTS

Loader = Callable[[Path, nn.Module], None]


def resnet(layers: tuple[int, ...], *, bottleneck: bool = False, stem: str = "imagenet", **options: Any) -> nn.Module:
    from timm.models.resnet import BasicBlock, Bottleneck, ResNet

    net = ResNet(Bottleneck if bottleneck else BasicBlock, layers, num_classes=0, **options)
    if stem != "imagenet":
        net.conv1 = nn.Conv2d(3, 64, 3, 1, 2 if stem == "solo" else 1, bias=False)
        net.maxpool = nn.Identity()
    return net


def vit(**options: Any) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(**{"img_size": 64, "patch_size": 16, "embed_dim": 192, "depth": 2, "num_heads": 3, "num_classes": 0, **options})


def named(name: str, **options: Any) -> nn.Module:
    import timm

    return timm.create_model(name, num_classes=0, **options)


def dinov2(**options: Any) -> nn.Module:
    return vit(**{"embed_dim": 384, "num_heads": 6, "patch_size": 14, "img_size": 56, "init_values": 1e-5, **options})


SMALL, SMALL_BOTTLENECK = (lambda: resnet((1, 1, 1, 1))), (lambda: resnet((1, 1, 1, 1), bottleneck=True))
REGISTERS = {"reg_tokens": 4, "no_embed_class": True}
# What somebody who knows the file would build, by the name of the layout; the first pattern that matches. No entry: the files are left out.
GIVEN: tuple[tuple[str, Callable[[], nn.Module]], ...] = (
    (r".*resnet50$", lambda: named("resnet50")),
    (r"lightly-(tutorial|example).*|hydes|resa-only|moco-v[12]|moco-v3-resnet|simsiam|sthalles|lightly-train.*|safetensors|module-torchvision"
     r"|dino-full-resnet|solo-learn-(imagenet|old)|timm-folder-stated", lambda: named("resnet18")),
    (r"kuangliu-resnet18|weiaicunzai-resnet18|low-resolution-bare", lambda: resnet((2, 2, 2, 2), stem="cifar")),
    (r"solo-learn-cifar10", lambda: resnet((2, 2, 2, 2), stem="solo")),
    (r"kuangliu-small|weiaicunzai-small|sup-contrast|low-resolution", lambda: resnet((1, 1, 1, 1), stem="cifar")),
    (r"swav-(release|training)|barlow-training|vicreg-training|vissl-.*|simclr-v1|mmselfsup-.*|mmpretrain-ema", SMALL_BOTTLENECK),
    (r"grey", lambda: resnet((1, 1, 1, 1), in_chans=1)),
    (r"lightly-(simclr|swav|barlowtwins|vicreg|dino|byol|moco).*|resa-full|stable-pretraining.*|lightning-averaging|ddp.*|compile-ddp|fsdp"
     r"|activation-checkpoint|dcp-folder|deepspeed|swa|ema.*|torchscript|export|half-precision|flax-resnet", SMALL),
    (r"dino-full|ibot-full|timm-train-vit|timm-folder-vit|open-clip-timm-tower",
     lambda: named("vit_tiny_patch16_224")),
    (r"moco-v3-converted", lambda: vit(img_size=224)),
    (r"moco-v3-vit-small", lambda: vit(img_size=224, embed_dim=384, depth=12, num_heads=12)),
    (r"dino-backbone", lambda: vit(patch_size=8, embed_dim=384, depth=12, num_heads=6)),
    (r"dinov2-hub|dinov2-training", dinov2),
    (r"dinov2-reg4", lambda: dinov2(**REGISTERS)),
    (r"dinov2-vits14-reg4", lambda: named("vit_small_patch14_reg4_dinov2")),
    (r"mae", lambda: vit(depth=3)),
    (r"mae-fine-tuned", lambda: vit(depth=3, global_pool="avg")),
    (r"ijepa|hf-ijepa", lambda: vit(class_token=False, global_pool="avg", fc_norm=False)),
    (r"deit", lambda: named("deit_tiny_patch16_224")),
    (r"deit-distilled", lambda: named("deit_tiny_distilled_patch16_224")),
    (r"timm-folder-arguments", lambda: named("vit_tiny_patch16_224", img_size=64, depth=3, reg_tokens=2)),
    (r"timm-resnet10t", lambda: named("resnet10t")),
    (r"timm-convnext-atto", lambda: named("convnext_atto")),
    (r"timm-mobilenetv3", lambda: named("mobilenetv3_small_050")),
    (r"timm-seresnet", lambda: named("seresnet18")),
    (r"torchvision-vit.*|lightly-masked-vit|lightly-ibot|mmpretrain-vit|module-vit|hf-vit.*|hf-mae|flax-vit", vit),
    (r"hf-dinov2", lambda: vit(patch_size=14, img_size=56, init_values=1.0)),
    (r"hf-dinov2-registers", lambda: vit(patch_size=14, img_size=56, init_values=1.0, **REGISTERS)),
    (r"open-clip-(training|folder)|open-ai-clip", lambda: vit(pre_norm=True)),
)  # fmt: skip


def given(layout: Layout) -> nn.Module | None:
    build = next((build for pattern, build in GIVEN if re.fullmatch(pattern, layout.name)), None)
    return None if build is None else build().eval()


def usual_snippet(path: Path, net: nn.Module) -> None:
    content = torch.load(path, map_location="cpu", weights_only=False)
    net.load_state_dict(content.get("state_dict", content.get("model", content)), strict=False)


def timm_loader(strict: bool) -> Loader:
    def load(path: Path, net: nn.Module) -> None:
        from timm.models import load_checkpoint

        load_checkpoint(net, str(path), strict=strict)

    return load


def lightly_tutorial(path: Path, net: nn.Module) -> None:
    content = torch.load(path, map_location="cpu", weights_only=False)
    state = {name.removeprefix("backbone."): tensor for name, tensor in content["state_dict"].items() if name.startswith("backbone.")}
    net.load_state_dict(state, strict=False)


OTHERS: dict[str, Loader] = {
    "`load_state_dict(ckpt.get('state_dict', …), strict=False)`": usual_snippet,
    "timm `load_checkpoint(strict=False)`": timm_loader(False),
    "timm `load_checkpoint(strict=True)`": timm_loader(True),
    "Lightly's tutorial (`backbone.` off, `strict=False`)": lightly_tutorial,
}
OURS = "`repro-probe`, not told the architecture"


def features_after(load: Loader, path: Path, layout: Layout) -> np.ndarray:
    torch.manual_seed(0)
    net: Any = given(layout)
    load(path, net)
    with torch.inference_mode():
        images = layout.images()
        return net.forward_head(net.forward_features(images), pre_logits=True).numpy()


def ours(path: Path, layout: Layout) -> np.ndarray:
    from repr_probe.encoders.load import load_encoder

    return load_encoder(path, device="cpu", **layout.options).features(layout.images())["pooled"].numpy()


def verdict(run: Callable[[], np.ndarray], wanted: np.ndarray) -> str:
    try:
        got = run()
    except Exception:  # whatever a loader raises is its way of refusing
        return "error"
    same = got.shape == wanted.shape and np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()
    return "right" if same else "silently wrong"


def compare(layout: Layout) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        wanted = layout.reference(layout.images())
        path = layout.write(Path(folder))
        found = {}
        if given(layout) is not None:
            found = {name: verdict(lambda load=load: features_after(load, path, layout), wanted) for name, load in OTHERS.items()}  # type: ignore[misc]
        return {**found, OURS: verdict(lambda: ours(path, layout), wanted)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="layouts; all of the quick ones when left out")
    parser.add_argument("--all", action="store_true", help="the large ones, too")
    parser.add_argument("--each", action="store_true", help="a line for each layout on stderr")
    told = parser.parse_args()
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    counts: dict[str, Counter[str]] = {name: Counter() for name in (*OTHERS, OURS)}
    alone: Counter[str] = Counter()
    for layout in LAYOUTS:
        if layout.missing() or (told.names and layout.name not in told.names) or (layout.slow and not (told.all or told.names)):
            continue
        found = compare(layout)
        if len(found) == 1:
            alone.update(found.values())
        else:
            for name, what in found.items():
                counts[name][what] += 1
        if told.each:
            print(f"{layout.name}: {' | '.join(found.values())}", file=sys.stderr, flush=True)
    print(f"Of {counts[OURS].total()} files, each other way given the right architecture:\n")
    print("| way | right | silently wrong | error |\n|---|---|---|---|")
    for name, count in counts.items():
        print(f"| {name} | {count['right']} | {count['silently wrong']} | {count['error']} |")
    print(f"\nOf {alone.total()} more, whose network no constructor of timm or torchvision builds, ours: {alone['right']} right, "
          f"{alone['silently wrong']} silently wrong, {alone['error']} error.")  # fmt: skip


if __name__ == "__main__":
    main()
