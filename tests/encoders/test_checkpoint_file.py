"""Every kind of file and folder becomes one CheckpointFile; what has no reader is refused by its name."""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from safetensors.torch import save_file
from torch import nn

from repr_probe.encoders.checkpoint_file import read_checkpoint
from repr_probe.errors import CheckpointError, FileFormatError, ReprProbeError

WEIGHTS = {"conv1.weight": torch.arange(54.0).reshape(2, 3, 3, 3), "conv1.bias": torch.ones(2)}
HF = {"model_type": "vit", "architectures": ["ViTModel"]}
TIMM = {"architecture": "test_vit", "pretrained_cfg": {}}
CLIP = {"model_cfg": {"embed_dim": 8}, "preprocess_cfg": {"mean": [0, 0, 0]}}


def put(folder: Path, **contents: Any) -> Path:
    """Files by name, a dot written as two underscores: JSON for maps of JSON, weights otherwise."""
    folder.mkdir(exist_ok=True)
    for key, content in contents.items():
        path = folder / key.replace("__", ".")
        if path.suffix == ".json":
            path.write_text(json.dumps(content))
        elif path.suffix == ".safetensors":
            save_file(content, path)
        else:
            torch.save(content, path)
    return folder


def same(content: Any) -> bool:
    return set(content) == set(WEIGHTS) and all(torch.equal(content[name], tensor) for name, tensor in WEIGHTS.items())


class TestFolders:
    @pytest.mark.parametrize("name", ["model__safetensors", "pytorch_model__bin"])
    def test_hugging_face(self, tmp_path: Path, name: str) -> None:
        folder = put(tmp_path / "vit", **{name: WEIGHTS}, config__json=HF, preprocessor_config__json={"size": 224})
        file = read_checkpoint(folder)
        assert file.kind == "hf" and same(file.content) and file.path == folder and file.layout == "OIHW"
        assert file.config == {"config.json": HF, "preprocessor_config.json": {"size": 224}}
        assert file.reader.startswith(name.replace("__", ".")) and file.files == (folder / name.replace("__", "."),)

    def test_safetensors_come_first_as_in_transformers(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "vit", model__safetensors=WEIGHTS, pytorch_model__bin={"a": torch.ones(1)}, config__json=HF)
        assert same(read_checkpoint(folder).content)

    def test_parts(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "vit", config__json=HF)
        for number, (name, tensor) in enumerate(WEIGHTS.items(), start=1):
            save_file({name: tensor}, folder / f"model-{number:05}-of-00002.safetensors")
        places = {name: f"model-{number:05}-of-00002.safetensors" for number, name in enumerate(WEIGHTS, start=1)}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
        file = read_checkpoint(folder)
        assert same(file.content) and file.reader == "model.safetensors.index.json: 2 parts" and len(file.files) == 3
        assert not file.keeps_order and file.kind == "hf"
        assert same(read_checkpoint(folder / "model.safetensors.index.json").content)
        with pytest.raises(FileFormatError, match=r"one of 2 parts; give their folder: repro-probe inspect \S+/vit") as caught:
            read_checkpoint(folder / "model-00001-of-00002.safetensors")
        assert caught.value.code == "E_SHARD"

    def test_timm(self, tmp_path: Path) -> None:
        file = read_checkpoint(put(tmp_path / "net", model__safetensors=WEIGHTS, config__json=TIMM))
        assert file.kind == "timm" and same(file.content) and file.config == {"config.json": TIMM}

    def test_open_clip(self, tmp_path: Path) -> None:
        file = read_checkpoint(put(tmp_path / "net", open_clip_pytorch_model__bin=WEIGHTS, open_clip_config__json=CLIP))
        assert file.kind == "open-clip" and same(file.content) and file.config == {"open_clip_config.json": CLIP}

    def test_another_name_when_it_is_the_only_one(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "net", mine__safetensors=WEIGHTS, config__json=TIMM)
        assert same(read_checkpoint(folder).content)
        put(folder, other__safetensors={"a": torch.ones(1)})
        with pytest.raises(FileFormatError, match=r"got 2 in \S+ \(mine.safetensors, other.safetensors\); choose: repro-probe") as caught:
            read_checkpoint(folder)
        assert caught.value.code == "E_AMBIGUOUS"

    def test_configuration_without_weights(self, tmp_path: Path) -> None:
        with pytest.raises(ReprProbeError) as caught:
            read_checkpoint(put(tmp_path / "net", config__json=HF))
        assert caught.value.code in ("E_NO_WEIGHTS", "E_DIR_UNKNOWN")

    def test_configuration_that_is_not_readable(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "net", model__safetensors=WEIGHTS, config__json=HF)
        (folder / "preprocessor_config.json").write_text("{")
        with pytest.raises(FileFormatError, match="must be readable JSON") as caught:
            read_checkpoint(folder)
        assert caught.value.code == "E_JSON"

    def test_sentence_transformers(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "clip", modules__json=[{"idx": 0, "path": "0_CLIPModel"}])
        with pytest.raises(FileFormatError, match="of kind sentence-transformers, which holds no network"):
            read_checkpoint(folder)
        put(folder / "0_CLIPModel", model__safetensors=WEIGHTS, config__json=HF)
        file = read_checkpoint(folder)
        assert file.kind == "hf" and file.path == folder / "0_CLIPModel" and same(file.content)

    def test_distributed(self, tmp_path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dcp.save({"state_dict": WEIGHTS}, checkpoint_id=tmp_path / "dcp", no_dist=True)
        file = read_checkpoint(tmp_path / "dcp")
        assert file.kind == "dcp" and same(file.content["state_dict"]) and file.reader == "DCP, 2 files"

    @pytest.mark.parametrize("step", ["global_step3", "checkpoint"])
    def test_deepspeed(self, tmp_path: Path, step: str) -> None:
        states = put(tmp_path / "run") / step
        put(states, mp_rank_00_model_states__pt={"module": WEIGHTS}, zero_pp_rank_0_mp_rank_00_optim_states__pt={})
        (tmp_path / "run" / "latest").write_text(step)
        for folder in (tmp_path / "run", states):
            file = read_checkpoint(folder)
            assert file.kind == "deepspeed" and same(file.content["module"]) and file.reader == "DeepSpeed, torch, weights only"


class TestFoldersOfAnything:
    def test_one_checkpoint(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "run", last__ckpt=WEIGHTS, args__json={"dataset": "cifar10"})
        file = read_checkpoint(folder)
        assert same(file.content) and file.path == folder / "last.ckpt" and file.config == {"args.json": {"dataset": "cifar10"}}

    def test_a_link_to_it_does_not_count(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "run", a__ckpt=WEIGHTS)
        (folder / "last.ckpt").symlink_to("a.ckpt")
        assert read_checkpoint(folder).path == folder / "a.ckpt"

    def test_several(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "my run", **{f"epoch={number}__ckpt": WEIGHTS for number in range(8)})
        with pytest.raises(FileFormatError) as caught:
            read_checkpoint(folder)
        text = str(caught.value)
        assert caught.value.code == "E_AMBIGUOUS" and "\n" not in text and text.count("repro-probe inspect '") == 6
        assert f"repro-probe inspect '{folder}/epoch=0.ckpt' | " in text and text.endswith("(2 more)")

    def test_folders_of_steps(self, tmp_path: Path) -> None:
        for number in (1, 2):
            put(tmp_path / "run")
            put(tmp_path / "run" / f"checkpoint-{number}", model__safetensors=WEIGHTS, config__json=HF)
        with pytest.raises(FileFormatError, match=r"choose: repro-probe inspect \S+/checkpoint-1 \| repro-probe inspect \S+/checkpoint-2$"):
            read_checkpoint(tmp_path / "run")

    def test_the_cache_of_hugging_face(self, tmp_path: Path) -> None:
        (tmp_path / "models--a--b" / "snapshots").mkdir(parents=True)
        put(tmp_path / "models--a--b" / "snapshots" / "0af", model__safetensors=WEIGHTS, config__json=HF)
        assert read_checkpoint(tmp_path / "models--a--b").kind == "hf"

    def test_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "photo.jpg").write_bytes(b"x")
        with pytest.raises(FileFormatError) as caught:
            read_checkpoint(tmp_path / "run")
        assert caught.value.code == "E_DIR_UNKNOWN"


