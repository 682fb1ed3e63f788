"""Files to encoders: every layout gives the features of the network it was saved from, to the last bit, or is refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, FileFormatError, UsageError

from .conftest import pooled_by, trained

Save = Callable[[Any], Path]
Weights = dict[str, torch.Tensor]


def prefixed(weights: Weights, prefix: str) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


LAYOUTS: dict[str, Callable[[Weights], Any]] = {
    "plain": lambda weights: weights,
    "state_dict": lambda weights: {"epoch": 3, "state_dict": weights, "optimizer": {"a": torch.ones(2), "b": torch.ones(2)}},
    "model": lambda weights: {"model": weights, "best": torch.ones(1)},
    "model_state_dict": lambda weights: {"model_state_dict": weights},
    "nested": lambda weights: {"checkpoint": {"network": weights}},
    "module": lambda weights: {"state_dict": prefixed(weights, "module.")},
    "compiled": lambda weights: prefixed(weights, "_orig_mod.module."),
    "wrapper in the middle": lambda weights: prefixed(weights, "encoder.module."),
    "backbone": lambda weights: {**prefixed(weights, "backbone."), "projector.weight": torch.ones(3, 3), "projector.bias": torch.ones(3)},
    "without counters": lambda weights: {name: tensor for name, tensor in weights.items() if "num_batches" not in name},
    "without classifier": lambda weights: {name: tensor for name, tensor in weights.items() if not name.startswith("fc.")},
    "copy beside": lambda weights: {"state_dict": weights, "model": dict(weights)},
    "other classes": lambda weights: {**weights, "fc.weight": torch.ones(7, 96), "fc.bias": torch.ones(7)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(save: Save, resnet: nn.Module, images: torch.Tensor, layout: str) -> None:
    encoder = load_encoder(save(LAYOUTS[layout](resnet.state_dict())), arch="timm:test_resnet")
    assert encoder.facts["matched"] == "by name"
    assert torch.equal(encoder.features(images)["pooled"], pooled_by(resnet, images))


def test_what_is_said(save: Save, resnet: nn.Module) -> None:
    weights = {**prefixed(resnet.state_dict(), "module.backbone."), "module.queue": torch.ones(2)}
    path = save({"state_dict": weights})
    encoder = load_encoder(path, arch="timm:test_resnet")
    assert encoder.name == "weights.pth" and encoder.architecture == "timm:test_resnet" and encoder.default_layer == "pooled"
    facts = encoder.facts
    assert facts["container"] == "'state_dict'" and facts["prefix"] == "backbone." and facts["wrappers_stripped"] == ["module"]
    assert facts["tensors_matched"] == facts["tensors_needed"] == 75  # counters are not needed
    assert facts["left_aside"] == ["backbone.fc.weight", "backbone.fc.bias", "queue"] and facts["n_features"] == 96
    assert encoder.notes == ("3 tensors of the file were left aside (backbone.fc.weight, backbone.fc.bias, queue)",)
    assert encoder.identity["weights"] == "sha256:" + facts["sha256"] and len(facts["sha256"]) == 64
    assert not encoder.module.training and not any(part.training for part in encoder.module.modules())


def test_safetensors(tmp_path: Path, vit: nn.Module, images: torch.Tensor) -> None:
    save_file(vit.state_dict(), tmp_path / "x.safetensors")
    encoder = load_encoder(tmp_path / "x.safetensors", arch="timm:test_vit")
    assert torch.equal(encoder.features(images)["pooled"], pooled_by(vit, images))


def test_torchvision_resnet18_is_recognised(save: Save) -> None:
    import torchvision

    torch.manual_seed(11)
    module = torchvision.models.resnet18(weights=None).eval()
    encoder = load_encoder(save({"state_dict": prefixed(module.state_dict(), "module.")}))
    images = torch.randn(2, 3, 224, 224)
    module.fc = nn.Identity()
    with torch.inference_mode():
        assert torch.equal(encoder.features(images)["pooled"], module(images))
    assert encoder.architecture == "torchvision:resnet18" and encoder.facts["architecture_from"] == "names and shapes of the tensors"
    assert encoder.input.size == (224, 224) and "ResNet18_Weights.IMAGENET1K_V1" in encoder.input.sources["mean"]
    assert any("the network was told from its tensors" in note for note in encoder.notes)


class TestByOrder:
    def renamed(self, weights: Weights) -> Weights:
        return {f"net_{name}": tensor for name, tensor in weights.items()}

    @pytest.mark.parametrize("classifier", [True, False])
    @pytest.mark.parametrize("counters", [True, False])
    def test_equal_features(self, save: Save, resnet: nn.Module, images: torch.Tensor, classifier: bool, counters: bool) -> None:
        weights = self.renamed(resnet.state_dict())
        weights = {name: tensor for name, tensor in weights.items() if classifier or not name.startswith("net_fc")}
        weights = {name: tensor for name, tensor in weights.items() if counters or "num_batches" not in name}
        encoder = load_encoder(save(weights), arch="timm:test_resnet")
        assert torch.equal(encoder.features(images)["pooled"], pooled_by(resnet, images))
        assert encoder.facts["matched"] == "by order"
        first = "first: net_conv1.0.weight is conv1.0.weight"
        assert encoder.notes[0].startswith(f"75 tensors matched by order, since their names differ ({first})")

    def test_under_a_prefix_with_a_projector_beside(self, save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
        weights = {f"encoder.n{name}": tensor for name, tensor in resnet.state_dict().items()}
        encoder = load_encoder(save({**weights, "projector.weight": torch.ones(2, 2)}), arch="timm:test_resnet")
        assert torch.equal(encoder.features(images)["pooled"], pooled_by(resnet, images))
        assert encoder.facts["prefix"] == "encoder."

    def test_roles_must_agree(self, save: Save, resnet: nn.Module) -> None:
        """Weight and bias of a normalisation have one shape; a file that keeps them the other way round must not be taken."""
        names = list(self.renamed(resnet.state_dict()))
        first = next(index for index, name in enumerate(names) if "bn" in name and name.endswith("weight"))
        names[first], names[first + 1] = names[first + 1], names[first]
        renamed = self.renamed(resnet.state_dict())
        with pytest.raises(CheckpointError, match="none of its tensors is there by name, nor by order"):
            load_encoder(save({name: renamed[name] for name in names}), arch="timm:test_resnet")

    def test_safetensors_keep_no_order(self, tmp_path: Path, resnet: nn.Module) -> None:
        save_file(self.renamed(resnet.state_dict()), tmp_path / "x")
        with pytest.raises(CheckpointError, match="by name, and safetensors files keep no order"):
            load_encoder(tmp_path / "x", arch="timm:test_resnet")


class TestRefusals:
    def refused(self, path: Path, message: str, arch: str = "timm:test_resnet", **options: Any) -> None:
        with pytest.raises(CheckpointError, match=message) as caught:
            load_encoder(path, arch=arch, **options)
        assert "\n" not in str(caught.value)

    def test_missing(self, save: Save, resnet: nn.Module) -> None:
        weights = {name: tensor for name, tensor in resnet.state_dict().items() if not name.startswith("layer4.0.bn1.")}
        self.refused(save(weights), r"matched 71 of 75 tensors; missing 4: layer4\.0\.bn1\.weight, layer4\.0\.bn1\.bias, .* and 1 more")

    def test_another_shape(self, save: Save, resnet: nn.Module) -> None:
        weights = {**resnet.state_dict(), "layer1.0.conv1.weight": torch.zeros(5, 5, 1, 1)}
        self.refused(save(weights), r"matched 74 of 75 tensors; of another shape: layer1\.0\.conv1\.weight: \(5, 5, 1, 1\) is not")

    def test_a_larger_network_contains_the_smaller(self, save: Save, resnet: nn.Module) -> None:
        weights = resnet.state_dict()
        extra = {name.replace("layer4.0.", "layer4.1."): tensor for name, tensor in weights.items() if name.startswith("layer4.0.")}
        self.refused(save({**weights, **extra}), r"of the file have no place in it: layer4\.1\.conv1\.weight")

    def test_tokens_the_network_does_not_have(self, save: Save, vit: nn.Module) -> None:
        path = save({**vit.state_dict(), "register_tokens": torch.zeros(1, 4, 64)})
        self.refused(path, "no place in it: register_tokens", "timm:test_vit")

    def test_a_training_task_beside_the_network_is_fine(self, save: Save, vit: nn.Module) -> None:
        load_encoder(save({**vit.state_dict(), "mask_token": torch.zeros(1, 64)}), arch="timm:test_vit")

    def test_an_entirely_different_network(self, save: Save, vit: nn.Module) -> None:
        self.refused(save(vit.state_dict()), r"must fit timm:test_resnet \(from --arch\); none of its tensors is there by name")

    def test_the_network_that_would_fit_is_named(self, save: Save) -> None:
        with torch.device("meta"):
            import torchvision

            shapes = {name: tensor.shape for name, tensor in torchvision.models.resnet18().state_dict().items()}
        weights = {name: torch.zeros(shape) for name, shape in shapes.items()}
        self.refused(save(weights), "the tensors look like torchvision:resnet18")

    def test_two_encoders(self, save: Save, resnet: nn.Module) -> None:
        other = trained("test_resnet", seed=4).state_dict()
        weights = {**prefixed(resnet.state_dict(), "left."), **prefixed(other, "right.")}
        self.refused(save(weights), r"must hold one encoder.*got 2 with different weights; choose: .*--prefix left \| .*--prefix right")

    def test_name_and_wrapped_name_both_there(self, save: Save, resnet: nn.Module) -> None:
        other = trained("test_resnet", seed=4).state_dict()
        path = save({**resnet.state_dict(), **prefixed(other, "module.")})
        self.refused(path, r"got 2 with different weights; choose: .*--prefix \. \| .*--prefix module")

    def test_not_finite(self, save: Save, resnet: nn.Module) -> None:
        weights = {name: tensor.clone() for name, tensor in resnet.state_dict().items()}
        weights["layer2.0.conv1.weight"][0, 0, 0, 0] = float("nan")
        self.refused(save(weights), r"must hold finite weights; 1 of \d+ in layer2\.0\.conv1\.weight are not")

    def test_not_real(self, save: Save, resnet: nn.Module) -> None:
        weights = {**resnet.state_dict(), "conv1.0.weight": resnet.state_dict()["conv1.0.weight"].to(torch.complex64)}
        self.refused(save(weights), r"dense real tensors; conv1\.0\.weight is complex64")

    def test_not_dense(self, save: Save, resnet: nn.Module) -> None:
        weights = {**resnet.state_dict(), "bn1.weight": resnet.state_dict()["bn1.weight"].to_sparse()}
        self.refused(save(weights), r"dense real tensors; bn1\.weight is float32, sparse_coo")

    def test_all_zero(self, save: Save, resnet: nn.Module) -> None:
        weights = {name: torch.zeros_like(tensor) for name, tensor in resnet.state_dict().items()}
        self.refused(save(weights), "four different images get the same features")

    def test_weights_that_overflow(self, save: Save, resnet: nn.Module) -> None:
        weights = {name: tensor * 1e30 if "conv" in name else tensor for name, tensor in resnet.state_dict().items()}
        self.refused(save(weights), "features of random images are not finite")

    def test_classifier_of_another_width(self, save: Save, resnet: nn.Module) -> None:
        weights = {**resnet.state_dict(), "fc.weight": torch.ones(10, 48)}
        self.refused(save(weights), r"its classifier fc\.weight takes 48 features, the network gives 96")

    def test_no_weights_at_all(self, save: Save, tmp_path: Path) -> None:
        self.refused(save(torch.ones(5, 3)), r"got one tensor of shape \(5, 3\); if it is a matrix of features, leave out --dataset")
        self.refused(save([torch.ones(2)]), "got a list")
        path = save({"optimizer": {"a": torch.ones(1), "b": torch.ones(1)}, "epoch": 3})
        self.refused(path, "two or more tensors by name; got optimizer: dict")

    def test_features_are_no_checkpoint(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("f0,f1\n1,2\n")
        with pytest.raises(FileFormatError, match=r"must be a torch, safetensors or Flax file.*; got .* of kind csv"):
            load_encoder(tmp_path / "x.csv")

    def test_unrecognised(self, save: Save) -> None:
        path = save(nn.Sequential(nn.Conv2d(3, 7, 5), nn.ReLU(), nn.Conv2d(7, 9, 3)).state_dict())
        with pytest.raises(CheckpointError, match=r"arch must be given: .* is not recognised; got 4 tensors in the top of the file \(0\.weight"):
            load_encoder(path)

    def test_the_index_knows_it(self, save: Save, resnet: nn.Module) -> None:
        assert load_encoder(save(resnet.state_dict())).architecture == "timm:test_resnet"


def test_averaged_weights_are_preferred_and_said(save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
    raw = trained("test_resnet", seed=4).state_dict()
    encoder = load_encoder(save({"state_dict": raw, "state_dict_ema": resnet.state_dict()}), arch="timm:test_resnet")
    assert torch.equal(encoder.features(images)["pooled"], pooled_by(resnet, images))
    assert "state_dict_ema is the moving average of state_dict" in encoder.notes[0] and encoder.facts["role"] == "ema"


def test_the_other_role(save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
    raw = trained("test_resnet", seed=4)
    path = save({"state_dict": raw.state_dict(), "state_dict_ema": resnet.state_dict()})
    encoder = load_encoder(path, role="online")
    assert torch.equal(encoder.features(images)["pooled"], pooled_by(raw, images))
    assert encoder.identity["overrides"] == {"role": "online"}
    assert torch.equal(load_encoder(path, key="state_dict").features(images)["pooled"], pooled_by(raw, images))


class TestOverrides:
    def test_map_and_prefix(self, save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
        weights = {f"net.{name.replace('layer', 'part')}": tensor for name, tensor in resnet.state_dict().items()}
        path = save({**weights, "net.layer1.0.extra.weight": torch.ones(3, 3)})
        with pytest.raises(CheckpointError):
            load_encoder(path)
        renames = [r"^net\.layer1.*=>", r"\.part=>.layer"]
        encoder = load_encoder(path, map=renames, prefix="net")
        assert torch.equal(encoder.features(images)["pooled"], pooled_by(resnet, images))
        assert encoder.facts["overrides"] == {"prefix": "net", "map": [list(text.split("=>")) for text in renames]}

    def test_allow_missing(self, save: Save, resnet: nn.Module) -> None:
        weights = {name: tensor for name, tensor in resnet.state_dict().items() if not name.startswith("layer4.0.bn1.")}
        encoder = load_encoder(save(weights), arch="timm:test_resnet", allow_missing="layer4.0.bn1.*")
        assert encoder.facts["tensors_matched"] == 71 and any("allowed to be missing and are random" in note for note in encoder.notes)
        with pytest.raises(CheckpointError, match="missing 4: layer4"):
            load_encoder(save(weights), arch="timm:test_resnet", allow_missing=["layer3.*"])

    def test_colours_and_resizing(self, save: Save, resnet: nn.Module) -> None:
        encoder = load_encoder(save(resnet.state_dict()), channels="bgr", interp="bicubic", crop_pct=0.5)
        assert (encoder.input.order, encoder.input.interpolation, encoder.input.crop_pct) == ("bgr", "bicubic", 0.5)
        assert encoder.input.to_dict()["order"] == "bgr" and encoder.input.sources["order"] == "--channels"

    def test_own_network_needs_leave(self, save: Save, resnet: nn.Module, images: torch.Tensor, tmp_path: Path, monkeypatch: Any) -> None:
        (tmp_path / "my_nets_for_this_test.py").write_text("import timm\ndef net():\n    return timm.create_model('test_resnet', num_classes=0)\n")
        monkeypatch.chdir(tmp_path)
        path = save(prefixed(resnet.state_dict(), "mine."))
        with pytest.raises(CheckpointError, match="must not run code unless that is allowed"):
            load_encoder(path, arch="my_nets_for_this_test:net")
        encoder = load_encoder(path, arch="my_nets_for_this_test:net", allow_code=True)
        assert torch.equal(encoder.features(images)["pooled"], pooled_by(resnet, images)) and encoder.architecture == "my_nets_for_this_test:net"
        assert not any("classifier" in note for note in encoder.notes)

    def test_class_scores_are_said(self, save: Save, tmp_path: Path, monkeypatch: Any) -> None:
        text = (
            "from torch import nn\nimport timm\n"
            "def net():\n    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7))\n"
            "def timms():\n    return timm.create_model('test_resnet', num_classes=7)\n"
        )
        (tmp_path / "my_scores_for_this_test.py").write_text(text)
        monkeypatch.chdir(tmp_path)
        mine = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7))
        encoder = load_encoder(save(mine.state_dict()), arch="my_scores_for_this_test:net", allow_code=True)
        assert any("last layer '4' looks like a classifier (7 outputs): the features are its scores" in note for note in encoder.notes)
        path = save(timm.create_model("test_resnet", num_classes=7).state_dict())
        encoder = load_encoder(path, arch="my_scores_for_this_test:timms", allow_code=True)  # timm is asked for what lies before
        assert encoder.facts["n_features"] > 7 and not any("classifier" in note for note in encoder.notes)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"role": "best"}, "role must be one of ema, online"), ({"stem": "x"}, "stem must be one of"), ({"heads": 0}, "heads must be 1"),
            ({"map": ["a"]}, "map must be written REGEX=>NEW"), ({"map": ["(=>b"]}, "map must start with a regular expression"),
            ({"interp": "area"}, "interp must be one of"), ({"crop_pct": 0}, "crop_pct must be above 0"), ({"channels": "gbr"}, "channels must be"),
        ],
    )  # fmt: skip
    def test_impossible_values(self, save: Save, resnet: nn.Module, options: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            load_encoder(save(resnet.state_dict()), **options)

    def test_unknown_places(self, save: Save, resnet: nn.Module) -> None:
        with pytest.raises(CheckpointError, match=r"key must be the path of weights in the file; got 'model'; there are: \. \(92 tensors\)"):
            load_encoder(save(resnet.state_dict()), key="model")
        with pytest.raises(CheckpointError, match="prefix must stand before names of the file; got 'backbone'; names start with conv1, bn1"):
            load_encoder(save(resnet.state_dict()), prefix="backbone")


def test_half_precision_is_said(save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in resnet.state_dict().items()}
    encoder = load_encoder(save(half), arch="timm:test_resnet")
    assert any("75 tensors are stored as float16; computed in float32" in note for note in encoder.notes)
    assert encoder.features(images)["pooled"].dtype == torch.float32


def test_untrained_statistics_are_said(save: Save) -> None:
    encoder = load_encoder(save(timm.create_model("test_resnet").state_dict()), arch="timm:test_resnet")
    assert any("look untrained" in note for note in encoder.notes)


def test_grey_stem(save: Save, images: torch.Tensor) -> None:
    module = timm.create_model("test_resnet", in_chans=1).eval()
    encoder = load_encoder(save(module.state_dict()), arch="timm:test_resnet")
    assert encoder.input.channels == 1 and encoder.input.mean == (0.5,) and "grey" in encoder.input.sources["mean"]
    grey = images[:, :1]
    assert torch.equal(encoder.features(grey)["pooled"], pooled_by(module, grey))


def test_position_table_of_another_size(save: Save) -> None:
    module = timm.create_model("test_vit", img_size=96).eval()
    encoder = load_encoder(save(module.state_dict()), arch="timm:test_vit")
    assert encoder.input.size == (96, 96) and encoder.input.sources["size"] == "position table of the file"
    images = torch.randn(2, 3, 96, 96)
    assert torch.equal(encoder.features(images)["pooled"], pooled_by(module, images))


class TestHints:
    @pytest.mark.parametrize(
        "beside", [{"arch": "test_resnet"}, {"args": {"arch": "timm:test_resnet"}}, {"hyper_parameters": {"model": "test_resnet"}}]
    )
    def test_words_in_the_file(self, save: Save, resnet: nn.Module, beside: dict[str, Any]) -> None:
        encoder = load_encoder(save({"state_dict": resnet.state_dict(), **beside}))
        assert encoder.architecture == "timm:test_resnet" and "in the file" in encoder.facts["architecture_from"]

    def test_unknown_words_are_said(self, save: Save, resnet: nn.Module) -> None:
        encoder = load_encoder(save({"state_dict": resnet.state_dict(), "arch": "my_vit", "args": {"arch": "test_resnet"}}))
        assert encoder.notes[0] == "arch 'my_vit' in the file names no known network"

    def test_a_wrong_word_is_said(self, save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
        encoder = load_encoder(save({"state_dict": resnet.state_dict(), "arch": "test_vit"}))
        assert encoder.architecture == "timm:test_resnet" and torch.equal(encoder.features(images)["pooled"], pooled_by(resnet, images))
        assert "says timm:test_vit, which the tensors do not fit" in " ".join(encoder.notes)

    def test_timm_configuration_beside(self, tmp_path: Path, resnet: nn.Module) -> None:
        save_file(resnet.state_dict(), tmp_path / "model.safetensors")
        config = {"architecture": "test_resnet", "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "input_size": [3, 96, 96]}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        encoder = load_encoder(tmp_path / "model.safetensors")
        assert encoder.input.mean == (0.1, 0.2, 0.3) and encoder.input.size == (96, 96)
        assert encoder.input.sources["mean"] == "pretrained_cfg in config.json"
        (tmp_path / "config.json").write_text("{")
        with pytest.raises(FileFormatError, match="must be readable JSON"):
            load_encoder(tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps({**config, "model_args": {"depth": 3}}))
        with pytest.raises(CheckpointError, match="changes it by model_args"):
            load_encoder(tmp_path / "model.safetensors")

    def test_metadata(self, tmp_path: Path, resnet: nn.Module) -> None:
        save_file(resnet.state_dict(), tmp_path / "x", metadata={"architecture": "test_resnet"})
        assert load_encoder(tmp_path / "x").architecture == "timm:test_resnet"


class TestOwnFormat:
    block = {  # noqa: RUF012
        "format": "repr-probe/1",
        "arch": "repr_probe:digits_net",
        "input": {"size": [8, 8], "mean": [0.3], "std": [0.4], "interpolation": "nearest", "crop_pct": 1.0},
    }

    def test_a_file_that_describes_itself(self, tmp_path: Path) -> None:
        from repr_probe.encoders.digits_net import DigitsNet

        torch.manual_seed(2)
        module = DigitsNet().eval()
        save_file(module.state_dict(), tmp_path / "mine", metadata={"repr_probe": json.dumps(self.block)})
        encoder = load_encoder(tmp_path / "mine")
        assert encoder.architecture == "repr_probe:digits_net" and encoder.input.mean == (0.3,) and encoder.input.size == (8, 8)
        assert encoder.input.sources["size"] == "metadata of mine"
        images = torch.randn(4, 1, 8, 8)
        with torch.inference_mode():
            assert torch.equal(encoder.features(images)["pooled"], module(images))
        assert {"stage1", "stage2", "stage3"} < set(encoder.layers())

    def test_a_torch_file_that_describes_itself(self, save: Save) -> None:
        from repr_probe.encoders.digits_net import DigitsNet

        weights = prefixed(DigitsNet().state_dict(), "backbone.")
        assert load_encoder(save({"state_dict": weights, "repr_probe": self.block})).input.interpolation == "nearest"

    def test_incomplete_descriptions(self, tmp_path: Path) -> None:
        from repr_probe.encoders.digits_net import DigitsNet

        for block, message in (({"arch": "x"}, "lacks format, arch or input"), ([1], "lacks format")):
            save_file(DigitsNet().state_dict(), tmp_path / "mine", metadata={"repr_probe": json.dumps(block)})
            with pytest.raises(FileFormatError, match=message):
                load_encoder(tmp_path / "mine")
        block = {**self.block, "input": {"size": [8, 8]}}
        save_file(DigitsNet().state_dict(), tmp_path / "mine", metadata={"repr_probe": json.dumps(block)})
        with pytest.raises(CheckpointError, match="must state its whole input; got none for mean, std, interpolation, crop_pct"):
            load_encoder(tmp_path / "mine")

    def test_its_input_is_that_of_the_digits(self, save: Save) -> None:
        from repr_probe.encoders.digits_net import DigitsNet

        embedded = load_encoder("hydes-digits").input
        assert load_encoder("repr_probe:digits_net").input == replace(embedded, sources=dict.fromkeys(embedded.sources, "the data set digits"))
        assert load_encoder(save(DigitsNet().state_dict()), arch="repr_probe:digits_net").input.to_dict() == embedded.to_dict()
