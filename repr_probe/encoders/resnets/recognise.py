"""A ResNet told from the names and shapes of its tensors: which network, which tensor goes where, and what had to be assumed."""

from __future__ import annotations

import re

from repr_probe.encoders.architectures import Architecture, Option, resolve_architecture
from repr_probe.encoders.reading import Assumption, Clue, Clues, Reading, Shapes
from repr_probe.encoders.resnets import clip
from repr_probe.encoders.resnets.cut_short import cut_short
from repr_probe.encoders.resnets.inputs import usual_input
from repr_probe.encoders.resnets.names import LANDMARKS as NAME_LANDMARKS
from repr_probe.encoders.resnets.names import Named, torchvision_names
from repr_probe.encoders.resnets.options import CHOICES, DEFAULTS, architecture, usual_stem_widths
from repr_probe.encoders.resnets.sizes import Seen, seen_in
from repr_probe.encoders.resnets.standard import SAME_TENSORS, STANDARD
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed, printable

LANDMARKS: tuple[str, ...] = NAME_LANDMARKS
# Tensors beside a ResNet that belong to its training: classifiers, projectors, predictors, prototypes, queues, momentum copies.
SPARE: tuple[str, ...] = (
    r"(fc|linear|classifier|head|heads|cls_head|last_linear|Dense_\d|params\.Dense_\d)(\.|\d).*",
    r".*(project|predict|prototype|classifier|momentum|queue|centroid|loss|criterion).*",
    r"(teacher|student|target|key|query|ema)_.*",
)
# Parts of blocks and stems that make another network of a ResNet, by the words in their names.
RELATIVES: tuple[tuple[str, str], ...] = (
    (r"layer\d\.\d+\.(se|se_module|se_layer|fc1|fc2|eca|ca)\.", "squeeze-and-excitation or another channel attention"),
    (r"net\.\d\.blocks\.\d+\.net\.\d\.(main|mixing)_conv\.", "selective kernels"),
    (r"layer\d\.\d+\.conv2\.(conv|bn0|fc1)", "split attention (ResNeSt)"),
    (r"layer\d\.\d+\.(convs|bns)\.", "a hierarchy of convolutions (Res2Net)"),
    (r"(conv|bn)3\.", "a stem of three convolutions without CLIP's attention pool"),
)
STEMS = {
    "imagenet": "stride 2, pool", "deep": "stride 2, pool", "cifar": "stride 1, padding 1, no pool", "solo": "stride 1, padding 2, no pool",
}  # fmt: skip


def read_resnet(shapes: Shapes, clues: Clues) -> Reading | None:
    """The ResNet whose tensors these are; names stand below the prefix, heads and other things may stand beside.

    None: no ResNet. Raises CheckpointError for one that cannot be rebuilt exactly, saying what was seen.
    """
    if clip.is_modified(shapes):
        return clip.read_modified(shapes, clues)
    named = torchvision_names(shapes)
    if named is None:
        return None
    _refuse_relatives(named)
    seen = seen_in(named.shapes)
    if seen is None:
        return None
    _refuse_strangers(named, seen, shapes)
    _refuse_activation(clues)
    options: dict[str, Option] = _sizes(seen)
    assumptions = [
        *_stem(seen, named, clues, options),
        *_shortcut(seen, options),
        *_stride_place(seen, clues, options),
        *_eps(clues, options),
    ]
    full = architecture(**options)
    standard = STANDARD.get(str(full))
    chosen = resolve_architecture(standard) if standard else full
    return Reading(
        scheme=named.scheme.name,
        architecture=chosen,
        pieces={name: piece for name, piece in named.pieces.items() if not (name.endswith("num_batches_tracked") and piece.shape)},
        assumptions=tuple(_with_command(assumption, full) for assumption in assumptions),
        channels=seen.channels,
        spare=SPARE,
        input=None if standard and "SimCLR" not in named.scheme.name else usual_input(named.scheme.name, full, seen.channels),
        also=SAME_TENSORS.get(str(chosen), ()),
        notes=_lost(seen, chosen),
    )


def _lost(seen: Seen, chosen: Architecture) -> tuple[str, ...]:
    """Files that lost blocks at the end of a stage look like whole, shorter networks."""
    part_of = cut_short(seen.layers, seen.planes, bottleneck=seen.bottleneck)
    if not part_of:
        return ()
    found = f"{sum(seen.layers)} blocks in {len(seen.layers)} stages ({'-'.join(map(str, seen.layers))})"
    return (f"DEPTH IN DOUBT: the file holds {found}, {part_of}; if the file lost them, these are not its features; if not: --arch \"{chosen}\"",)


def _refuse_relatives(named: Named) -> None:
    for pattern, what in RELATIVES:
        found = [name for name in named.left if re.match(pattern, name)]
        if found:
            raise CheckpointError(
                f"arch must be given: the file holds a ResNet with {what}, which is not rebuilt from shapes ({listed(found)}); "
                "name the exact network with --arch",
                code="E_NO_ENCODER",
            )


def _refuse_strangers(named: Named, seen: Seen, shapes: Shapes) -> None:
    """Tensors inside the stem or the blocks that a plain ResNet has not."""
    roots = {name.split(".")[0] for piece in named.pieces.values() for key in piece.keys for name in [_rootless(key)]}
    inside = [name for name in named.left if _rootless(name).split(".")[0] in roots]
    inside += [name for name in named.left if name[:1].isdigit() and len(shapes[name]) == 4]  # a convolution after the last stage
    if inside:
        raise CheckpointError(
            f"arch must be given: the file holds a ResNet ({seen}) with tensors that a plain one has not ({listed(inside)}); "
            "name the exact network with --arch",
            code="E_NO_ENCODER",
        )


