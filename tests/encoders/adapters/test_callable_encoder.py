"""Functions as encoders: what they are given, what may come back, and what they are told apart by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.adapters.callable_encoder import CallableEncoder
from repr_probe.encoders.adapters.protocol import require
from repr_probe.errors import CheckpointError, InputError, UsageError


class OnlyDLPack:
    """An array of a framework that knows nothing but the exchange protocol, as JAX's are to us."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = np.ascontiguousarray(values)

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


class OnlyArray:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values.copy()
        self.values.flags.writeable = False

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.values


def means(images: np.ndarray) -> np.ndarray:
    return images.mean((2, 3))


@pytest.mark.parametrize("kind", [lambda x: x, OnlyDLPack, OnlyArray, torch.from_numpy, lambda x: x[:, :, None, None], np.float64, np.float16])
def test_arrays_of_every_kind_come_back(images: torch.Tensor, kind: Any) -> None:
    encoder = as_encoder(lambda given: kind(means(given)), image_size=16)
    found = encoder.features(images, ["pooled"])["pooled"]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, images.mean((2, 3)), atol=2e-3 if kind is np.float16 else 1e-6, rtol=1e-3)


def test_what_a_function_is_given(images: torch.Tensor) -> None:
    seen: list[Any] = []

    def look(given: Any) -> Any:
        seen.append(given)
        return given.reshape(len(given), -1)[:, :7].astype(np.float32) if isinstance(given, np.ndarray) else given.flatten(1)

    as_encoder(look, image_size=16)
    assert isinstance(seen[-1], np.ndarray) and seen[-1].dtype == np.float32 and seen[-1].shape[1:] == (3, 16, 16)
    encoder = as_encoder(look, image_size=(16, 20), layout="NHWC", range="uint8")
    pixels = torch.randint(0, 256, (2, 3, 16, 20))
    encoder.features(pixels / 255, ["pooled"])
    assert seen[-1].dtype == np.uint8
    np.testing.assert_array_equal(seen[-1], pixels.permute(0, 2, 3, 1).numpy())
    assert encoder.input.mean == (0, 0, 0) and encoder.input.std == (1, 1, 1) and encoder.input.sources["mean"] == "raw pixels 0 to 255"
    as_encoder(look, image_size=16, arrays="torch", grey=True)
    assert isinstance(seen[-1], torch.Tensor) and seen[-1].shape[1] == 1


def test_a_fixed_batch_is_filled_up(images: torch.Tensor) -> None:
    def of_four(given: np.ndarray) -> np.ndarray:
        assert len(given) == 4
        return means(given)

    found = as_encoder(of_four, image_size=16, batch=4).features(images, ["pooled"])["pooled"]
    torch.testing.assert_close(found, images.mean((2, 3)))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, r"must return \(4, n_features\) for 4 images; got shape \(4, 3, 16, 16\); pool the maps or tokens"),
        (lambda x: x.mean(), r"must return .* got shape \(\)"),
        (lambda x: x.mean((2, 3))[:2], r"got shape \(2, 3\)"),
        (lambda x: (x, x), "must return one array, a row an image; got a tuple"),
        (lambda x: means(x) * np.nan, "finite features; 4 of 4 rows hold NaN"),
        (lambda x: means(x).astype(complex), "real numbers; got"),
        (lambda x: np.array([["a"]] * 4), "real numbers; got an array of <U1"),
        (lambda x: x.conv(), "must take images as numpy arrays .* got AttributeError: .*arrays='torch' hands over tensors"),
        (lambda x: means(x) - means(x).mean(0), "same features in every batch"),
    ],
)
def test_what_is_no_feature_is_refused(function: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as refusal:
        as_encoder(function, image_size=16)
    assert refusal.value.code == "E_OUTPUT" and "\n" not in str(refusal.value)


def test_constant_features_are_refused() -> None:
    with pytest.raises(CheckpointError, match="must tell images apart") as refusal:
        as_encoder(lambda x: np.ones((len(x), 3)), image_size=16)
    assert refusal.value.code == "E_DEGENERATE"


def test_every_batch_is_checked(images: torch.Tensor) -> None:
    calls: list[int] = []

    def tiring(given: np.ndarray) -> np.ndarray:
        calls.append(1)
        return means(given) if len(calls) < 3 else means(given) * np.inf

    encoder = as_encoder(tiring, image_size=16)
    with pytest.raises(CheckpointError, match="5 of 5 rows hold NaN or infinity"):
        encoder.features(images, ["pooled"])
    with pytest.raises(InputError, match=r"images must be a float tensor \(batch, 3"):
        encoder.features(images[:, :1], ["pooled"])


def test_functions_are_told_apart_by_what_they_give() -> None:
    one, same, other = (as_encoder(function, image_size=16) for function in (means, lambda x: x.mean((2, 3)), lambda x: x.mean((2, 3)) * 2))
    assert one.identity["trial"] == same.identity["trial"] != other.identity["trial"]
    assert one.name == "means" and one.architecture == "callable:means"


def test_what_was_not_declared_is_noted() -> None:
    encoder = as_encoder(means, image_size=16, mean=0.5)
    assert encoder.notes == ("preprocessing was not declared for std, interpolation, crop_pct: ImageNet's usual values are taken",)
    assert encoder.input.mean == (0.5, 0.5, 0.5) and encoder.input.sources["mean"] == "--mean"


def test_capabilities(images: torch.Tensor) -> None:
    encoder = as_encoder(means, image_size=16)
    require(encoder, "features")
    with pytest.raises(CheckpointError, match=r"must offer maps; means \(callable:means\) offers features; use a checkpoint or torch") as no:
        require(encoder, "maps")
    assert no.value.code == "E_CAPABILITY"
    for options in ({"layers": ["layer1"]}, {"layers": ["pooled"], "pool": "avg"}):
        with pytest.raises(CheckpointError, match="whose inside cannot be read") as no:
            encoder.features(images, **options)
        assert no.value.code == "E_CAPABILITY"
    assert encoder.layers() == ["pooled"] and encoder.device.type == "cpu" and encoder.default_layer == "pooled"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "HWC"}, "layout must be NCHW or NHWC"),
        ({"range": "0-255"}, "range must be normalised or uint8"),
        ({"arrays": "jax"}, "arrays must be numpy or torch"),
        ({"batch": 0}, "batch must be a positive number"),
        ({"range": "uint8", "mean": 0.5}, "mean and std must be left out with range uint8"),
        ({"pool": "avg"}, "pool must be left out for a function"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        as_encoder(means, **{"image_size": 16, **options})


def test_what_is_no_encoder() -> None:
    with pytest.raises(UsageError, match="must be a torch module or a function from images to features; got a int"):
        as_encoder(3)  # type: ignore[arg-type]
    encoder = as_encoder(means, image_size=16)
    assert as_encoder(encoder) is encoder and isinstance(encoder, CallableEncoder)
    with pytest.raises(UsageError, match="image_size must be said where the encoder is made"):
        as_encoder(encoder, image_size=16)
