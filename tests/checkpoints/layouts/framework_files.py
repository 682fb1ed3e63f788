"""solo-learn, mmselfsup and mmpretrain: frameworks with configurations inside their files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from layouts.layout import Content, Layout, Tensors, other_values, sibling
from layouts.random_weights import linear, projector, randomised
from layouts.resnets import DeepStemResNet, ReferenceResNet, trunk
from layouts.saving import foreign_object, lightning, omegaconf, optimizer
from torch import nn

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SMALL: dict[str, Any] = {"architecture": "repr_probe:resnet"}


def solo_learn(dataset: str, *, momentum: bool = True, old: bool = False) -> Content:
    """`hyper_parameters` is an OmegaConf tree; on CIFAR the 3x3 stem has padding 2."""
    prefix = "encoder." if old else "backbone."
    small = dataset.startswith("cifar")
    net: nn.Module
    if small:
        net = randomised(ReferenceResNet((2, 2, 2, 2), stem="solo"))
        state = dict(net.state_dict())
    else:
        net, state = trunk("resnet18")
    values = {"method": "byol", "backbone": {"name": "resnet18", "kwargs": {}}, "data": {"dataset": dataset, "num_classes": 10, "num_workers": 4},
              "optimizer": {"name": "sgd", "lr": 0.3}, "augmentations": [{"crop_size": 32 if small else 224}]}  # fmt: skip
    plain = {"method": "simclr", "encoder": "resnet18", "dataset": dataset, "cifar": small, "num_classes": 10}

    def pack(own: Tensors) -> dict[str, Any]:
        beside = linear("classifier", 512, 10) | projector("projector", 512)
        if momentum:
            beside |= sibling(own, prefix, "momentum_" + prefix) | projector("momentum_projector", 512) | linear("momentum_classifier", 512, 10)
        return lightning({**own, **beside}, hyper_parameters=plain if old else omegaconf(values))

    return Content({prefix + name: tensor for name, tensor in state.items()}, net, pack, prefix=prefix)


def openmmlab(own: Tensors, config: str, **more: Any) -> dict[str, Any]:
    """What mmengine's runner saves."""
    hub = {"runtime_info": {"epoch": 200}, "log_scalars": {"train/loss": foreign_object("mmengine.logging.history_buffer", "HistoryBuffer")}}
    meta = {"epoch": 200, "iter": 1000, "cfg": config, "seed": 0, "experiment_name": "pretrain", "mmengine_version": "0.10.1"}
    return {"meta": meta, "state_dict": own, "message_hub": hub, "optimizer": optimizer(), "param_schedulers": [], **more}


def config_text(style: str = "pytorch", kind: str = "ResNet") -> str:
    return (
        f"model = dict(\n    backbone=dict(\n        depth=50,\n        norm_cfg=dict(type='SyncBN'),\n        style='{style}',\n"
        f"        type='{kind}'),\n    head=dict(loss=dict(type='CosineSimilarityLoss')),\n    type='SimSiam')\n"
    )


def mm_resnet(beside: Callable[[Tensors], Tensors], *, stride_place: str = "3x3", ema: bool = False) -> Content:
    net, state = trunk("small", bottleneck=True, stride_place=stride_place)
    config = config_text("caffe" if stride_place == "1x1" else "pytorch")

    def pack(own: Tensors) -> dict[str, Any]:
        everything = {**own, **beside(own)}
        raw = {f"module.{name}": other_values(tensor) for name, tensor in everything.items()} | {"steps": torch.tensor(1000)}
        return openmmlab(everything, config, **({"ema_state_dict": raw} if ema else {}))

    return Content({f"backbone.{name}": tensor for name, tensor in state.items()}, net, pack, prefix="backbone.")


def mm_neck(own: Tensors) -> Tensors:
    return projector("neck", 2048) | linear("head.predictor.fc0", 16, 16)


