"""`load_encoder`: from what the user wrote to a network whose every weight is known to be in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repr_probe.encoders.adapters.open_adapter import open_adapter
from repr_probe.encoders.adapters.protocol import ImageEncoder
from repr_probe.encoders.adapters.trial import fingerprint
from repr_probe.encoders.architectures import resolve_architecture
from repr_probe.encoders.devices import resolve_device
from repr_probe.encoders.encoder import Encoder
from repr_probe.encoders.input_spec import overridden
from repr_probe.encoders.opening import Opened, library_versions, open_checkpoint, resize_network, try_out
from repr_probe.encoders.overrides import read_overrides
from repr_probe.encoders.pooling import check_pool
from repr_probe.encoders.projector import projector_of
from repr_probe.encoders.scores import scores_note
from repr_probe.encoders.self_checks import trial_images
from repr_probe.encoders.timm_arguments import stated_pool
from repr_probe.errors import UsageError

POOLINGS = {None: "the network's own head before its classifier", "avg": "mean of the last maps or patches", "cls": "class token",
            "max": "maximum of the last maps"}  # fmt: skip


def load_encoder(
    checkpoint: str | Path,
    *,
    arch: str | None = None,
    key: str | None = None,
    prefix: str | None = None,
    role: str | None = None,
    heads: int | None = None,
    stem: str | None = None,
    map: Sequence[str] | Mapping[str, str] | None = None,
    allow_missing: Sequence[str] | str | None = None,
    image_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    interp: str | None = None,
    crop_pct: float | None = None,
    channels: str | None = None,
    pool: str | None = None,
    pretrained: bool = False,
    allow_code: bool = False,
    output: str | None = None,
    device: str = "auto",
) -> ImageEncoder:
    """Open `checkpoint` as an image encoder.

    checkpoint, in this order: an existing file or folder of weights; the name of an embedded network ("hydes-digits");
    "timm:NAME" or "torchvision:NAME" (random weights from seed 0, or published ones with `pretrained`, which may download);
    "package.module:callable" with `allow_code`.
    What is found in a file, and what is assumed, is in `Encoder.facts` and `Encoder.notes`; each of these says otherwise:
    arch: the network ("timm:NAME", "torchvision:NAME", "repr_probe:resnet(layers=3-3-3)", "package.module:callable" with `allow_code`).
    key: path of the weights in the file ("state_dict").  prefix: of the encoder's names ("backbone").  role: "ema" or "online".
    heads: attention heads.  stem: "imagenet", "cifar" (3 x 3) or "solo" (3 x 3, padding 2).  map: renames tensors, "REGEX=>NEW".
    allow_missing: patterns of tensors that may be missing (they stay random).
    image_size, mean, std, interp, crop_pct, channels ("rgb", "bgr"): the input; `Encoder.input.sources` says where each value came from.
    pool: "avg", "mean", "cls" or "max" in place of the network's own pooling.  output: which output of an ONNX model.
    device: "auto" is cuda where there is one, else cpu.

    Every tensor the network needs up to its pooled output must be in the file with its shape, else CheckpointError says what does not fit;
    FileFormatError when the file itself cannot be read. Nothing in a file is ever run without `allow_code`. The caller's random numbers
    are left as they were.
    """
    if not isinstance(checkpoint, str | Path):
        raise UsageError(f"checkpoint must be a path or a name; got a {type(checkpoint).__name__}; for a module or function: as_encoder")
    place, pool = resolve_device(device), check_pool(pool)
    spec_options: dict[str, Any] = {"image_size": image_size, "mean": mean, "std": std, "interp": interp, "crop_pct": crop_pct, "channels": channels}
    handed = {**spec_options, "output": output}
    adapted = open_adapter(checkpoint, allow_code=allow_code, options=handed, pool=pool, device=place) if arch is None else None
    weights: dict[str, Any] = {"key": key, "prefix": prefix, "role": role, "heads": heads, "stem": stem, "allow_missing": allow_missing}
    _check_belongs(checkpoint, adapted, {**weights, "map": map, "pretrained": pretrained or None}, output)
    if adapted is not None:
        return adapted
    overrides = read_overrides(
        arch=resolve_architecture(arch, allow_code=allow_code) if arch else None, renames=map, **weights
    )  # fmt: skip
    opened = open_checkpoint(checkpoint, overrides, pretrained)
    spec = overridden(opened.input, **spec_options)
    if spec.size != opened.input.size:
        resize_network(opened.module, spec.size, opened.architecture)
    opened.module.to(place)
    pooled, own_pool = try_out(opened, spec, place)
    identity, notes = opened.identity, opened.notes
    if pool is None and (pool := _pool_of_file(opened, own_pool)) is not None:
        notes = (*notes, f"pooled by {pool}, as args.gp in the file says; --pool says otherwise")
    if opened.architecture.library == "code":  # the name does not say what the code is
        identity = {**identity, "trial": fingerprint(pooled)}
        notes = (*notes, *scores_note(opened.module, trial_images(spec)[:1].to(place)))
    facts = {
        **opened.facts,
        "n_features": pooled.shape[1],
        "pooling": POOLINGS[own_pool],
        "overrides": overrides.to_dict(),
        "versions": library_versions(opened.architecture.library),
    }  # fmt: skip
    encoder = Encoder(
        name=opened.name, architecture=str(opened.architecture), module=opened.module, input=spec, identity=identity,
        facts=facts, notes=notes, pool=pool, own_pool=own_pool,
        projector=projector_of(opened.fitted.choice.candidate, pooled.shape[1]) if opened.fitted is not None else None,
    )  # fmt: skip
    if pool is not None:
        encoder.features(trial_images(spec)[:1], [encoder.default_layer])  # a pooling the network does not have is refused now
    return encoder


def _pool_of_file(opened: Opened, own_pool: str | None) -> str | None:
    return None if opened.fitted is None else stated_pool(opened.fitted.arguments, opened.module, own_pool)


def _check_belongs(checkpoint: str | Path, adapted: ImageEncoder | None, weights: Mapping[str, Any], output: str | None) -> None:
    """An option that this kind of checkpoint has no use for is a misunderstanding."""
    given = [name for name, value in weights.items() if value is not None]
    if adapted is not None and given:
        raise UsageError(f"{given[0]} must go with a file of weights; got it for {checkpoint}, which runs as it stands")
    if adapted is None and output is not None:
        raise UsageError(f"output must go with an ONNX model; got it for {checkpoint}")
