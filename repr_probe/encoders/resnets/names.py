"""Whose names the tensors of a ResNet have, and what they are called in torchvision (in timm for deep stems).

A scheme is a table of regular expressions; what no row matches is left over. What the names alone prove about the network (a stem without
ReLU, padding at the end only) stands with the scheme.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from repr_probe.encoders.architectures import Option
from repr_probe.encoders.reading import Piece, Shapes

Replacement = str | Callable[[re.Match[str]], str]
NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"


@dataclass(frozen=True)
class Scheme:
    """name: for people.  signs: a file with these names has one of them (whole names).  rows: (pattern, name in torchvision).

    proves: options of the network that follow from the names; tells: the same for people.
    """

    name: str
    signs: tuple[str, ...]
    rows: tuple[tuple[str, Replacement], ...]
    proves: Mapping[str, Option] = field(default_factory=dict)
    tells: str = ""

    def translated(self, name: str) -> str | None:
        for pattern, replacement in self.rows:
            match = re.fullmatch(pattern, name)
            if match:
                return replacement(match) if callable(replacement) else match.expand(replacement)
        return None


@dataclass(frozen=True)
class Named:
    """Tensors under torchvision's names. left: names of the file that no row of the scheme knows."""

    scheme: Scheme
    pieces: Mapping[str, Piece]
    left: tuple[str, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: piece.shape for name, piece in self.pieces.items()}


PLAIN_ROWS: tuple[tuple[str, Replacement], ...] = (
    (rf"conv1\.weight|bn1\.{NORM}", r"\g<0>"),
    (rf"layer\d\.\d{{1,3}}\.(conv[123]\.weight|bn[123]\.{NORM})", r"\g<0>"),
    (rf"(layer\d\.\d{{1,3}})\.(?:downsample|shortcut)\.([012])\.{NORM}", r"\1.downsample.\2.\3"),
    (rf"conv1\.([036]\.weight|[14]\.{NORM})", r"\g<0>"),
)
# Deep stems of the OpenMMLab family: modules of a convolution and its normalisation (stem.0.conv), or all in a row (stem.0, stem.1, stem.3).
OPENMMLAB_ROWS: tuple[tuple[str, Replacement], ...] = (
    (r"stem\.([012])\.conv\.weight", lambda match: f"conv1.{3 * int(match[1])}.weight"),
    (rf"stem\.([01])\.bn\.{NORM}", lambda match: f"conv1.{3 * int(match[1]) + 1}.{match[2]}"),
    (rf"stem\.(?:2\.bn|7)\.{NORM}", r"bn1.\1"),
    (rf"stem\.([036]\.weight|[14]\.{NORM})", r"conv1.\1"),
    *PLAIN_ROWS,
)


def _numbered(first: int) -> tuple[tuple[str, Replacement], ...]:
    """Children of a network put into a Sequential: 0 and 1 are the stem, stages begin at `first`."""

    def stage(match: re.Match[str]) -> str:
        name = f"layer{int(match[1]) - first + 1}.{match[2]}"
        return name.replace(".shortcut.", ".downsample.")

    return (
        (r"0\.(weight)", r"conv1.\1"),
        (rf"1\.{NORM}", r"bn1.\1"),
        (rf"0\.([036]\.weight|[14]\.{NORM})", r"conv1.\1"),
        (rf"([{first}-{first + 3}])\.(\d{{1,3}}\.(?:conv[123]\.weight|bn[123]\.{NORM}|(?:downsample|shortcut)\.[012]\.{NORM}))", stage),
    )


def _residual_function(match: re.Match[str]) -> str:
    """conv2_x.0.residual_function.4.bias -> layer1.0.bn2.bias: convolution, normalisation, ReLU, and again."""
    position = int(match[3])
    part = ("conv", "bn")[position % 3]
    return f"layer{int(match[1]) - 1}.{match[2]}.{part}{position // 3 + 1}.{match[4]}"


def _simclr_net(match: re.Match[str]) -> str:
    """net.1.blocks.0.net.3.0.bias -> layer1.0.bn2.bias: convolutions have even numbers, normalisations odd ones."""
    position = int(match[3])
    part = ("conv", "bn")[position % 2]
    return f"layer{match[1]}.{match[2]}.{part}{position // 2 + 1}.{match[4]}"


def _hf(match: re.Match[str]) -> str:
    part = "conv" if match[4] == "convolution" else "bn"
    return f"layer{int(match[1]) + 1}.{match[2]}.{part}{int(match[3]) + 1}.{match[5]}"