class TestFiles:
    def test_torch(self, tmp_path: Path) -> None:
        put(tmp_path, a__pth=WEIGHTS, b__pth={"state_dict": WEIGHTS, "args": argparse.Namespace(arch="x")})
        plain, strange = read_checkpoint(tmp_path / "a.pth"), read_checkpoint(tmp_path / "b.pth")
        assert plain.reader == "torch, weights only" and plain.files == (tmp_path / "a.pth",) and plain.keeps_order
        assert strange.reader.startswith("inert reader") and same(strange.content["state_dict"])

    def test_safetensors(self, tmp_path: Path) -> None:
        save_file(WEIGHTS, tmp_path / "x", metadata={"architecture": "resnet18"})
        file = read_checkpoint(tmp_path / "x")
        assert same(file.content) and not file.keeps_order and file.metadata == {"architecture": "resnet18"} and file.reader == "safetensors"

    def test_scripted(self, tmp_path: Path) -> None:
        from repr_probe.encoders.modules import module_tensors

        module = nn.Sequential(nn.Conv2d(3, 2, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(module).save(str(tmp_path / "x"))
        file = read_checkpoint(tmp_path / "x")
        assert file.kind == "torchscript" and torch.equal(module_tensors(file.content)["0.weight"], module[0].weight)

    def test_exported(self, tmp_path: Path) -> None:
        module = nn.Sequential(nn.Conv2d(3, 2, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.export.save(torch.export.export(module, (torch.ones(1, 3, 8, 8),)), tmp_path / "x.pt2")
        file = read_checkpoint(tmp_path / "x.pt2")
        assert file.kind == "torch-export" and torch.equal(file.content["0.weight"], module[0].weight)

    def test_flax(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(FLAX)
        file = read_checkpoint(tmp_path / "x")
        assert file.kind == "flax-msgpack" and file.layout == "HWIO"
        assert file.content["params.kernel"].tolist() == [[1, 2]] and file.config == {}

    def test_flax_of_hugging_face(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "vit", config__json=HF)
        (folder / "flax_model.msgpack").write_bytes(FLAX)
        file = read_checkpoint(folder)
        assert file.kind == "hf" and file.layout == "OIHW" and file.content["weight"].tolist() == [[1], [2]]
        assert read_checkpoint(folder / "flax_model.msgpack").config == {"config.json": HF}


FLAX = b"\x81\xa6params\x81\xa6kernel\xc7\x16\x01\x93\x92\x01\x02\xa7float32\xc4\x08" + torch.tensor([1.0, 2.0]).numpy().tobytes()


class TestConfigurationBesideAFile:
    @pytest.mark.parametrize("name", ["model.safetensors", "model-best.safetensors", "model.fp16.safetensors"])
    def test_usual_names(self, tmp_path: Path, name: str) -> None:
        put(tmp_path, config__json=HF, preprocessor_config__json={}, open_clip_config__json=CLIP, args__json={"a": 1}, other__json=[])
        save_file(WEIGHTS, tmp_path / name)
        assert read_checkpoint(tmp_path / name).config == {"config.json": HF, "preprocessor_config.json": {}, "args.json": {"a": 1}}

    def test_open_clip(self, tmp_path: Path) -> None:
        put(tmp_path, open_clip_config__json=CLIP, open_clip_model__safetensors=WEIGHTS)
        assert read_checkpoint(tmp_path / "open_clip_model.safetensors").config == {"open_clip_config.json": CLIP}

    @pytest.mark.parametrize("name", ["mymodel.safetensors", "epoch3.pth", "modelling.pth"])
    def test_other_names(self, tmp_path: Path, name: str) -> None:
        put(tmp_path, config__json=HF, args__json={"a": 1}, **{name.replace(".", "__"): WEIGHTS})
        assert read_checkpoint(tmp_path / name).config == {}
        put(tmp_path, config__json=TIMM)
        assert read_checkpoint(tmp_path / name).config == {"config.json": TIMM}
        (tmp_path / "config.json").write_text("{")
        assert read_checkpoint(tmp_path / name).config == {}

    def test_solo_learn(self, tmp_path: Path) -> None:
        put(tmp_path, args__json={"data": {"dataset": "cifar10"}}, config__json=HF, mocov2__ckpt=WEIGHTS)
        assert read_checkpoint(tmp_path / "mocov2.ckpt").config == {"args.json": {"data": {"dataset": "cifar10"}}}


class TestNoReader:
    """The readers of names are tested with sniff; here is what is said once the kind is known."""

    @pytest.mark.parametrize(
        ("kind", "code", "way_out"),
        [
            ("keras", "E_KERAS", "export it to ONNX"),
            ("savedmodel", "E_SAVEDMODEL", "tf2onnx"),
            ("orbax", "E_ORBAX", "flax.serialization.to_bytes"),
            ("tf-checkpoint", "E_TF", "tf2onnx"),
            ("onnx", "E_NEEDS_CALLABLE", r"repr-probe\[onnx\]"),
            ("csv", "E_NO_ENCODER", "of kind csv, which holds no network"),
        ],
    )
    def test_named(self, tmp_path: Path, kind: str, code: str, way_out: str) -> None:
        path = strangers(tmp_path)[kind]
        with pytest.raises((FileFormatError, CheckpointError), match=way_out) as caught:
            read_checkpoint(path)
        assert caught.value.code == code and "\n" not in str(caught.value)


def strangers(folder: Path) -> dict[str, Path]:
    import zipfile

    with zipfile.ZipFile(folder / "x.keras", "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")
    for name in ("saved", "orbax", "tf"):
        (folder / name).mkdir()
    (folder / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    (folder / "orbax" / "_CHECKPOINT_METADATA").write_text("{}")
    (folder / "orbax" / "manifest.ocdbt").write_bytes(b"x")
    (folder / "tf" / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')
    (folder / "tf" / "model.ckpt-1.index").write_bytes(b"x")
    (folder / "tf" / "model.ckpt-1.data-00000-of-00001").write_bytes(b"x")
    (folder / "x.onnx").write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.5.0:\x00")
    (folder / "x.csv").write_text("a,b\n1,2\n")
    return {
        "keras": folder / "x.keras", "savedmodel": folder / "saved", "orbax": folder / "orbax", "tf-checkpoint": folder / "tf",
        "onnx": folder / "x.onnx", "csv": folder / "x.csv",
    }  # fmt: skip