def mm_byol(own: Tensors) -> Tensors:
    return sibling(own, "backbone.", "target_net.module.0.") | linear("target_net.module.1.fc0", 2048, 16) | mm_neck(own)


def mm_moco(own: Tensors) -> Tensors:
    return sibling(own, "backbone.", "encoder_k.module.0.") | linear("encoder_k.module.1.fc0", 2048, 16) | mm_neck(own)


def mm_deep_stem() -> Content:
    net = randomised(DeepStemResNet())
    config = config_text(kind="ResNetV1d")
    return Content({f"backbone.{name}": tensor for name, tensor in net.state_dict().items()}, net,
                   lambda own: openmmlab({**own, **linear("head.fc", 2048, 1000)}, config), prefix="backbone.")  # fmt: skip


def mm_vit_name(name: str) -> str:
    """timm's name to mmpretrain's."""
    for old, new in (("blocks.", "layers."), ("patch_embed.proj", "patch_embed.projection"), ("norm1", "ln1"), ("norm2", "ln2"),
                     ("mlp.fc1", "ffn.layers.0.0"), ("mlp.fc2", "ffn.layers.1")):  # fmt: skip
        name = name.replace(old, new)
    return name.replace("norm.", "ln1.") if name.startswith("norm.") else name


def mm_vit() -> Content:
    from timm.models.vision_transformer import VisionTransformer

    net = randomised(VisionTransformer(img_size=64, patch_size=16, embed_dim=192, depth=2, num_heads=3, num_classes=0))
    tensors = {f"backbone.{mm_vit_name(name)}": tensor for name, tensor in net.state_dict().items()}
    config = "model = dict(backbone=dict(arch='deit-tiny', img_size=64, patch_size=16, type='VisionTransformer'), type='ImageClassifier')\n"
    return Content(tensors, net, lambda own: openmmlab({**own, **linear("head.layers.head", 192, 1000)}, config), prefix="backbone.")


def layouts() -> list[Layout]:
    row, mm = "1a solo-learn", "1a mmselfsup 1.x / mmpretrain"
    cifar10 = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.247, 0.243, 0.261)}
    return [
        Layout("solo-learn-imagenet", "solo-learn", row, partial(solo_learn, "imagenet100"),
               expect={"architecture": "torchvision:resnet18", "prefix": "backbone.", **IMAGENET}),
        Layout("solo-learn-cifar10", "solo-learn", f"{row} CIFAR", partial(solo_learn, "cifar10"), image_size=32,
               expect={**SMALL, "prefix": "backbone.", **cifar10}),
        Layout("solo-learn-old", "solo-learn before 1.0.4", f"{row} old", partial(solo_learn, "imagenet100", momentum=False, old=True),
               expect={"architecture": "torchvision:resnet18", "prefix": "encoder."}),
        Layout("mmselfsup-simsiam", "mmselfsup", mm, partial(mm_resnet, mm_neck), expect={**SMALL, "prefix": "backbone."}),
        Layout("mmselfsup-byol", "mmselfsup", f"{mm} BYOL", partial(mm_resnet, mm_byol), expect={**SMALL, "prefix": "backbone."}),
        Layout("mmselfsup-moco", "mmselfsup", f"{mm} MoCo", partial(mm_resnet, mm_moco), expect={**SMALL, "prefix": "backbone."}),
        Layout("mmpretrain-ema", "mmpretrain with EMAHook", f"{mm} EMAHook", partial(mm_resnet, mm_neck, ema=True), expect={**SMALL, "role": "ema"}),
        Layout("mmpretrain-caffe", "mmpretrain", f"{mm} style caffe", partial(mm_resnet, mm_neck, stride_place="1x1"), expect=SMALL),
        Layout("mmpretrain-deep-stem", "mmpretrain", f"{mm} ResNetV1d", mm_deep_stem),
        Layout("mmpretrain-vit", "mmpretrain", f"{mm} ViT", mm_vit),
    ]  # fmt: skip


