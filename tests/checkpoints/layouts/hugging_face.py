"""Folders of Hugging Face: config.json, weights (one safetensors file, a .bin, shards), preprocessor_config.json."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from layouts.layout import Content, Layout, Tensors
from layouts.random_weights import randomised
from layouts.saving import safetensors_save, torch_save

SIZES = {"hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 768, "image_size": 64, "patch_size": 16}
WITHOUT_MLP = {name: value for name, value in SIZES.items() if name != "intermediate_size"}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}


def on_disk(net: Any) -> tuple[str, Tensors]:
    """The configuration and the tensors as this version of transformers writes them."""
    import transformers
    from safetensors.torch import load_file

    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as place:
        net.save_pretrained(place)
        return (Path(place) / "config.json").read_text(), load_file(Path(place) / "model.safetensors")


def preprocessor(size: int, mean: tuple[float, ...] = HALF["mean"], std: tuple[float, ...] = HALF["std"]) -> str:
    return json.dumps({
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": mean, "image_std": std, "resample": 2,
        "rescale_factor": 1 / 255, "size": {"height": size, "width": size}, "image_processor_type": "ViTImageProcessor",
    })  # fmt: skip


def folder(config: str, stated: str, how: str, tensors: Tensors, place: Path) -> Path:
    (place / "config.json").write_text(config)
    (place / "preprocessor_config.json").write_text(stated)
    if how == "safetensors":
        safetensors_save(tensors, place)
    elif how == "bin":
        torch_save(tensors, place, "pytorch_model.bin")
    else:
        shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
        where = {name: shards[index % 2] for index, name in enumerate(tensors)}
        for shard in shards:
            safetensors_save({name: tensors[name] for name in tensors if where[name] == shard}, place, shard)
        index = {"metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())}, "weight_map": where}
        (place / "model.safetensors.index.json").write_text(json.dumps(index))
    return place


def content(net: Any, features: Callable[[torch.Tensor], torch.Tensor], prefix: str = "", *, how: str = "safetensors", size: int = 64,
            **values: Any) -> Content:  # fmt: skip
    randomised(net)
    config, everything = on_disk(net)
    body = {name: tensor for name, tensor in everything.items() if name.startswith(prefix) and "pooler" not in name}
    rest = {name: tensor for name, tensor in everything.items() if name not in body}
    return Content(body, features, lambda own: {**own, **rest}, partial(folder, config, preprocessor(size, **values), how), prefix)


def vit(kind: str) -> Content:
    import transformers

    if kind == "classifier":
        net = transformers.ViTForImageClassification(transformers.ViTConfig(**SIZES))
        return content(net, lambda images: net.vit(images).last_hidden_state[:, 0], "vit.")
    net = transformers.ViTModel(transformers.ViTConfig(**SIZES))
    return content(net, lambda images: net(images).last_hidden_state[:, 0], how=kind)


def state_dict_of_vit() -> Content:
    """torch.save(model.state_dict()): names in memory, which are not those on disk, and no configuration."""
    import transformers

    net = randomised(transformers.ViTModel(transformers.ViTConfig(**SIZES)))
    body = {name: tensor for name, tensor in net.state_dict().items() if "pooler" not in name}
    return Content(body, lambda images: net(images).last_hidden_state[:, 0])


def strange_heads() -> Content:
    """Twice the usual number of heads and another activation: only the configuration says so."""
    import transformers

    sizes = {**SIZES, "num_attention_heads": 6, "hidden_act": "relu", "layer_norm_eps": 1e-3}
    net = transformers.ViTModel(transformers.ViTConfig(**sizes))
    return content(net, lambda images: net(images).last_hidden_state[:, 0])


def dinov2(kind: str) -> Content:
    import transformers

    sizes = {**WITHOUT_MLP, "patch_size": 14, "image_size": 56}
    if kind == "plain":
        net: Any = transformers.Dinov2Model(transformers.Dinov2Config(**sizes))
    else:
        net = transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**sizes, use_swiglu_ffn=kind == "swiglu"))
    return content(net, lambda images: net(images).last_hidden_state[:, 0], size=56)


def dinov3() -> Content:
    import transformers

    net = transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**SIZES, num_register_tokens=4))
    return content(net, lambda images: net(images).last_hidden_state[:, 0])


def mae() -> Content:
    import transformers

    decoder = {"decoder_hidden_size": 48, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 3, "decoder_intermediate_size": 96}
    net = transformers.ViTMAEForPreTraining(transformers.ViTMAEConfig(**SIZES, **decoder, mask_ratio=0.0))
    return content(net, lambda images: net.vit(images).last_hidden_state[:, 0], "vit.")


def ijepa() -> Content:
    import transformers

    net = transformers.IJepaModel(transformers.IJepaConfig(**SIZES))
    return content(net, lambda images: net(images).last_hidden_state.mean(1))


def resnet(kind: str) -> Content:
    """The 1x1 convolution strides where `downsample_in_bottleneck` says so, which only the configuration does."""
    import transformers

    sizes: dict[str, Any] = {"embedding_size": 16, "hidden_sizes": [32, 64, 128, 256], "depths": [1, 1, 1, 1]}
    if kind == "basic":
        sizes = {"embedding_size": 32, "hidden_sizes": [32, 64, 128, 256], "depths": [1, 1, 1, 1], "layer_type": "basic"}
    config = transformers.ResNetConfig(**sizes, downsample_in_bottleneck=kind == "1x1")
    net = transformers.ResNetForImageClassification(config)
    return content(net, lambda images: net.resnet(images).pooler_output.flatten(1), "resnet.")


def clip() -> Content:
    """QuickGELU, before the projection."""
    import transformers

    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50, "bos_token_id": 1,
            "eos_token_id": 2}  # fmt: skip
    net = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=SIZES, projection_dim=32))
    return content(net, lambda images: net.vision_model(images).pooler_output, "vision_model.", **CLIP)


def sentence() -> Content:
    """A folder of sentence-transformers: the image model in a numbered folder that modules.json names."""
    tower = clip()
    save_model = tower.save

    def save(tensors: Tensors, place: Path) -> Path:
        (place / "0_CLIPModel").mkdir()
        save_model(tensors, place / "0_CLIPModel")
        modules = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}]
        (place / "modules.json").write_text(json.dumps(modules))
        (place / "config_sentence_transformers.json").write_text(json.dumps({"__version__": {"sentence_transformers": "2.0.0"}}))
        return place

    tower.save = save
    return tower


def layouts() -> list[Layout]:
    row, written = "1c HF", "transformers"
    made = partial(Layout, requires=("transformers",))
    half = {**HALF, "size": (64, 64)}
    return [
        made("hf-vit-classifier", written, f"{row} ViT", partial(vit, "classifier"), expect={"prefix": "vit.", **half}),
        made("hf-vit-bin", written, f"{row} ViT (pytorch_model.bin)", partial(vit, "bin"), expect=half),
        made("hf-vit-shards", written, f"{row} ViT (index.json)", partial(vit, "shards"), expect=half),
        made("hf-vit-state-dict", written, f"{row} ViT (state_dict of transformers 5)", state_dict_of_vit),
        made("hf-vit-config", written, f"{row} ViT (heads, activation and eps of the configuration)", strange_heads),
        made("hf-dinov2", written, f"{row} DINOv2", partial(dinov2, "plain"), image_size=56),
        made("hf-dinov2-registers", written, f"{row} DINOv2 with registers", partial(dinov2, "registers"), image_size=56),
        made("hf-dinov2-swiglu", written, f"{row} DINOv2 with registers and SwiGLU", partial(dinov2, "swiglu"), image_size=56),
        made("hf-dinov3", written, f"{row} DINOv3", dinov3),
        made("hf-mae", written, f"{row} ViTMAE", mae, expect={"prefix": "vit."}),
        made("hf-ijepa", written, f"{row} I-JEPA", ijepa),
        made("hf-resnet", written, f"{row} ResNet", partial(resnet, "3x3"), expect={"prefix": "resnet."}),
        made("hf-resnet-basic", written, f"{row} ResNet (basic blocks)", partial(resnet, "basic")),
        made("hf-resnet-downsample", written, f"{row} ResNet (downsample_in_bottleneck)", partial(resnet, "1x1")),
        made("hf-clip", written, f"{row} CLIP", clip, expect={"prefix": "vision_model.", **CLIP}),
        made("sentence-transformers", "sentence-transformers", "1c sentence-transformers dir", sentence, expect=CLIP),
    ]  # fmt: skip
