"""Lightly: its ImageNet benchmark (the systems of the paper), its examples and tutorials, its old models."""

from __future__ import annotations

from functools import partial
from typing import Any

from layouts.layout import Content, Layout, Tensors, sibling
from layouts.random_weights import batch_norm, linear, noise, randomised
from layouts.resnets import KuangliuResNet, numbered, trunk
from layouts.saving import lightning
from torch import nn

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
ROW = "1a Lightly imagenet benchmark"


def head(name: str, width: int, hidden: int = 32) -> Tensors:
    """A projection head of Lightly: `layers.N`."""
    first = linear(f"{name}.layers.0", width, hidden, bias=False) | batch_norm(f"{name}.layers.1", hidden)
    return first | linear(f"{name}.layers.3", hidden, 16)


def dino_head(name: str) -> Tensors:
    return {f"{name}.layers.0.weight": noise(32, 512), f"{name}.layers.0.bias": noise(32), f"{name}.last_layer.weight_g": noise(24, 1),
            f"{name}.last_layer.weight_v": noise(24, 32)}  # fmt: skip


def classifier(width: int) -> Tensors:
    return linear("online_classifier.classification_head", width, 10)


def extra_of(method: str, tensors: Tensors, width: int) -> Tensors:
    """What stands beside `backbone.` in a benchmark file of this method, its siblings with other values included."""
    projection, copy = head("projection_head", width), partial(sibling, tensors, "backbone.")
    if method == "swav":
        return {**projection, "prototypes.heads.0.weight": noise(24, 16), "queues.0.bank": noise(16, 40), "queues.0.bank_ptr": noise(1).long()}
    if method == "dino":
        student = copy("student_backbone.") | dino_head("student_projection_head")
        return {**dino_head("projection_head"), **student, "criterion.center.center": noise(1, 1, 24)}
    if method == "byol-new":
        return projection | head("prediction_head", 16) | copy("teacher_backbone.") | head("teacher_projection_head", width)
    if method == "byol-old":
        student = copy("student_backbone.") | head("student_projection_head", width)
        return projection | student | head("student_prediction_head", 16)
    if method == "moco-new":
        key = copy("key_backbone.") | head("key_projection_head", width)
        return {**projection, **key, "criterion.memory_bank.bank": noise(16, 40)}
    if method == "moco-old":
        return projection | copy("query_backbone.") | head("query_projection_head", width)
    return projection  # SimCLR, Barlow Twins, VICReg


def benchmark(method: str, size: str) -> Content:
    net, state = trunk(size)
    tensors = {f"backbone.{name}": tensor for name, tensor in state.items()}
    width = int(net.n_features)  # type: ignore[arg-type]

    def pack(own: Tensors) -> dict[str, Any]:
        return lightning({**own, **extra_of(method, tensors, width), **classifier(width)})

    return Content(tensors, net, pack, prefix="backbone.")


ROLES = {"dino": "ema", "byol-new": "online", "byol-old": "ema", "moco-new": "online", "moco-old": "ema"}
METHODS = ("simclr", "swav", "barlowtwins", "vicreg", "dino", "byol-new", "byol-old", "moco-new", "moco-old")


def benchmark_layout(method: str, size: str) -> Layout:
    known = size == "resnet50"
    expect: dict[str, Any] = {"prefix": "backbone.", "architecture": "torchvision:resnet50" if known else "repr_probe:resnet", **IMAGENET}
    if method in ROLES:
        expect["role"] = ROLES[method]
    return Layout(
        f"lightly-{method}" + (f"-{size}" if known else ""), "lightly benchmarks/imagenet", f"{ROW} {method}", partial(benchmark, method, size),
        expect=expect, slow=known and method not in ("simclr",),
    )  # fmt: skip


TORCHVISION_CHILDREN = ("conv1", "bn1", "", "", "layer1", "layer2", "layer3", "layer4")


def tutorial(siblings: str) -> Content:
    """`nn.Sequential(*list(resnet18().children())[:-1])` under `backbone` (online) and `backbone_momentum`, or student and teacher."""
    net, _ = trunk("resnet18")
    inner = numbered(net.net, TORCHVISION_CHILDREN)  # type: ignore[arg-type]
    mine, other = {"byol": ("backbone.", "backbone_momentum."), "dino": ("teacher_backbone.", "student_backbone.")}[siblings]
    tensors = {mine + name: tensor for name, tensor in inner.items()}

    def pack(own: Tensors) -> dict[str, Any]:
        online = sibling(tensors, mine, other)
        return lightning(({**own, **online} if siblings == "byol" else {**online, **own}) | head("projection_head", 512))

    return Content(tensors, net, pack, prefix=mine)


