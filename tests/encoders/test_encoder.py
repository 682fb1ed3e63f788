"""Features of layers: the right numbers, in one pass, with nothing left behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from repr_probe.encoders.encoder import Encoder
from repr_probe.encoders.load import load_encoder
from repr_probe.encoders.stages import stages_of
from repr_probe.errors import InputError, UsageError

LAYERS = ["pooled", "stage1", "stage4", "layer3.0.conv1", "bn1", "layer2.0"]


@pytest.fixture(scope="module")
def convolutional() -> Encoder:
    return load_encoder("timm:test_resnet")


@pytest.fixture(scope="module")
def transformer() -> Encoder:
    return load_encoder("timm:test_vit")


def seen_by_a_copy(module: nn.Module, name: str, images: torch.Tensor) -> torch.Tensor:
    """What a module gives, copied at once by a hook of our own."""
    seen: list[torch.Tensor] = []
    handle = module.get_submodule(name).register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    with torch.inference_mode():
        module(images)
    handle.remove()
    return seen[0]


def hooks_of(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_several_layers_equal_one_by_one(convolutional: Encoder, images: torch.Tensor) -> None:
    together = convolutional.features(images, LAYERS)
    assert list(together) == LAYERS
    for layer in LAYERS:
        assert torch.equal(together[layer], convolutional.features(images, [layer])[layer])


def test_one_pass_only(convolutional: Encoder, images: torch.Tensor) -> None:
    passes: list[int] = []
    handle = convolutional.module.conv1.register_forward_pre_hook(lambda *_: passes.append(1))  # type: ignore[union-attr, operator]
    convolutional.features(images, LAYERS)
    handle.remove()
    assert len(passes) == 1


def test_maps_are_averaged(convolutional: Encoder, images: torch.Tensor) -> None:
    maps = seen_by_a_copy(convolutional.module, "layer2", images)
    found = convolutional.features(images, ["stage2", "layer2"])
    assert torch.equal(found["stage2"], maps.mean((2, 3))) and torch.equal(found["layer2"], found["stage2"])
    assert torch.equal(convolutional.features(images, ["stage2"], pool="max")["stage2"], maps.amax((2, 3)))


def test_outputs_are_taken_before_in_place_changes(images: torch.Tensor) -> None:
    """A ReLU in place follows bn1; a hook that keeps the tensor would see it after."""
    encoder = load_encoder("torchvision:resnet18")
    small = images[:1, :, :64, :64]
    before_relu = seen_by_a_copy(encoder.module, "bn1", small)
    assert before_relu.min() < 0
    assert torch.equal(encoder.features(small, ["bn1"], pool="max")["bn1"], before_relu.amax((2, 3)))
    assert encoder.features(small, ["bn1"])["bn1"].min() < 0


def test_class_token_or_mean_of_the_patches(transformer: Encoder, images: torch.Tensor) -> None:
    tokens = seen_by_a_copy(transformer.module, "blocks.2", images)
    assert torch.equal(transformer.features(images, ["blocks.2"])["blocks.2"], tokens[:, 0])
    assert torch.equal(transformer.features(images, ["blocks.2"], pool="mean")["blocks.2"], tokens[:, 1:].mean(1))
    patches = seen_by_a_copy(transformer.module, "patch_embed", images)  # (batch, 10, 10, 64): no class token yet
    assert torch.equal(transformer.features(images, ["patch_embed"])["patch_embed"], patches.mean((1, 2)))
    last = seen_by_a_copy(transformer.module, "norm", images)
    assert torch.equal(transformer.features(images)["pooled"], last[:, 0])
    assert torch.equal(transformer.features(images, pool="avg")["pooled"], last[:, 1:].mean(1))


def test_pooling_chosen_at_loading(images: torch.Tensor, transformer: Encoder) -> None:
    encoder = load_encoder("timm:test_vit", pool="mean")
    assert torch.equal(encoder.features(images)["pooled"], transformer.features(images, pool="mean")["pooled"])


def test_own_pooling_is_found() -> None:
    """Measured on random images: mean of the maps, class token, or more than pooling (ConvNeXt normalises after it)."""
    assert load_encoder("timm:test_resnet").own_pool == "avg"
    assert load_encoder("timm:test_vit").own_pool == "cls"
    convnext = load_encoder("timm:test_convnext")
    assert convnext.own_pool is None and convnext.facts["pooling"] == "the network's own head before its classifier"
    with pytest.raises(UsageError, match="pool must be left out for the pooled output of timm:test_convnext"):
        convnext.features(torch.randn(1, 3, 160, 160), pool="max")


def test_maps_with_channels_last(images: torch.Tensor) -> None:
    encoder = load_encoder("timm:test_mambaout")
    maps = seen_by_a_copy(encoder.module, "stages.1", images)
    assert maps.shape[1] == maps.shape[2] != maps.shape[3]
    assert torch.equal(encoder.features(images, ["stage2"])["stage2"], maps.mean((1, 2)))


@pytest.mark.parametrize(
    ("layers", "pool", "message"),
    [
        (["layer5"], None, r"layer must be a layer of timm:test_resnet; got 'layer5'; nearest: .*layer[1-4]"),
        (["stage9"], None, "nearest: .*stage"),
        ([""], None, "layer must be a layer"),
        ([], None, "layers must be a list of one or more names"),
        (["global_pool"], "max", "pool must be left out for 'global_pool': its output is one vector"),
        (["stage1"], "cls", "maps without a class token; got 'cls'"),
        (["stage1"], "median", "pool must be one of"),
    ],
)
def test_requests_that_cannot_be(convolutional: Encoder, images: torch.Tensor, layers: list[str], pool: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        convolutional.features(images, layers, pool)
    assert hooks_of(convolutional.module) == 0


def test_layers_as_one_text_are_refused(convolutional: Encoder, images: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="layers must be a list of one or more names; got 'pooled'"):
        convolutional.features(images, "pooled")


@pytest.mark.parametrize("shape", [(3, 160, 160), (2, 1, 160, 160), (0, 3, 160, 160)])
def test_images_that_do_not_fit(convolutional: Encoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"images must be a float tensor \(batch, 3, height, width\)"):
        convolutional.features(torch.zeros(shape))
    with pytest.raises(InputError, match=r"got torch\.uint8"):
        convolutional.features(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_images_of_another_size(convolutional: Encoder, transformer: Encoder) -> None:
    assert convolutional.features(torch.randn(1, 3, 64, 96))["pooled"].shape == (1, 96)
    with pytest.raises(InputError, match="images must be 224 x 224, as timm:mixer_s32_224 was loaded for; got 64 x 64"):
        load_encoder("timm:mixer_s32_224").features(torch.randn(1, 3, 64, 64))


class Odd(nn.Module):
    """A network with every kind of layer that has no reading as features."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.unused = nn.ReLU(), nn.Linear(1, 1)
        self.pair = Pair()
        self.fails = Failing()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        one, _ = self.pair(self.twice(self.twice(images)))
        return self.fails(one).mean((2, 3))


