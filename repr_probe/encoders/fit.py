"""Fitting a file to a network: the decision what to take from it, the copying, and every reason to refuse."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from repr_probe.encoders.additions import additions_note
from repr_probe.encoders.architectures import Architecture
from repr_probe.encoders.candidates import Candidate
from repr_probe.encoders.choose import Choice, choose
from repr_probe.encoders.hints_in_arguments import said_in
from repr_probe.encoders.misfit import explain_misfit, explain_nothing
from repr_probe.encoders.module_check import check_modules
from repr_probe.encoders.modules import module_facts
from repr_probe.encoders.networks import Network, build_network
from repr_probe.encoders.overrides import Overrides
from repr_probe.encoders.self_checks import untrained_notes, usable_values
from repr_probe.encoders.survey import Survey, top_keys
from repr_probe.encoders.timm_arguments import check_in_chans, obey_bn_eps, timm_arguments
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.files.printable import listed, printable

LEAST = 0.5  # of the tensors needed; what has less is no checkpoint of this network, whatever may be missing


@dataclass(frozen=True)
class Fitted:
    """A network that holds the weights of a file, and how it came to them. remarks: what the choice itself does not show."""

    network: Network
    survey: Survey
    choice: Choice
    remarks: tuple[str, ...]
    bn_eps: float | None = None  # of timm's arguments, where it is not the network's own

    @property
    def notes(self) -> tuple[str, ...]:
        """Everything a reader of the numbers has to know."""
        return (*self.survey.notes, *_notes(self.survey, self.choice), *self.remarks)

    @property
    def architecture(self) -> Architecture:
        return self.choice.candidate.architecture

    def identity(self) -> dict[str, Any]:
        """What of the fit makes the numbers: which weights of the file were taken, and how."""
        candidate = self.choice.candidate
        how = "by order" if candidate.by_order else "by name"
        stated = {} if self.bn_eps is None else {"bn_eps": self.bn_eps}
        return {"container": candidate.container.path, "prefix": candidate.prefix, "matched": how, **stated}

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Those of timm's train.py, where it wrote the file."""
        return timm_arguments(said_in(self.survey.file), self.architecture)

    def facts(self) -> dict[str, Any]:
        candidate = self.choice.candidate
        source = self.survey.source
        return {
            "reader": self.survey.file.reader,
            "source": source.name if source is not None else "not recognised",
            "architecture_from": self.survey.chosen_by,
            "scheme": candidate.reading.scheme,
            "container": str(candidate.container),
            "wrappers_stripped": list(candidate.container.stripped),
            "prefix": candidate.prefix,
            "role": self.choice.role,
            "chosen_because": self.choice.reason,
            "passed_over": [place_of(other) for other in self.choice.others],
            "fits_also": list(self.choice.also),
            "matched": self.identity()["matched"],
            "tensors_matched": candidate.n_found,
            "tensors_needed": candidate.n_needed,
            "left_aside": [printable(key) for key in left_aside(candidate)],
            "assumptions": [str(assumption) for assumption in candidate.reading.assumptions],
        }


def decide(survey: Survey, overrides: Overrides) -> Choice:
    """The encoder of the file that is meant; CheckpointError with what does not fit, or with the choices, when that is not certain."""
    serious = [candidate for candidate in survey.candidates if candidate.serious]
    if not serious:
        raise explain_nothing(survey)
    file = shlex.quote(printable(survey.file.path, limit=300))
    choice = choose(serious, role=overrides.role, file=file, source=survey.source, beside=top_keys(survey.file.content))
    if not choice.candidate.whole:
        raise explain_misfit(survey, choice.candidate)
    if choice.candidate.n_found < LEAST * choice.candidate.n_needed:
        seen = f"{choice.candidate.n_found} of {choice.candidate.n_needed} tensors"
        raise CheckpointError(f"allow_missing must leave most of the network; got {seen} of {choice.candidate.architecture}", code="E_MISSING")
    _check_used(choice.candidate, overrides)
    return choice


