"""OpenCLIP's training files and folders, its timm towers, and OpenAI's archives; features before the projection into the shared space."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from layouts.layout import Content, Layout, Tensors, cut, other_values
from layouts.random_weights import randomised
from layouts.saving import optimizer, safetensors_save
from torch import nn

CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711), "interpolation": "bicubic"}
TEXT = {"context_length": 8, "vocab_size": 50, "width": 32, "heads": 2, "layers": 1}
VISION: dict[str, Any] = {"layers": 2, "width": 192, "head_width": 64, "patch_size": 16, "image_size": 64}


def model(vision: dict[str, Any], *, quick: bool = False, gain: float = 1.0) -> Any:
    from open_clip.model import CLIP as Clip
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg

    return randomised(Clip(32, CLIPVisionCfg(**vision), CLIPTextCfg(**TEXT), quick_gelu=quick), gain=gain)


def unprojected(visual: nn.Module) -> Any:
    net: Any = copy.deepcopy(visual)
    net.proj = None
    return net


def split(net: Any, root: str = "") -> tuple[Tensors, Tensors]:
    state = {root + name: tensor for name, tensor in net.state_dict().items()}
    tower = {name: tensor for name, tensor in state.items() if name.startswith(f"{root}visual.") and not name.endswith("visual.proj")}
    return tower, {name: tensor for name, tensor in state.items() if name not in tower}


def rival(root: str, name: str) -> str:
    return f"{root}second_tower.{name.removeprefix(root)}"


def training() -> Content:
    net = model(VISION)
    tower, rest = split(net, "module.")

    def pack(own: Tensors) -> dict[str, Any]:
        return {"epoch": 32, "name": "2024_01_01-lr_0.001-b_1024", "state_dict": {**own, **rest}, "optimizer": optimizer(), "scaler": {}}

    return Content(tower, unprojected(net.visual), pack, prefix="module.visual.", rival=partial(rival, "module."))


def folder(quick: bool) -> Content:
    """open_clip_config.json says whether GELU is approximated, which the weights do not."""
    net = model(VISION, quick=quick)
    tower, rest = split(net)
    config = {
        "model_cfg": {"embed_dim": 32, "quick_gelu": quick, "vision_cfg": VISION, "text_cfg": TEXT},
        "preprocess_cfg": {"mean": CLIP["mean"], "std": CLIP["std"], "interpolation": "bicubic", "resize_mode": "shortest"},
    }

    def save(tensors: Tensors, place: Path) -> Path:
        (place / "open_clip_config.json").write_text(json.dumps(config))
        safetensors_save(tensors, place, "open_clip_model.safetensors")
        return place

    return Content(tower, unprojected(net.visual), lambda own: {**own, **rest}, save, "visual.", partial(rival, ""))


def timm_tower() -> Content:
    net = model({"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "", "image_size": 224})
    state = net.state_dict()
    tower = {name: tensor for name, tensor in state.items() if name.startswith("visual.trunk.")}
    rest = {name: tensor for name, tensor in state.items() if name not in tower}
    trunk = net.visual.trunk
    return Content(tower, lambda images: trunk.forward_head(trunk.forward_features(images), pre_logits=True), lambda own: {**own, **rest},
                   prefix="visual.trunk.")  # fmt: skip


def residual() -> Content:
    """The residual tower: three convolutions in the stem, average pools for strides, attention as the pool."""
    net = model({"layers": (1, 1, 1, 1), "width": 32, "head_width": 64, "image_size": 64}, gain=1.5)
    state = net.state_dict()
    tower = {name: tensor for name, tensor in state.items() if name.startswith("visual.")}
    rest = {name: tensor for name, tensor in state.items() if name not in tower}
    return Content(tower, net.visual, lambda own: {**own, **rest}, prefix="visual.", rival=partial(rival, ""))


class Archive(nn.Module):
    """What OpenAI traced: the image tower, and numbers of the text side as buffers."""

    def __init__(self, visual: nn.Module, second: nn.Module | None) -> None:
        super().__init__()
        self.visual = visual
        self.logit_scale = nn.Parameter(torch.tensor(4.6))
        self.text_projection = nn.Parameter(torch.zeros(32, 32))
        for name, value in (("input_resolution", 64), ("context_length", 8), ("vocab_size", 50)):
            self.register_buffer(name, torch.tensor(value))
        self.second_tower = Archive(second, None) if second is not None else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.visual(images) @ self.text_projection * self.logit_scale.exp()
        return features if self.second_tower is None else features + self.second_tower(images)


def open_ai() -> Content:
    """A TorchScript archive with QuickGELU, which its names and its kind tell."""
    net = model(VISION, quick=True)

    def write(place: Path, how: str) -> Path:
        visual, second = copy.deepcopy(net.visual), None
        if how == "removed":
            visual.transformer.resblocks[1].ln_2 = nn.Identity()
        elif how == "reshaped":
            middle = visual.transformer.resblocks[0].mlp
            middle.c_fc.bias = nn.Parameter(cut(middle.c_fc.bias.detach()))
            middle.c_fc.weight = nn.Parameter(cut(middle.c_fc.weight.detach()))
            middle.c_proj.weight = nn.Parameter(middle.c_proj.weight.detach()[:, :-1].clone())
        elif how == "rival":
            second = copy.deepcopy(net.visual)
            second.load_state_dict({name: other_values(tensor) for name, tensor in second.state_dict().items()})
        torch.jit.save(torch.jit.trace(Archive(visual, second).eval(), torch.zeros(1, 3, 64, 64), check_trace=False), place / "ViT-T-16.pt")
        return place / "ViT-T-16.pt"

    return Content({}, unprojected(net.visual), own_write=write)


def layouts() -> list[Layout]:
    row = "1c OpenCLIP / OpenAI CLIP"
    made = partial(Layout, requires=("open_clip",))
    return [
        made("open-clip-training", "open_clip", f"{row} training", training, expect=CLIP),
        made("open-clip-folder", "open_clip", f"{row} dir", partial(folder, False), expect=CLIP),
        made("open-clip-folder-quick", "open_clip", f"{row} dir (QuickGELU)", partial(folder, True), expect=CLIP),
        made("open-clip-timm-tower", "open_clip", f"{row} timm tower", timm_tower, image_size=224, n_images=2, expect={"prefix": "visual.trunk."}),
        made("open-clip-residual", "open_clip", f"{row} RN", residual),
        made("open-ai-clip", "openai/CLIP", f"{row} TorchScript", open_ai, expect={"mean": CLIP["mean"]}),
    ]  # fmt: skip
