"""Wrappers and containers that any network can be in: parallel training, compilation, averages, shards, whole modules, exports."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from layouts import saving
from layouts.layout import Content, Layout, Tensors, cut, other_values, sibling
from layouts.msgpack_file import nested, packed
from layouts.random_weights import linear, noise, randomised
from layouts.resnets import Block, ReferenceResNet, renamed, trunk
from layouts.saving import optimizer, safetensors_save, torch_save
from torch import nn

SMALL: dict[str, Any] = {"architecture": "repr_probe:resnet"}


def prefixed(prefix: str) -> Content:
    net, state = trunk("small")
    return Content(renamed(state, lambda name: prefix + name), net, lambda own: {"state_dict": {**own, f"{prefix}fc.weight": noise(10, 512)}},
                   prefix=prefix)  # fmt: skip


def inside(words: tuple[str, ...]) -> Content:
    """Wrappers around the whole and around every block."""
    net, state = trunk("small")
    outer, block = words

    def rename(name: str) -> str:
        parts = name.split(".")
        return outer + (".".join([*parts[:2], block.rstrip("."), *parts[2:]]) if name.startswith("layer") else name)

    return Content(renamed(state, rename), net, prefix=outer)


def averaged() -> Content:
    """torch's own AveragedModel."""
    net, state = trunk("small")
    average = torch.optim.swa_utils.AveragedModel(net)
    tensors = {name: tensor for name, tensor in average.state_dict().items() if name.startswith("module.")}
    tensors = {name: state[name.removeprefix("module.")] for name in tensors}
    return Content(tensors, net, lambda own: {"n_averaged": torch.tensor(7), **own}, prefix="module.")


def model_and_average(raw: str, average: str) -> Content:
    net, state = trunk("small")
    return Content(state, net, lambda own: {raw: {**sibling(own, "", ""), **linear("fc", 512, 10)}, average: {**own, **linear("fc", 512, 10)},
                                            "optimizer": optimizer(), "epoch": 3})  # fmt: skip


def distributed_folder() -> Content:
    net, state = trunk("small")

    def save(content: dict[str, Any], place: Path) -> Path:
        import torch.distributed.checkpoint as dcp

        dcp.save(content, checkpoint_id=place / "dcp", no_dist=True)
        return place / "dcp"

    tensors = {f"model.{name}": tensor for name, tensor in state.items()}
    return Content(tensors, net, lambda own: {**own, "step": torch.tensor(100), "optim.state.exp_avg": noise(64, 3, 7, 7)}, save, "model.")


def deep_speed() -> Content:
    """Stages up to 2: the whole module in one file of a folder that `latest` names."""
    net, state = trunk("small")

    def save(own: Tensors, place: Path) -> Path:
        (place / "latest").write_text("global_step10")
        step = place / "global_step10"
        step.mkdir()
        content = {"module": own, "buffer_names": [], "optimizer": None, "param_shapes": [], "lr_scheduler": None, "sparse_tensor_module_names": [],
                   "global_steps": 10, "dp_world_size": 1, "mp_world_size": 1, "ds_config": {"zero_optimization": {"stage": 2}},
                   "ds_version": "0.12.3"}  # fmt: skip
        torch_save(content, step, "mp_rank_00_model_states.pt")
        torch_save({"optimizer_state_dict": {"zero_stage": 2, "single_partition_of_fp32_groups": [noise(1000)]}}, step,
                   "zero_pp_rank_0_mp_rank_00_optim_states.pt")  # fmt: skip
        return place

    return Content({f"backbone.{name}": tensor for name, tensor in state.items()}, net, dict, save, "backbone.")


def broken_module(net: nn.Module, how: str, victim: str) -> nn.Module:
    """A copy without a tensor, with one cut, or with a second network beside it. victim: a convolution."""
    net = copy.deepcopy(net)
    owner = net.get_submodule(victim)
    if how == "removed":
        del owner._parameters["weight"]
    elif how == "reshaped":
        owner._parameters["weight"] = nn.Parameter(cut(owner.weight.detach()))  # type: ignore[arg-type,operator]
    elif how == "rival":
        second = copy.deepcopy(net)
        second.load_state_dict({name: other_values(tensor) for name, tensor in second.state_dict().items()})
        pair = nn.Module()
        pair.add_module("first_tower", net)
        pair.add_module("second_tower", second)
        return pair
    return net


