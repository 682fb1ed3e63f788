"""Vision transformers as their repositories save them. timm's transformer with the matching options computes the features; names are changed."""

from __future__ import annotations

import re
from argparse import Namespace
from functools import partial
from typing import Any

import torch
from layouts.layout import Content, Layout, Tensors, sibling
from layouts.random_weights import linear, noise, projector, randomised
from layouts.resnets import trunk
from layouts.saving import optimizer
from torch import nn

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
BICUBIC = {**IMAGENET, "interpolation": "bicubic"}



def vit(*, width: int = 192, depth: int = 2, heads: int = 3, patch: int = 16, image: int = 64, **options: Any) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return randomised(
        VisionTransformer(img_size=image, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads, num_classes=0, **options)
    )


def class_token(net: Any) -> Any:
    return lambda images: net.forward_features(images)[:, 0]


def under(prefix: str, net: nn.Module, pack: Any, features: Any = None, state: Tensors | None = None) -> Content:
    state = dict(net.state_dict()) if state is None else state
    return Content({prefix + name: tensor for name, tensor in state.items()}, features or class_token(net), pack, prefix=prefix)


def dino_head(name: str, width: int) -> Tensors:
    return linear(f"{name}.mlp.0", width, 64) | linear(f"{name}.mlp.2", 64, 64) | linear(f"{name}.mlp.4", 64, 32) | {
        f"{name}.last_layer.weight_g": noise(48, 1), f"{name}.last_layer.weight_v": noise(48, 32)}  # fmt: skip


def dino_full(arch: str, *, masked: bool = False) -> Content:
    """Student wrapped, teacher not; networks with batch norm: both wrapped. masked: iBOT."""
    wrapper = "" if arch.startswith("vit") else "module."
    features: Any
    if arch == "vit_tiny":
        net = vit(depth=12, image=224)
        width, features, state = 192, class_token(net), dict(net.state_dict())
    else:
        net, state = trunk(arch)
        width, features = 512, net
    prefix = f"{wrapper}backbone."
    args = Namespace(arch=arch, patch_size=16, out_dim=48, norm_last_layer=True, data_path="imagenet/train", local_crops_scale=(0.05, 0.4))
    extra = {f"{prefix}masked_embed": noise(1, width)} if masked else {}

    def pack(own: Tensors) -> dict[str, Any]:
        student = {f"module.backbone.{name}": tensor for name, tensor in sibling(own, prefix, "").items()}
        return {
            "student": {**student, **dino_head("module.head", width)}, "teacher": {**own, **extra, **dino_head(f"{wrapper}head", width)},
            "optimizer": optimizer(), "epoch": 100, "args": args, "dino_loss": {"center": noise(1, 48)}, "fp16_scaler": {"scale": 65536.0},
        }  # fmt: skip

    return under(prefix, net, pack, features, state)


def dino_bare() -> Content:
    """dino_deitsmall8: a patch of 8, 12 blocks, nothing else in the file."""
    return under("", vit(patch=8, image=64, depth=12, width=384, heads=6), dict)


def dinov2(**options: Any) -> nn.Module:
    return vit(**{"width": 384, "heads": 6, "patch": 14, "image": 56, "init_values": 1e-5, **options})


def dinov2_names(net: Any, *, registers: bool) -> Tensors:
    """timm's names to the repository's; with registers timm keeps the position of the class token inside that token."""
    state = dict(net.state_dict())
    if registers:
        state["register_tokens"] = state.pop("reg_token")
        position = noise(1, 1, net.embed_dim)
        state["pos_embed"] = torch.cat([position, state["pos_embed"]], dim=1)
        state["cls_token"] = state["cls_token"] - position
    return {"mask_token": noise(1, net.embed_dim), **state}


def swiglu_names(state: Tensors) -> Tensors:
    """The packed gate of the repository: `w12` is gate and value, `w3` the way out."""
    return {name.replace("mlp.fc1.", "mlp.w12.").replace("mlp.fc2.", "mlp.w3."): tensor for name, tensor in state.items()}


def dinov2_hub(kind: str) -> Content:
    if kind == "plain":
        net = dinov2()
        return under("", net, dict, state=dinov2_names(net, registers=False))
    options: dict[str, Any] = {"reg_tokens": 4, "no_embed_class": True}
    if kind == "swiglu":
        from timm.layers import SwiGLUPacked

        options |= {"mlp_layer": SwiGLUPacked, "mlp_ratio": 2.66667 * 2, "act_layer": nn.SiLU}
    net = dinov2(**options, **({"depth": 12, "image": 518} if kind == "full" else {}))
    state = dinov2_names(net, registers=True)
    return under("", net, dict, state=swiglu_names(state) if kind == "swiglu" else state)


def dinov2_training() -> Content:
    """Chunked for sharding: `blocks.<chunk>.<global index>`."""
    net = dinov2(depth=4)
    state = {re.sub(r"^blocks\.(\d+)\.", lambda found: f"blocks.{int(found[1]) // 2}.{found[1]}.", name): tensor
             for name, tensor in dinov2_names(net, registers=False).items()}  # fmt: skip
    return under("backbone.", net, lambda own: {"teacher": {**own, **dino_head("dino_head", 384), **dino_head("ibot_head", 384)}}, state=state)