def _hf_shortcut(match: re.Match[str]) -> str:
    return f"layer{int(match[1]) + 1}.{match[2]}.downsample.{int(match[3] == 'normalization')}.{match[4]}"


def _residual_shortcut(match: re.Match[str]) -> str:
    return f"layer{int(match[1]) - 1}.{match[2]}.downsample.{match[3]}.{match[4]}"


SCHEMES: tuple[Scheme, ...] = (
    Scheme(
        "mmpretrain's names of a deep stem",
        tuple(f"stem.{stem}.weight" for stem in ("0.conv", "1.conv", "0", "3")),
        OPENMMLAB_ROWS,
    ),
    Scheme(
        "kuangliu's ResNet names",
        tuple(f"layer{stage}.0.shortcut.0.weight" for stage in (1, 2, 3, 4)),
        PLAIN_ROWS,
    ),
    Scheme(
        "torchvision's ResNet names",
        tuple(f"layer1.0.{part}.weight" for part in ("conv1", "bn1", "conv2", "bn2")),
        PLAIN_ROWS,
    ),
    *(
        Scheme(
            f"numbered children of a ResNet (stages from {first})",
            tuple(f"{first}.0.{part}.weight" for part in ("conv1", "bn1", "conv2", "bn2")),
            _numbered(first),
            proves,
            tells,
        )
        for first, proves, tells in (
            (2, {"stem_relu": False, "stem_pool": False}, "a Sequential of convolution, normalisation and stages has no ReLU and no pool in its stem"),
            (3, {"stem_pool": False}, "a Sequential of convolution, normalisation, ReLU and stages has no pool"),
            (4, {}, ""),
        )
    ),
    Scheme(
        "weiaicunzai's ResNet names",
        ("conv2_x.0.residual_function.0.weight", "conv2_x.0.residual_function.3.weight"),
        (
            (r"conv1\.0\.(weight)", r"conv1.\1"),
            (rf"conv1\.1\.{NORM}", r"bn1.\1"),
            (rf"conv([2-5])_x\.(\d{{1,3}})\.residual_function\.([013467])\.{NORM}", _residual_function),
            (rf"conv([2-5])_x\.(\d{{1,3}})\.shortcut\.([01])\.{NORM}", _residual_shortcut),
        ),
    ),
    Scheme(
        "Hugging Face's ResNet names",
        ("encoder.stages.0.layers.0.layer.0.convolution.weight", "encoder.stages.0.layers.0.layer.1.convolution.weight"),
        (
            (r"embedder\.embedder\.convolution\.(weight)", r"conv1.\1"),
            (rf"embedder\.embedder\.normalization\.{NORM}", r"bn1.\1"),
            (rf"encoder\.stages\.(\d)\.layers\.(\d{{1,3}})\.layer\.([012])\.(convolution|normalization)\.{NORM}", _hf),
            (rf"encoder\.stages\.(\d)\.layers\.(\d{{1,3}})\.shortcut\.(convolution|normalization)\.{NORM}", _hf_shortcut),
        ),
    ),
    Scheme(
        "names of Google's SimCLR v2, converted",
        ("net.1.blocks.0.net.0.weight", "net.1.blocks.0.net.1.0.weight", "net.1.blocks.0.net.2.weight"),
        (
            (r"net\.0\.0\.(weight)", r"conv1.\1"),
            (rf"net\.0\.1\.0\.{NORM}", r"bn1.\1"),
            (r"net\.([1-4])\.blocks\.(\d{1,3})\.net\.([024])\.(weight)", _simclr_net),
            (rf"net\.([1-4])\.blocks\.(\d{{1,3}})\.net\.([135])\.0\.{NORM}", _simclr_net),
            (r"net\.([1-4])\.blocks\.(\d{1,3})\.projection\.shortcut\.(weight)", r"layer\1.\2.downsample.0.\3"),
            (rf"net\.([1-4])\.blocks\.(\d{{1,3}})\.projection\.bn\.0\.{NORM}", r"layer\1.\2.downsample.1.\3"),
        ),
    ),
)  # fmt: skip
FLAX = Scheme(
    "Flax's ResNet names",
    tuple(f"{root}{kind}_0.Conv_{index}.kernel" for root in ("", "params.") for kind in ("ResNetBlock", "BottleneckResNetBlock") for index in (0, 1)),
    (),
    {"padding": "same"},
    "Flax pads strided convolutions and pools less at the start than at the end",
)  # fmt: skip
# Deep stems are left out: their networks also have the landmarks of torchvision's, and other families begin with a "stem.0" too.
LANDMARKS: tuple[str, ...] = tuple(sign for scheme in (*SCHEMES, FLAX) for sign in scheme.signs if not sign.startswith("stem."))
# What a network of this package can have; a row may give more (the bias of a convolution), which then counts as left over.
POSSIBLE = re.compile(
    rf"conv1\.([036]\.)?weight|conv1\.[14]\.{NORM}|bn1\.{NORM}|"
    rf"layer\d\.\d{{1,3}}\.(conv[123]\.weight|bn[123]\.{NORM}|downsample\.[012]\.{NORM})"
)