@contextmanager
def elsewhere(*classes: type) -> Iterator[None]:
    """The classes pickle as members of a project that is not installed."""
    before = [(known, known.__module__) for known in classes]
    for known in classes:
        known.__module__ = "thesis.networks"
        saving._FOREIGN[known.__module__, known.__name__] = known
    try:
        yield
    finally:
        for known, module in before:
            saving._FOREIGN.pop(("thesis.networks", known.__name__))
            known.__module__ = module


def pickled_torchvision() -> Content:
    import torchvision

    net = randomised(torchvision.models.resnet18(num_classes=10))
    body: Any = copy.deepcopy(net)
    body.fc = nn.Identity()
    return Content({}, body, own_write=lambda place, how: torch_save(broken_module(net, how, "layer3.1.conv1"), place))


def pickled_foreign() -> Content:
    """Padding and the place of the stride stand in the pickled convolutions and nowhere else."""
    net = randomised(ReferenceResNet(bottleneck=True, width=32, stem="solo", stride_place="1x1"))

    def write(place: Path, how: str) -> Path:
        with elsewhere(ReferenceResNet, Block):
            return torch_save({"model": broken_module(net, how, "layer2.0.conv2"), "epoch": 4}, place)

    return Content({}, net, own_write=write)


def pickled_vit() -> Content:
    """Twice the usual heads and another epsilon: the pickled modules know."""
    from timm.models.vision_transformer import VisionTransformer

    net: Any = randomised(VisionTransformer(img_size=64, patch_size=16, embed_dim=192, depth=2, num_heads=6, num_classes=0,
                                            norm_layer=partial(nn.LayerNorm, eps=1e-3)))  # fmt: skip
    return Content({}, lambda images: net.forward_features(images)[:, 0],
                   own_write=lambda place, how: torch_save(broken_module(net, how, "blocks.1.attn.qkv"), place))  # fmt: skip


def runnable(net: nn.Module, how: str) -> nn.Module:
    """A network spoiled so that it still runs, as tracing needs."""
    net = copy.deepcopy(net)
    if how == "removed":
        net.layer3[0].bn2 = nn.Identity()  # type: ignore[index,union-attr,operator]
    elif how == "reshaped":
        net.layer2[0].conv2 = nn.Conv2d(128, 128, 3, padding=1, groups=2, bias=False)  # type: ignore[index,union-attr,operator]
    elif how == "rival":
        second = copy.deepcopy(net)
        second.load_state_dict({name: other_values(tensor) for name, tensor in second.state_dict().items()})
        return Sum(net, second)
    return net.eval()


class Sum(nn.Module):
    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first_tower, self.second_tower = first, second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first_tower(x) + self.second_tower(x)


def exported(write_module: Callable[[nn.Module, Path], None], name: str) -> Content:
    net, _ = trunk("small")

    def write(place: Path, how: str) -> Path:
        write_module(runnable(net, how).eval(), place / name)
        return place / name

    return Content({}, net, own_write=write)


def traced(net: nn.Module, path: Path) -> None:
    torch.jit.save(torch.jit.trace(net, torch.zeros(2, 3, 64, 64), check_trace=False), path)


def program(net: nn.Module, path: Path) -> None:
    torch.export.save(torch.export.export(net, (torch.zeros(2, 3, 64, 64),)), path)


def plain_safetensors() -> Content:
    net, state = trunk("resnet18")
    return Content(state, net, lambda own: {**own, **linear("fc", 512, 10)}, safetensors_save)


def half_precision() -> Content:
    net, _ = trunk("small")
    net.load_state_dict({name: tensor.half().float() if tensor.is_floating_point() else tensor for name, tensor in net.state_dict().items()})
    return Content({name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in net.state_dict().items()}, net)


def grey() -> Content:
    net, state = trunk("small", channels=1)
    return Content(state, net)