def dinov3(container: bool) -> Content:
    """timm's Eva under the repository's names; rotary periods and the mask of the key bias are constants in the file."""
    import timm

    net = randomised(timm.create_model("vit_small_patch16_dinov3_qkvb", img_size=64, num_classes=0, global_pool="token", depth=2))
    state: Tensors = {}
    for name, tensor in net.state_dict().items():
        if name.endswith((".q_bias", ".v_bias")):
            continue
        name = {"reg_token": "storage_tokens"}.get(name, name)
        name = re.sub(r"\.gamma_(\d)$", r".ls\1.gamma", name)
        state[name] = tensor
        if name.endswith("attn.qkv.weight"):
            attention = net.get_submodule(name.removesuffix(".qkv.weight"))
            q, v = attention.q_bias, attention.v_bias  # type: ignore[union-attr]
            state[name.replace("weight", "bias")] = torch.cat([q.detach(), torch.zeros_like(q), v.detach()])  # type: ignore[arg-type,operator]
            mask = torch.ones(3 * len(q))  # type: ignore[arg-type]
            mask[len(q) : 2 * len(q)] = 0  # type: ignore[arg-type]
            state[name.replace("weight", "bias_mask")] = mask
    state |= {"mask_token": noise(1, 384), "rope_embed.periods": 100.0 ** (2 * torch.arange(16) / 32)}
    prefix = "backbone." if container else ""
    return under(prefix, net, (lambda own: {"teacher": {**own, **dino_head("dino_head", 384)}}) if container else dict,
                 lambda images: net.forward_features(images)[:, 0], state)  # fmt: skip


def mae_pretrained() -> Content:
    net = vit(depth=3, norm_layer=partial(nn.LayerNorm, eps=1e-6))
    decoder: Tensors = {"mask_token": noise(1, 1, 96), "decoder_pos_embed": noise(1, 17, 96), **linear("decoder_embed", 192, 96)}
    for name, tensor in vit(width=96, depth=1).state_dict().items():
        if name.startswith(("blocks.", "norm.")):
            decoder["decoder_" + name] = tensor
    decoder |= linear("decoder_pred", 96, 768)
    args = Namespace(model="mae_vit_tiny_patch16", mask_ratio=0.75, norm_pix_loss=True, input_size=64)
    return under("", net, lambda own: {"model": {**own, **decoder}, "optimizer": optimizer(), "epoch": 399, "scaler": {}, "args": args})


def mae_fine_tuned() -> Content:
    """Global average of the patches, then `fc_norm`; no `norm` before it."""
    net: Any = vit(depth=3, global_pool="avg")
    args = Namespace(model="vit_tiny_patch16", nb_classes=1000, global_pool=True)
    head = linear("head", 192, 1000)
    return under("", net, lambda own: {"model": {**own, **head}, "optimizer": optimizer(), "epoch": 49, "scaler": {}, "args": args},
                 lambda images: net.forward_head(net.forward_features(images), pre_logits=True))  # fmt: skip


def ijepa() -> Content:
    """No class token; the mean of the patches after the last norm."""
    net: Any = vit(class_token=False, global_pool="", patch=16, image=64)
    predictor = {"module.mask_token": noise(1, 1, 96), "module.predictor_pos_embed": noise(1, 16, 96), **linear("module.predictor_embed", 192, 96)}
    for name, tensor in vit(width=96, depth=1).state_dict().items():
        if name.startswith("blocks."):
            predictor["module.predictor_" + name] = tensor

    def pack(own: Tensors) -> dict[str, Any]:
        return {"encoder": sibling(own, "", ""), "predictor": predictor, "opt": optimizer(), "scaler": None, "target_encoder": own,
                "epoch": 300, "loss": 0.1, "batch_size": 2048, "world_size": 16, "lr": 0.001}  # fmt: skip

    return under("module.", net, pack, lambda images: net.forward_features(images).mean(1))


def moco_v3(arch: str) -> Content:
    """MoCo v3 gives its vit_small 12 heads, twice as many as everybody else."""
    net = vit(width=384, depth=12, heads=12, image=224)

    def pack(own: Tensors) -> dict[str, Any]:
        average = sibling(own, "module.base_encoder.", "module.momentum_encoder.")
        heads = projector("module.base_encoder.head", 384) | projector("module.momentum_encoder.head", 384) | projector("module.predictor", 16)
        return {"epoch": 300, "arch": arch, "state_dict": {**own, **average, **heads}, "optimizer": optimizer(), "scaler": {}}

    return under("module.base_encoder.", net, pack)


def moco_v3_converted() -> Content:
    net = vit(image=224)
    return under("", net, lambda own: {"model": own})


