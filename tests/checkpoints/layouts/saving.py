"""How checkpoints get onto the disk, and objects of classes that nobody can import when they are read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

_FOREIGN: dict[tuple[str, str], type] = {}


def foreign(module: str, name: str) -> type:
    """A class that pickles as `module.name` and exists only while a file is written."""
    if (module, name) not in _FOREIGN:
        _FOREIGN[module, name] = type(name, (), {"__module__": module, "__qualname__": name})
    return _FOREIGN[module, name]


def foreign_object(module: str, name: str, /, **state: Any) -> Any:
    made = foreign(module, name)()
    made.__dict__.update(state)
    return made


@contextmanager
def foreign_modules() -> Iterator[None]:
    """The modules of every foreign class stand in `sys.modules`, and are gone afterwards; what stood there comes back."""
    before: dict[str, ModuleType | None] = {}
    for module, name in _FOREIGN:
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            path = ".".join(parts[:end])
            if path not in before:
                before[path] = sys.modules.get(path)
                sys.modules[path] = ModuleType(path)
        setattr(sys.modules[module], name, _FOREIGN[module, name])
    try:
        yield
    finally:
        for path, module_before in before.items():
            if module_before is None:
                del sys.modules[path]
            else:
                sys.modules[path] = module_before


def torch_save(content: Any, folder: Path, name: str = "checkpoint.pth", **options: Any) -> Path:
    path = folder / name
    with foreign_modules():
        torch.save(content, path, **options)
    return path


def legacy_save(content: Any, folder: Path) -> Path:
    """The format before torch 1.6, with protocol 2 as the old files have."""
    return torch_save(content, folder, "model.th", _use_new_zipfile_serialization=False, pickle_protocol=2)


def safetensors_save(content: dict[str, torch.Tensor], folder: Path, name: str = "model.safetensors") -> Path:
    from safetensors.torch import save_file

    save_file({key: tensor.contiguous().clone() for key, tensor in content.items()}, folder / name, metadata={"format": "pt"})
    return folder / name


def lightning(state: dict[str, torch.Tensor], **more: Any) -> dict[str, Any]:
    """What Trainer.save_checkpoint writes."""
    return {
        "epoch": 99, "global_step": 12500, "pytorch-lightning_version": "2.1.3", "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 100, "completed": 99}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None, 'mode': 'min'}": {"best_model_score": torch.tensor(0.5), "dirpath": "checkpoints"}},
        "optimizer_states": [optimizer()], "lr_schedulers": [{"last_epoch": 99, "_step_count": 100}],
        "hparams_name": "kwargs", "hyper_parameters": {"batch_size_per_device": 128, "num_classes": 1000}, **more,
    }  # fmt: skip


def optimizer() -> dict[str, Any]:
    """The state of an optimizer: tensors shaped like weights, which are none."""
    buffers = {index: {"momentum_buffer": torch.full(shape, 0.1)} for index, shape in enumerate([(64, 3, 7, 7), (64,), (64,), (8, 64, 3, 3)])}
    return {"state": buffers, "param_groups": [{"lr": 0.3, "weight_decay": 1e-6, "momentum": 0.9, "params": [0, 1, 2, 3]}]}


def omegaconf(values: dict[str, Any]) -> Any:
    """A DictConfig as its pickle has it: nodes with a parent and metadata, down to the leaves."""
    return _node(values, parent=None, key=None)


def _node(value: Any, *, parent: Any, key: Any) -> Any:
    if isinstance(value, dict | list):
        kind = ("omegaconf.dictconfig", "DictConfig") if isinstance(value, dict) else ("omegaconf.listconfig", "ListConfig")
        metadata = foreign_object("omegaconf.base", "ContainerMetadata", ref_type=Any, object_type=type(value), optional=True, key=key,
                                  flags={}, flags_root=False, resolver_cache={}, key_type=Any, element_type=Any)  # fmt: skip
        node = foreign_object(*kind, _metadata=metadata, _parent=parent, _flags_cache=None)
        if isinstance(value, dict):
            node._content = {name: _node(inner, parent=node, key=name) for name, inner in value.items()}
        else:
            node._content = [_node(inner, parent=node, key=index) for index, inner in enumerate(value)]
        return node
    metadata = foreign_object("omegaconf.base", "Metadata", ref_type=Any, object_type=None, optional=True, key=key, flags={},
                              flags_root=False, resolver_cache={})  # fmt: skip
    return foreign_object("omegaconf.nodes", "AnyNode", _metadata=metadata, _parent=parent, _flags_cache=None, _val=value)