def flax_tree(tensors: Tensors) -> dict[str, Any]:
    """torch's names and axes to Flax's: kernels (height, width, in, out), statistics apart."""
    params: dict[str, np.ndarray] = {}
    statistics: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        owner, _, last = name.rpartition(".")
        values = tensor.numpy()
        if last.startswith("running_"):
            statistics[f"{owner}.{last.removeprefix('running_')}"] = values
        elif last == "weight" and values.ndim >= 2:
            params[f"{owner}.kernel"] = np.ascontiguousarray(values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T)
        elif last == "weight":
            params[f"{owner}.scale"] = values
        elif last != "num_batches_tracked":
            params[name] = values
    return {"params": nested(params), "batch_stats": nested(statistics)} if statistics else nested(params)


def flax_resnet() -> Content:
    net, state = trunk("small")
    state = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}

    def save(own: Tensors, place: Path) -> Path:
        (place / "model.msgpack").write_bytes(packed(flax_tree(own)))
        return place / "model.msgpack"

    return Content(state, net, lambda own: {**own, **linear("fc", 512, 10)}, save)


def flax_vit() -> Content:
    """A folder of Hugging Face with flax_model.msgpack in place of torch weights."""
    from layouts.hugging_face import vit

    content = vit("bin")
    save_torch = content.save

    def save(own: Tensors, place: Path) -> Path:
        save_torch(own, place)
        (place / "pytorch_model.bin").unlink()
        (place / "flax_model.msgpack").write_bytes(packed(flax_tree(own)))
        return place

    content.save = save
    return content


def layouts() -> list[Layout]:
    one = {**SMALL, "prefix": ""}
    return [
        Layout("ddp", "DistributedDataParallel", "1d DDP/DataParallel", partial(prefixed, "module."), expect=one),
        Layout("compile-ddp", "torch.compile around DDP", "1d torch.compile", partial(prefixed, "_orig_mod.module."), expect=one),
        Layout("ddp-compile", "DDP around torch.compile", "1d torch.compile", partial(prefixed, "module._orig_mod."), expect=one),
        Layout("fsdp", "FSDP", "1d FSDP full", partial(inside, ("_fsdp_wrapped_module.", "_fsdp_wrapped_module.")), expect=one),
        Layout("activation-checkpoint", "checkpoint_wrapper", "1d activation checkpoint", partial(inside, ("module.", "_checkpoint_wrapped_module.")),
               expect=one),
        Layout("dcp-folder", "torch.distributed.checkpoint", "1d DCP dir", distributed_folder, expect=SMALL),
        Layout("deepspeed", "DeepSpeed stage 2", "1d DeepSpeed", deep_speed, expect={**SMALL, "prefix": "backbone."}),
        Layout("swa", "torch.optim.swa_utils", "1d EMA swa_utils", averaged, expect=one),
        Layout("ema", "model and ema", "1d EMA ema", partial(model_and_average, "model", "ema"), expect={**SMALL, "role": "ema"}),
        Layout("ema-state-dict", "model_state_dict and ema_state_dict", "1d EMA ema_state_dict",
               partial(model_and_average, "model_state_dict", "ema_state_dict"), expect={**SMALL, "role": "ema"}),
        Layout("module-torchvision", "torch.save(module)", "1d whole-module pickle", pickled_torchvision,
               expect={"architecture": "torchvision:resnet18"}),
        Layout("module-foreign", "torch.save(module) of another project", "1d whole-module pickle (class not installed)", pickled_foreign,
               expect={"architecture": "repr_probe:resnet"}),
        Layout("module-vit", "torch.save(module) of timm", "1d whole-module pickle (heads)", pickled_vit),
        Layout("torchscript", "torch.jit.trace", "1d TorchScript", partial(exported, traced, "model.pt"), expect=SMALL),
        Layout("export", "torch.export.save", "1d torch.export .pt2", partial(exported, program, "model.pt2"), expect=SMALL, slow=True),
        Layout("safetensors", "safetensors", "1d safetensors", plain_safetensors, expect={"architecture": "torchvision:resnet18"}),
        Layout("half-precision", "torch.save(model.half().state_dict())", "1d float16", half_precision, expect=SMALL),
        Layout("grey", "a stem of one channel", "3a 37", grey, channels=1, expect=SMALL),
        Layout("flax-resnet", "flax.serialization", "1d Flax msgpack", flax_resnet, expect=SMALL, refused="E_LAYOUT_HWIO"),
        Layout("flax-vit", "transformers before 5", "1d Flax msgpack (HF)", flax_vit, requires=("transformers",)),
    ]  # fmt: skip
