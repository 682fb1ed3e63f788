"""timm: bare state dicts, files of its train.py, and folders with config.json."""

from __future__ import annotations

import json
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from layouts.layout import Content, Layout, Tensors, sibling
from layouts.random_weights import randomised
from layouts.saving import optimizer, safetensors_save, torch_save


def network(name: str, *, gain: float = 1.0, **options: Any) -> Any:
    import timm

    return randomised(timm.create_model(name, **options), gain=gain)


def features_of(net: Any) -> Any:
    return lambda images: net.forward_head(net.forward_features(images), pre_logits=True)


def parts(net: Any) -> tuple[Tensors, Tensors]:
    """The tensors of the encoder and those of the classifier."""
    words = net.pretrained_cfg["classifier"]
    names = tuple(f"{word}." for word in ([words] if isinstance(words, str) else words))
    state = dict(net.state_dict())
    head = {name: tensor for name, tensor in state.items() if name.startswith(names)}
    return {name: tensor for name, tensor in state.items() if name not in head}, head


def bare(name: str, *, safetensors: bool = False, gain: float = 1.0) -> Content:
    net = network(name, gain=gain)
    body, head = parts(net)
    return Content(body, features_of(net), lambda own: {**own, **head}, safetensors_save if safetensors else torch_save)


def trained(name: str) -> Content:
    """train.py with --model-ema: raw weights in `state_dict`, their average in `state_dict_ema`."""
    net = network(name)
    body, head = parts(net)
    args = Namespace(model=name, dataset="", batch_size=128, img_size=None, mean=None, std=None, opt="sgd", num_classes=None)

    def pack(own: Tensors) -> dict[str, Any]:
        return {"epoch": 10, "arch": name, "state_dict": {**sibling(own, "", ""), **head}, "optimizer": optimizer(), "version": 2, "args": args,
                "amp_scaler": {"scale": 1.0}, "state_dict_ema": {**own, **head}, "metric": 71.2}  # fmt: skip

    return Content(body, features_of(net), pack)


def folder(name: str, model_args: dict[str, Any] | None = None, **stated: Any) -> Content:
    """What save_for_hf writes: config.json with the architecture, its arguments and its preprocessing."""
    net = network(name, **(model_args or {}))
    body, head = parts(net)
    config = {key: value for key, value in net.pretrained_cfg.items() if isinstance(value, str | int | float | tuple | list)}
    content = {"architecture": name, "num_classes": net.num_classes, "num_features": net.num_features, "pretrained_cfg": {**config, **stated}}
    if model_args:
        content["model_args"] = model_args

    def save(tensors: Tensors, place: Path) -> Path:
        (place / "config.json").write_text(json.dumps(content))
        safetensors_save(tensors, place)
        return place

    return Content(body, features_of(net), lambda own: {**own, **head}, save)


def layouts() -> list[Layout]:
    row = "1c timm"
    vit = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bicubic"}
    other = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bicubic"}
    named: dict[str, Any] = {"architecture": "timm:vit_tiny_patch16_224", **vit}
    return [
        Layout("timm-resnet10t", "timm", f"{row} bare", partial(bare, "resnet10t")),
        Layout("timm-convnext-atto", "timm", f"{row} bare (index)", partial(bare, "convnext_atto"), expect={"architecture": "timm:convnext_atto"}),
        Layout("timm-mobilenetv3", "timm", f"{row} bare (index)", partial(bare, "mobilenetv3_small_050", safetensors=True, gain=1.5),
               expect={"architecture": "timm:(tf_)?mobilenetv3_small_050"}),
        Layout("timm-seresnet", "timm", f"{row} bare (squeeze and excitation)", partial(bare, "seresnet18")),
        Layout("timm-train-vit", "timm train.py", f"{row} train.py", partial(trained, "vit_tiny_patch16_224"), image_size=224, n_images=2,
               expect={**named, "role": "ema"}),
        Layout("timm-folder-vit", "timm save_for_hf", f"{row} dir", partial(folder, "vit_tiny_patch16_224"), image_size=224, n_images=2,
               expect=named),
        Layout("timm-folder-stated", "timm save_for_hf", f"{row} dir (pretrained_cfg)", partial(folder, "resnet18", **other),
               expect={"architecture": "timm:resnet18", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "interpolation": "bicubic"}),
        Layout("timm-folder-arguments", "timm save_for_hf", f"{row} dir (model_args)",
               partial(folder, "vit_tiny_patch16_224", {"img_size": 64, "depth": 3, "reg_tokens": 2})),
    ]  # fmt: skip


