"""Why a file gives no encoder, in one line: what was found, what is missing or in the way, and what would fit or decide."""

from __future__ import annotations

from repr_probe.encoders.candidates import IMAGE_CHANNELS, Candidate, shapes_in
from repr_probe.encoders.containers import Container
from repr_probe.encoders.index.lookup import nearest
from repr_probe.encoders.prefixes import below
from repr_probe.encoders.survey import Survey
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed, printable


def explain_misfit(survey: Survey, candidate: Candidate) -> CheckpointError:
    """`candidate` is the encoder meant and not everything of it fits."""
    where = f" under {printable(candidate.prefix)!r}" if candidate.prefix else ""
    reasons = [f"matched {candidate.n_found} of {candidate.n_needed} tensors{where}"]
    reasons += [f"missing {len(candidate.missing)}: {listed(candidate.missing)}"] if candidate.missing else []
    reasons += [f"of another shape: {listed(candidate.misshaped)}"] if candidate.misshaped else []
    if candidate.strangers:
        reasons.append(f"{len(candidate.strangers)} of the file have no place in it: {listed(candidate.strangers)}")
    code = "E_SHAPE" if candidate.misshaped else "E_MISSING" if candidate.missing else "E_STRANGERS"
    advice = _advice(survey, candidate)
    if candidate.missing and not candidate.misshaped and not candidate.strangers:
        advice += "; tensors that may stay random: --allow-missing PATTERN"
    start = f"checkpoint must fit {candidate.architecture} (from {survey.chosen_by})"
    return CheckpointError(f"{start}; {'; '.join(reasons)}{advice}", code=code)


def explain_nothing(survey: Survey) -> CheckpointError:
    """No place of the file looks like an encoder that can be rebuilt."""
    if survey.wanted is None and any(_is_hwio(container) for container in survey.containers):
        return _wrong_layout(survey)
    if survey.refusals:
        reason = survey.refusals[0].reason
        return reason if reason.code else CheckpointError(str(reason), code="E_ARCH")
    partial = max(survey.candidates, key=lambda candidate: candidate.n_found, default=None)
    if partial is not None and partial.n_found:
        return explain_misfit(survey, partial)
    seen = _seen(survey)
    if survey.wanted is not None:
        order = "nor by order" if survey.file.keeps_order else f"and {survey.file.kind} files keep no order"
        start = f"checkpoint must fit {survey.wanted} (from {survey.chosen_by}); none of its tensors is there by name, {order}"
        return CheckpointError(f"{start}; got {seen}{_advice(survey, None)}", code="E_MISSING")
    if not any(_takes_images(container) for container in survey.containers):
        return CheckpointError(f"checkpoint must hold an image encoder; got {seen}, none of which takes an image", code="E_NO_ENCODER")
    return CheckpointError(
        f"arch must be given: the network of this file is not recognised; got {seen}{_advice(survey, None)}; name it with --arch, or give "
        "your own class with --arch module:callable --allow-code", code="E_NO_ENCODER")  # fmt: skip


def _seen(survey: Survey) -> str:
    largest = max(survey.containers, key=lambda container: len(container.tensors))
    some = listed((f"{name} {tuple(tensor.shape)}" for name, tensor in list(largest.tensors.items())), limit=3)
    return f"{len(largest.tensors)} tensors in {largest} ({some})"


def _wrong_layout(survey: Survey) -> CheckpointError:
    return CheckpointError(
        f"checkpoint must have kernels as (out, in, height, width); got {_seen(survey)}, laid out as (height, width, in, out); such networks "
        "also pad otherwise (SAME): convert it with its authors' script, or run it as a function: module:callable --allow-code",
        code="E_LAYOUT_HWIO",
    )


def _takes_images(container: Container) -> bool:
    return any(tensor.ndim == 4 and tensor.shape[1] in IMAGE_CHANNELS for tensor in container.tensors.values())


def _is_hwio(container: Container) -> bool:
    shapes = [tuple(tensor.shape) for tensor in container.tensors.values() if tensor.ndim == 4]
    first = next((shape for shape in shapes if shape[2] in IMAGE_CHANNELS and shape[0] == shape[1] <= 16 and shape[3] >= 8), None)
    return first is not None and all(shape[0] == shape[1] <= 16 for shape in shapes)


def _advice(survey: Survey, candidate: Candidate | None) -> str:
    """The network that the tensors show, else those of which they hold the most."""
    others = [name for name in survey.looks_like if candidate is None or name != str(candidate.architecture)]
    if others:
        return f"; the tensors look like {listed(others)}"
    container = max(survey.containers, key=lambda each: len(each.tensors)) if candidate is None else candidate.container
    shapes = below(shapes_in(container), "" if candidate is None else candidate.prefix)
    skip = "" if candidate is None else str(candidate.architecture)
    share = 0.5 if candidate is None else max(0.5, candidate.n_found / candidate.n_needed)
    near = [f"{name} ({matched} of {needed} tensors)" for name, matched, needed in nearest(shapes) if name != skip and matched > needed * share]
    return f"; nearest: {listed(near)}" if near else ""
