"""ONNX models as encoders: layout, batch, output and input type are the model's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repr_probe.encoders.adapters.onnx_encoder import onnx_encoder
from repr_probe.encoders.adapters.open_adapter import open_adapter
from repr_probe.errors import CheckpointError, UsageError

WEIGHTS = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)


def build(path: Path, *, batch: Any = "n", size: Any = "side", layout: str = "NCHW", outputs: tuple[str, ...] = ("f",), kind: str = "FLOAT",
          external: str = "") -> Path:  # fmt: skip
    """conv -> relu -> mean, as an ONNX file: "f" (n, 5), "g" (n, 5, 1, 1), "r" maps, "f2" a second vector."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    make, numbers = onnx.helper.make_node, getattr(onnx.TensorProto, kind)
    shape = [batch, 3, size, size] if layout == "NCHW" else [batch, size, size, 3]
    nodes = [make("Cast", ["x"], ["x0"], to=onnx.TensorProto.FLOAT)]
    nodes.append(make("Transpose", ["x0"], ["x1"], perm=[0, 3, 1, 2]) if layout == "NHWC" else make("Identity", ["x0"], ["x1"]))
    nodes += [make("Conv", ["x1", "w"], ["c"]), make("Relu", ["c"], ["r"]), make("GlobalAveragePool", ["r"], ["g"]),
              make("Flatten", ["g"], ["f"]), make("Neg", ["f"], ["f2"])]  # fmt: skip
    shapes = {"f": [batch, 5], "f2": [batch, 5], "g": [batch, 5, 1, 1], "r": [batch, 5, None, None]}
    given = [onnx.helper.make_tensor_value_info("x", numbers, shape)]
    results = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shapes[name]) for name in outputs]
    graph = onnx.helper.make_graph(nodes, "net", given, results, [onnx.numpy_helper.from_array(WEIGHTS, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    options = {"save_as_external_data": True, "location": external, "size_threshold": 0} if external else {}
    onnx.save(model, path / "m.onnx", **options)
    return path / "m.onnx"


def expected(images: torch.Tensor) -> torch.Tensor:
    return torch.relu(torch.nn.functional.conv2d(images, torch.from_numpy(WEIGHTS))).mean((2, 3))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("batch", "size"), [("n", "side"), (1, 16), (3, 16), (8, "side")])
def test_equal_to_the_same_network(tmp_path: Path, images: torch.Tensor, layout: str, batch: Any, size: Any) -> None:
    path = build(tmp_path, layout=layout, batch=batch, size=size)
    encoder = open_adapter(path, kind="onnx", options={} if size == 16 else {"image_size": 16})
    assert encoder is not None and encoder.input.size == (16, 16) and encoder.identity["layout"] == layout
    assert encoder.input.sources["size"] == ("input of m.onnx" if size == 16 else "--image-size")
    torch.testing.assert_close(encoder.features(images, ["pooled"])["pooled"], expected(images), atol=1e-5, rtol=1e-5)


def test_eight_bit_input(tmp_path: Path) -> None:
    encoder = onnx_encoder(build(tmp_path, kind="UINT8", size=16))
    pixels = torch.randint(0, 256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder.features(pixels / 255)["pooled"], expected(pixels.float()))
    assert encoder.range == "uint8" and encoder.input.std == (1, 1, 1)


def test_the_only_vector_is_taken(tmp_path: Path, images: torch.Tensor) -> None:
    encoder = onnx_encoder(build(tmp_path, outputs=("r", "g", "f")), image_size=16)
    assert encoder.facts["output"] == "f" and "output 'f' of the model" in encoder.notes[0]
    assert onnx_encoder(build(tmp_path, outputs=("r", "g")), image_size=16).facts["output"] == "g"
    path = build(tmp_path, outputs=("f", "f2"))
    with pytest.raises(CheckpointError, match=r"several vectors an image: f \(4, 5\), f2 \(4, 5\); choose with --output NAME") as refusal:
        onnx_encoder(path, image_size=16)
    assert refusal.value.code == "E_AMBIGUOUS"
    torch.testing.assert_close(onnx_encoder(path, image_size=16, output="f2").features(images)["pooled"], -expected(images))
    with pytest.raises(CheckpointError, match=r"--output must name an output of m\.onnx; got 'h'; there are: f, f2"):
        onnx_encoder(path, image_size=16, output="h")
    with pytest.raises(CheckpointError, match=r"gives no vector an image: r \(4, 5, 14, 14\)"):
        onnx_encoder(build(tmp_path, outputs=("r",)), image_size=16)


def test_sizes_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"image_size must be 16 x 16, which m\.onnx fixes; got 20"):
        onnx_encoder(build(tmp_path, size=16), image_size=20)
    with pytest.raises(CheckpointError, match=r"must take images \(4, 3, 2, 2\); got .*; say image_size or layout"):
        onnx_encoder(build(tmp_path), image_size=2)


def test_weights_in_other_files(tmp_path: Path, images: torch.Tensor) -> None:
    encoder = onnx_encoder(build(tmp_path, external="w.data"), image_size=16)
    torch.testing.assert_close(encoder.features(images)["pooled"], expected(images), atol=1e-5, rtol=1e-5)
    assert encoder.facts["beside"] == ["w.data"] and len(encoder.identity["weights"]) == 2


def test_a_model_the_runtime_refuses(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "m.onnx").write_bytes(b"\x08\x09\x3a\x02\x12\x00")
    with pytest.raises(CheckpointError, match="must be a model onnxruntime can open; got") as refusal:
        onnx_encoder(tmp_path / "m.onnx")
    assert refusal.value.code == "E_ONNX" and "\n" not in str(refusal.value)


def test_a_missing_runtime_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    (tmp_path / "m.onnx").write_bytes(b"\x08\x09")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CheckpointError, match=r'onnxruntime, which is not installed; run: pip install "repr-probe\[onnx\]"') as refusal:
        onnx_encoder(tmp_path / "m.onnx")
    assert refusal.value.code == "E_EXTRA"