class Pair(nn.Module):
    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images, images


class Failing(nn.Module):
    broken = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.broken:
            raise RuntimeError("out of order")
        return images


@pytest.fixture
def odd(convolutional: Encoder) -> Encoder:
    return Encoder("odd", "odd", Odd().eval(), convolutional.input)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("twice", "'twice' runs several times"),
        ("unused", "'unused' does not run"),
        ("pair", "module that returns one tensor; 'pair' returns a tuple"),
    ],
)
def test_layers_without_a_reading(odd: Encoder, images: torch.Tensor, layer: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        odd.features(images, [layer])
    assert hooks_of(odd.module) == 0


def test_nothing_is_left_behind_when_the_network_fails(odd: Encoder, images: torch.Tensor) -> None:
    odd.module.fails.broken = True  # type: ignore[union-attr, assignment]
    for requested in (["pooled"], ["pair", "pooled"]):
        with pytest.raises((RuntimeError, UsageError)):
            odd.features(images, requested)
    assert hooks_of(odd.module) == 0 and not odd.module.training


def test_network_and_images_are_unchanged(convolutional: Encoder, images: torch.Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in convolutional.module.state_dict().items()}
    copy = images.clone()
    convolutional.features(images, LAYERS)
    after = convolutional.module.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items()) and torch.equal(images, copy)
    assert not any(part.training for part in convolutional.module.modules())


def test_layer_names(convolutional: Encoder, transformer: Encoder) -> None:
    names = convolutional.layers()
    assert names[:5] == ["pooled", "stage1", "stage2", "stage3", "stage4"] and "layer1.0.conv2" in names and len(set(names)) == len(names)
    assert not any(name.startswith("stage") for name in transformer.layers())


def build(name: str) -> nn.Module:
    import torchvision

    with torch.device("meta"):
        return torchvision.models.get_model_builder(name)(weights=None)


@pytest.mark.parametrize(
    ("make", "paths"),
    [
        (lambda: build("resnet50"), ["layer1", "layer2", "layer3", "layer4"]),
        (lambda: build("densenet121"), [f"features.denseblock{number}" for number in range(1, 5)]),
        (lambda: build("convnext_tiny"), ["features.1", "features.3", "features.5", "features.7"]),
        (lambda: build("swin_t"), ["features.1", "features.3", "features.5", "features.7"]),
        (lambda: build("vit_b_32"), []),
        (lambda: build("vgg11"), []),
    ],
)
def test_stages_of_torchvision(make: Callable[[], nn.Module], paths: list[str]) -> None:
    assert list(stages_of(make()).values()) == paths
