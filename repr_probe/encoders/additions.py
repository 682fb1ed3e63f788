"""Parts beside a network that change what it computes, where the file comes from a network to which something was added."""

from __future__ import annotations

import re

from repr_probe.encoders.candidates import Candidate
from repr_probe.files.printable import listed, printable

# Names of modules and parameters by which people add to a trained network; those of heads, projectors, queues, averages, text towers,
# decoders and necks are not among them, for these take what the network gives.
ADDED = re.compile(
    r"(?:\w+_)?(?:adapt[eo]rs?|prompts?|prompter|loras?|cbams?|bams?|film|vpt|ssf)(?:_\w+)?\d*|"
    r"(?:se|ca|sa|eca|gc|nl|attn|attention|attentions|(?:self|channel|spatial|global)_?attention|non_?local|gates?|gating|stn|squeeze_?excit\w*)"
    r"\d*(?:_?(?:block|module|layer)s?)?\d*",
    re.IGNORECASE,
)


def additions_note(candidate: Candidate) -> tuple[str, ...]:
    """A note naming the parts of the file beside the encoder that look like additions to it, which no network here computes with."""
    found: dict[str, int] = {}
    for key in candidate.container.tensors:
        part = "" if key in candidate.used else _part_beside(key, candidate.prefix)
        if part and ADDED.fullmatch(part):
            found[part] = found.get(part, 0) + 1
    if not found:
        return ()
    named = listed(f"{printable(part)} ({number} tensor{'s' if number > 1 else ''})" for part, number in found.items())
    return (
        f"the file holds parts beside the network that may change its features: {named}; they are not used, and what is measured is the plain "
        f"{candidate.architecture}; a class of your own computes with them: --arch module:callable --allow-code",
    )


def _part_beside(key: str, prefix: str) -> str:
    """The first component of `key` in which it differs from the encoder's prefix: "adapters" of "model.adapters.0.weight" beside "model.net."."""
    components = key.split(".")
    for ours in prefix.rstrip(".").split(".") if prefix else ():
        if components[0] != ours or len(components) == 1:
            break
        components = components[1:]
    return components[0]