def deit(distilled: bool) -> Content:
    """DeiT keeps `model` and `model_ema`."""
    import timm

    net: Any = randomised(timm.create_model("deit_tiny_distilled_patch16_224" if distilled else "deit_tiny_patch16_224", num_classes=0))
    args = Namespace(model="deit_tiny_distilled_patch16_224" if distilled else "deit_tiny_patch16_224", input_size=224, drop_path=0.1)
    head = linear("head", 192, 1000) | (linear("head_dist", 192, 1000) if distilled else {})

    def pack(own: Tensors) -> dict[str, Any]:
        raw = {**sibling(own, "", ""), **head}
        return {"model": raw, "optimizer": optimizer(), "lr_scheduler": {}, "epoch": 299, "model_ema": {**own, **head}, "scaler": {}, "args": args}

    return under("", net, pack, lambda images: net.forward_head(net.forward_features(images), pre_logits=True))


def torchvision_vit(old: bool) -> Content:
    """torchvision's transformer; before 0.14 the layers of its MLP were `linear_1` and `linear_2`."""
    from torchvision.models.vision_transformer import VisionTransformer

    net: Any = randomised(VisionTransformer(64, 16, 2, 3, 192, 768, num_classes=10))
    state = dict(net.state_dict())
    head = {name: state.pop(name) for name in ("heads.head.weight", "heads.head.bias")}
    if old:
        state = {name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): tensor for name, tensor in state.items()}

    def features(images: torch.Tensor) -> torch.Tensor:
        tokens = net._process_input(images)
        return net.encoder(torch.cat([net.class_token.expand(len(tokens), -1, -1), tokens], 1))[:, 0]

    return under("", net, lambda own: {**own, **head}, features, state)


def layouts() -> list[Layout]:
    ema = {"role": "ema"}
    return [
        Layout("dino-full", "facebookresearch/dino", "1c DINO full", partial(dino_full, "vit_tiny"), image_size=224, n_images=2,
               expect={**BICUBIC, **ema, "prefix": "backbone."}),
        Layout("dino-full-resnet", "facebookresearch/dino", "1c DINO full (BN net)", partial(dino_full, "resnet18"),
               expect={"architecture": "torchvision:resnet18", "prefix": "backbone.", **ema}),
        Layout("dino-backbone", "facebookresearch/dino", "1c DINO backbone-only", dino_bare, slow=True),
        Layout("ibot-full", "bytedance/ibot", "1c iBOT", partial(dino_full, "vit_tiny", masked=True), image_size=224, n_images=2, expect=ema),
        Layout("dinov2-hub", "facebookresearch/dinov2", "1c DINOv2 hub", partial(dinov2_hub, "plain"), image_size=56, expect=BICUBIC),
        Layout("dinov2-reg4", "facebookresearch/dinov2", "1c DINOv2 hub reg4", partial(dinov2_hub, "reg4"), image_size=56, expect=BICUBIC),
        Layout("dinov2-reg4-swiglu", "facebookresearch/dinov2", "1c DINOv2 hub reg4 SwiGLU", partial(dinov2_hub, "swiglu"), image_size=56),
        Layout("dinov2-vits14-reg4", "facebookresearch/dinov2", "1c DINOv2 hub ViT-S/14", partial(dinov2_hub, "full"), image_size=518,
               n_images=1, expect={**BICUBIC, "size": (518, 518)}, slow=True),
        Layout("dinov2-training", "facebookresearch/dinov2", "1c DINOv2 training", dinov2_training, image_size=56, expect={"prefix": "backbone."}),
        Layout("dinov3", "facebookresearch/dinov3", "1c DINOv3", partial(dinov3, False)),
        Layout("dinov3-teacher", "facebookresearch/dinov3", "1c DINOv3 teacher", partial(dinov3, True), expect={"prefix": "backbone."}),
        Layout("mae", "facebookresearch/mae", "1c MAE", mae_pretrained, expect=BICUBIC),
        Layout("mae-fine-tuned", "facebookresearch/mae", "1c MAE fine-tuned", mae_fine_tuned),
        Layout("ijepa", "facebookresearch/ijepa", "1c I-JEPA", ijepa, expect=ema),
        Layout("moco-v3-vit-small", "facebookresearch/moco-v3", "1a MoCo v3 ViT", partial(moco_v3, "vit_small"), image_size=224, n_images=2,
               expect={"prefix": "base_encoder."}),
        Layout("moco-v3-converted", "converters of moco-v3", "1a MoCo v3 converted", moco_v3_converted, image_size=224, n_images=2),
        Layout("deit", "facebookresearch/deit", "1c DeiT", partial(deit, False), image_size=224, n_images=2, expect={**IMAGENET, **ema}),
        Layout("deit-distilled", "facebookresearch/deit", "1c DeiT distilled", partial(deit, True), image_size=224, n_images=2, expect=ema),
        Layout("torchvision-vit", "torchvision", "1c torchvision ViT", partial(torchvision_vit, False)),
        Layout("torchvision-vit-old", "torchvision before 0.14", "1c torchvision ViT (linear_1)", partial(torchvision_vit, True)),
    ]  # fmt: skip