def plain_tutorial() -> Content:
    """The state dict of the SimCLR tutorial: one numbered backbone and its head."""
    net, _ = trunk("resnet18")
    tensors = {f"backbone.{name}": tensor for name, tensor in numbered(net.net, TORCHVISION_CHILDREN).items()}  # type: ignore[arg-type]
    return Content(tensors, net, lambda own: {**own, **head("projection_head", 512)}, prefix="backbone.")


def generator() -> Content:
    """The CIFAR-10 benchmark: the children of Lightly's own ResNetGenerator in a Sequential, which knows no ReLU behind the first norm."""
    from lightly.models import ResNetGenerator

    net = randomised(ResNetGenerator("resnet-9", 0.5))
    children = list(net.children())[:-1]
    backbone = nn.Sequential(*children, nn.AdaptiveAvgPool2d(1)).eval()
    tensors = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    return Content(tensors, lambda images: backbone(images).flatten(1), lambda own: lightning({**own, **head("projection_head", 256)}),
                   prefix="backbone.")  # fmt: skip


def old_zoo() -> Content:
    net = randomised(KuangliuResNet([1, 1, 1, 1], width=16, classes=0))
    tensors = {f"model.features.{name}": tensor for name, tensor in net.state_dict().items()}
    return Content(tensors, net, lambda own: lightning({**own, **linear("model.projection_head.0", 128, 16)}), prefix="model.features.")


def masked_vit(sides: bool) -> Content:
    """lightly's MaskedVisionTransformerTIMM: `vit.` and `mask_token`; with sides: iBOT's `teacher_backbone.vit.` and `student_backbone.vit.`"""
    import torch
    from lightly.models.modules import MaskedVisionTransformerTIMM
    from timm.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(img_size=64, patch_size=16, embed_dim=192, depth=2, num_heads=3, num_classes=0)
    net = randomised(MaskedVisionTransformerTIMM(vit=vit))
    prefix = "teacher_backbone." if sides else "backbone."
    tensors = {prefix + name: tensor for name, tensor in net.state_dict().items() if not name.startswith("mask_token")}
    mask = {f"{prefix}mask_token": noise(1, 1, 192)}

    def features(images: torch.Tensor) -> torch.Tensor:
        return vit.forward_features(images)[:, 0]

    def pack(own: Tensors) -> dict[str, Any]:
        online = sibling({**tensors, **mask}, prefix, "student_backbone.") if sides else {}
        return lightning({**mask, **own, **online, **dino_head("teacher_head"), **dino_head("student_head")})

    return Content(tensors, features, pack, prefix=f"{prefix}vit.", rival=lambda name: "second_tower." + name.removeprefix(prefix))


def layouts() -> list[Layout]:
    examples = "1a Lightly examples, CIFAR-10/imagenette benchmarks, tutorials"
    return [
        *(benchmark_layout(method, "small") for method in METHODS),
        *(benchmark_layout(method, "resnet50") for method in METHODS),
        Layout("lightly-tutorial-simclr", "lightly tutorials", examples, plain_tutorial,
               expect={"architecture": "torchvision:resnet18"}),
        Layout("lightly-example-byol", "lightly examples", examples, partial(tutorial, "byol"),
               expect={"architecture": "torchvision:resnet18", "prefix": "backbone.", "role": "online"}),
        Layout("lightly-example-dino", "lightly examples", examples, partial(tutorial, "dino"),
               expect={"architecture": "torchvision:resnet18", "prefix": "teacher_backbone.", "role": "ema"}),
        Layout("lightly-cifar10-generator", "lightly benchmarks/cifar10", examples, generator, image_size=32,
               expect={"architecture": "repr_probe:resnet", "prefix": "backbone.", **IMAGENET}, requires=("lightly",)),
        Layout("lightly-old-zoo", "lightly model zoo before 1.2", "1a Lightly old model zoo", old_zoo, image_size=32,
               expect={"prefix": "model.features."}),
        Layout("lightly-masked-vit", "lightly MaskedVisionTransformerTIMM", "1c lightly MaskedVisionTransformerTIMM", partial(masked_vit, False),
               expect={"prefix": "backbone.vit."}, requires=("lightly",)),
        Layout("lightly-ibot", "lightly iBOT", "1c iBOT (lightly)", partial(masked_vit, True),
               expect={"prefix": "teacher_backbone.vit.", "role": "ema"}, requires=("lightly",)),
    ]  # fmt: skip