def _refuse_activation(clues: Clues) -> None:
    clue = clues.get("activation")
    if clue is not None and clue.value != "relu":
        raise CheckpointError(
            f"arch must be given: {clue.source} says that the ResNet's activation is {clue.value}; only networks with relu are rebuilt from shapes",
            code="E_NO_ENCODER",
        )


def _rootless(name: str) -> str:
    return re.sub(r"^(params|batch_stats)\.", "", name)


def _sizes(seen: Seen) -> dict[str, Option]:
    options: dict[str, Option] = {
        "layers": "-".join(map(str, seen.layers)), "block": "bottleneck" if seen.bottleneck else "basic", "base_width": seen.base_width,
        "groups": seen.groups, "shortcut": seen.shortcut, "project_first": seen.project_first, "avg_down": seen.avg_down,
        "width": seen.planes[0],
    }  # fmt: skip
    if seen.planes != tuple(seen.planes[0] * 2**stage for stage in range(len(seen.planes))):
        options |= {"width": DEFAULTS["width"], "planes": "-".join(map(str, seen.planes))}
    if seen.stem_widths != usual_stem_widths("deep" if seen.deep else "", seen.planes[0]):
        options["stem_widths"] = "-".join(map(str, seen.stem_widths))
    return options


def _stem(seen: Seen, named: Named, clues: Clues, options: dict[str, Option]) -> list[Assumption]:
    """Stride, padding and pool of the stem, which only its kernel hints at."""
    kind, source = _stem_kind(seen, clues)
    options["stem"] = kind
    if kind == "imagenet" and seen.kernel != 7:
        options["stem_kernel"] = seen.kernel
    proved = dict(named.scheme.proves)
    if kind in ("cifar", "solo"):
        proved.pop("stem_pool", None)
    options |= proved
    flag = "--stem" if seen.kernel == 3 and not seen.deep else ""
    assumptions = [Assumption("stem", f"{kind} ({STEMS[kind]})", source, flag)]
    if proved:
        values = ", ".join(f"{name}={value}" for name, value in proved.items())
        assumptions.append(Assumption("names", values, named.scheme.tells, "--arch"))
    return assumptions


def _stem_kind(seen: Seen, clues: Clues) -> tuple[str, str]:
    """(kind, who says so)."""
    if seen.kernel not in (3, 7) or (seen.deep and seen.kernel != 3):
        raise CheckpointError(
            f"arch must be given: the file holds a ResNet with a {seen.kernel} x {seen.kernel} stem ({seen}); its stride, padding and pooling "
            "are not in the file; name the exact network with --arch",
            code="E_NO_ENCODER",
        )
    usual = "deep" if seen.deep else "imagenet" if seen.kernel == 7 else "cifar"
    source = f"usual for a stem of {'three convolutions' if seen.deep else f'{seen.kernel} x {seen.kernel}'}"
    clue = clues.get("stem")
    if clue is None:
        return usual, source
    if clue.value not in STEMS:
        raise CheckpointError(f"stem must be one of imagenet, cifar, solo; got {printable(clue.value)} from {clue.source}")
    if clue.value == usual or usual == "cifar":
        return str(clue.value), clue.source
    if clue.source.startswith("--"):
        stem = "three convolutions" if seen.deep else "kernels of 7 x 7"
        raise CheckpointError(f"stem must fit the file, whose stem has {stem}; got {clue.value}; leave {clue.source} out")
    return usual, source


def _shortcut(seen: Seen, options: dict[str, Option]) -> list[Assumption]:
    if seen.shortcut == "conv":
        return []
    if seen.bottleneck:
        raise CheckpointError(
            f"arch must be given: the file holds a ResNet ({seen}) without any weights on its shortcuts, where its channels change; "
            "name the exact network with --arch",
            code="E_MISSING",
        )
    return [Assumption("shortcut", "A (every second pixel, zeros for new channels)", "no weights on the shortcuts", "--arch")]


def _stride_place(seen: Seen, clues: Clues, options: dict[str, Option]) -> list[Assumption]:
    if not seen.bottleneck:
        return []
    clue = clues.get("stride_place", Clue("3x3", "usual; 1x1 in networks of caffe style"))
    if clue.value not in CHOICES["stride_place"]:
        raise CheckpointError(f"stride_place must be 3x3 or 1x1; got {printable(clue.value)} from {clue.source}")
    options["stride_place"] = str(clue.value)
    return [Assumption("stride place", str(clue.value), clue.source, "--arch")]


def _eps(clues: Clues, options: dict[str, Option]) -> list[Assumption]:
    clue = clues.get("eps", Clue(DEFAULTS["eps"], "usual"))
    options["eps"] = float(clue.value)
    return [Assumption("normalisation constant", f"{options['eps']:g}", clue.source, "--arch")]


def _with_command(assumption: Assumption, full: Architecture) -> Assumption:
    """What to write in order to say otherwise: the whole network with one option changed."""
    if assumption.flag != "--arch":
        return assumption
    options = dict(full.options)
    if assumption.what == "stride place":
        options["stride_place"] = "3x3" if options.get("stride_place") == "1x1" else "1x1"
    elif assumption.what == "normalisation constant":
        options["eps"] = 1e-3
    elif assumption.what == "shortcut":
        options["shortcut"] = "none"
    else:
        options = {name: value for name, value in options.items() if name not in ("stem_relu", "stem_pool", "padding")}
    return Assumption(assumption.what, assumption.value, assumption.source, f'--arch "{architecture(**options)}"')