def torchvision_names(shapes: Shapes) -> Named | None:
    """The tensors under torchvision's names by the first scheme that knows them, or None."""
    if any(sign in shapes for sign in FLAX.signs):
        return _flax_names(shapes)
    scheme = next((scheme for scheme in SCHEMES if any(sign in shapes for sign in scheme.signs)), None)
    if scheme is None:
        return None
    pieces: dict[str, Piece] = {}
    left = []
    for key, shape in shapes.items():
        name = scheme.translated(key)
        if name is None or name in pieces or not POSSIBLE.fullmatch(name):
            left.append(key)
        else:
            pieces[name] = Piece((key,), tuple(shape))
    return Named(scheme, _with_averages(pieces), tuple(left))


def _with_averages(pieces: dict[str, Piece]) -> dict[str, Piece]:
    """Shortcuts that begin with an average (downsample.1 is the convolution) where at least one does, in all of them.

    OpenMMLab leaves the average out where there is nothing to average, so that the convolution has another number there.
    """
    if not any(re.fullmatch(r"layer\d\.\d{1,3}\.downsample\.2\.weight", name) for name in pieces):
        return pieces
    shifted = {}
    for name, piece in pieces.items():
        match = re.fullmatch(r"(layer\d\.\d{1,3})\.downsample\.([01])\.(\w+)", name)
        if match and f"{match[1]}.downsample.2.weight" not in pieces and f"{match[1]}.downsample.0.weight" in pieces:
            name = f"{match[1]}.downsample.{int(match[2]) + 1}.{match[3]}"
        shifted[name] = piece
    return shifted


FLAX_NORMS = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def _flax_names(shapes: Shapes) -> Named:
    """Blocks are numbered through all stages there: a new stage begins where the channels change."""
    plain = {re.sub(r"^(params|batch_stats)\.", "", key): key for key in shapes}
    blocks = {int(match[1]): match[0] for name in plain if (match := re.match(r"(?:Bottleneck)?ResNetBlock_(\d{1,3})(?=\.)", name))}
    places: dict[int, str] = {}
    stage, index, channels = 0, 0, -1
    for number in range(max(blocks) + 1):
        kernel = shapes.get(plain.get(f"{blocks.get(number)}.Conv_0.kernel", ""), ())
        width = kernel[3] if len(kernel) == 4 else channels
        stage, index = (stage + 1, 0) if width != channels else (stage, index + 1)
        channels = width
        places[number] = f"layer{stage}.{index}"
    pieces: dict[str, Piece] = {}
    left = []
    for name, key in plain.items():
        target = _flax_target(name, places)
        if target is None or target in pieces:
            left.append(key)
        elif len(shapes[key]) == 4:
            height, width, inputs, outputs = shapes[key]
            pieces[target] = Piece((key,), (outputs, inputs, height, width), _outputs_first)
        else:
            pieces[target] = Piece((key,), tuple(shapes[key]))
    return Named(FLAX, pieces, tuple(left))


def _flax_target(name: str, places: Mapping[int, str]) -> str | None:
    if name == "conv_init.kernel":
        return "conv1.weight"
    match = re.fullmatch(r"bn_init\.(scale|bias|mean|var)", name)
    if match:
        return f"bn1.{FLAX_NORMS[match[1]]}"
    match = re.fullmatch(r"(?:Bottleneck)?ResNetBlock_(\d{1,3})\.(Conv_(\d)|conv_proj|BatchNorm_(\d)|norm_proj)\.(kernel|scale|bias|mean|var)", name)
    if not match:
        return None
    convolution = match[2].startswith(("Conv", "conv"))
    if convolution != (match[5] == "kernel"):
        return None
    inside = f"{'conv' if convolution else 'bn'}{int(match[3] or match[4]) + 1}" if match[3] or match[4] else f"downsample.{int(not convolution)}"
    return f"{places[int(match[1])]}.{inside}.{'weight' if convolution else FLAX_NORMS[match[5]]}"


def _outputs_first(parts: list[torch.Tensor]) -> torch.Tensor:
    """(height, width, inputs, outputs) -> (outputs, inputs, height, width)."""
    return parts[0].permute(3, 2, 0, 1).contiguous()