def _check_used(candidate: Candidate, overrides: Overrides) -> None:
    """An option that had nothing to act on is a misunderstanding."""
    sources = {assumption.source for assumption in candidate.reading.assumptions}
    for name, value, whose in (("heads", overrides.heads, "a vision transformer"), ("stem", overrides.stem, "a ResNet with a 3 x 3 stem")):
        if value is not None and f"--{name}" not in sources:
            raise UsageError(f"{name} must go with {whose} told from its tensors; got {value} for {candidate.architecture}; leave it out")


def fit_choice(survey: Survey, choice: Choice, *, in_place: bool = False) -> Fitted:
    """Build the network that `decide` chose and put the weights in: copies, or with `in_place` the mapped file itself (no memory is used,
    and the network is good for as long as the file stands)."""
    candidate = choice.candidate
    sizes: dict[str, Any] = {"channels": candidate.reading.channels, "image_size": candidate.reading.image_size}
    values, cast_notes = usable_values(candidate.values())
    network = _assigned(candidate.architecture, sizes, values) if in_place else None
    if network is None:
        network = build_network(candidate.architecture, **sizes)
        _copy(values, network)
    if candidate.container.module is not None:
        check_modules(candidate, network.module, module_facts(candidate.container.module))
    doubts = (*candidate.reading.notes, *additions_note(candidate))
    args = timm_arguments(said_in(survey.file), candidate.architecture)
    check_in_chans(args, candidate.reading.channels)
    eps = obey_bn_eps(args, network.module)
    stated = () if eps is None else (f"batch normalisation with eps {eps:g}, as args.bn_eps in the file says",)
    return Fitted(network, survey, choice, (*doubts, *stated, *cast_notes, *untrained_notes(values)), eps)


def _assigned(architecture: Architecture, sizes: dict[str, Any], values: dict[str, torch.Tensor]) -> Network | None:
    """The network around the values themselves; None where it keeps tensors of its own that no file has."""
    try:
        with torch.device("meta"):
            network = build_network(architecture, **sizes)
    except (NotImplementedError, RuntimeError):
        return None
    own = dict(network.module.state_dict())
    if len(list(network.module.buffers())) + len(list(network.module.parameters())) > len(own) or not own.keys() <= values.keys() | {
        name for name in own if name.endswith("num_batches_tracked")
    }:
        return None
    counters = {name: torch.zeros((), dtype=torch.long) for name in own if name not in values}
    network.module.load_state_dict({**values, **counters}, strict=True, assign=True)
    network.module.requires_grad_(False)
    return network


def _copy(values: dict[str, torch.Tensor], network: Network) -> None:
    """Write the values into the network. Not by load_state_dict: it also renames by versions that a matched file does not have."""
    ours = network.module.state_dict()
    with torch.no_grad():
        for name, tensor in values.items():
            ours[name].copy_(tensor)


def _notes(survey: Survey, choice: Choice) -> list[str]:
    candidate = choice.candidate
    notes = []
    if survey.chosen_by.startswith("names and shapes"):
        notes.append(f"the network was told from its tensors: {candidate.architecture}; --arch says otherwise")
    if choice.others:
        others = listed((place_of(other) for other in choice.others), limit=3)
        notes.append(f"of {len(choice.others) + 1} encoders {place_of(candidate)} was taken: {choice.reason}; left: {others}; --role, --prefix")
    if choice.also:
        notes.append(f"the same tensors fit {listed(choice.also)}, which computes other features; --arch chooses it")
    if candidate.by_order:
        first = next(iter(candidate.pieces().items()))
        key = printable(first[1].keys[0])
        notes.append(f"{candidate.n_found} tensors matched by order, since their names differ (first: {key} is {first[0]})")
    if candidate.waived:
        notes.append(f"{len(candidate.waived)} tensors were allowed to be missing and are random ({listed(candidate.waived)})")
    aside = left_aside(candidate)
    if aside:
        notes.append(f"{len(aside)} tensors of the file were left aside ({listed(aside)})")
    return notes


def left_aside(candidate: Candidate) -> list[str]:
    """Tensors of the container that are not in the network."""
    return [key for key in candidate.container.tensors if key not in candidate.used]


def place_of(candidate: Candidate) -> str:
    """Where an encoder stands in its file, for people."""
    where = printable(f"{candidate.container.path}:{candidate.prefix}".strip(":").rstrip("."))
    return where or "the top of the file"
