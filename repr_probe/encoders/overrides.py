"""Overrides: what the user said about a checkpoint, in place of what would be found or assumed; each is recorded with the result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from repr_probe.encoders.architectures import Architecture
from repr_probe.errors import UsageError
from repr_probe.files.printable import printable

ROLES = ("ema", "online")
STEMS = ("imagenet", "cifar", "solo")


@dataclass(frozen=True)
class Overrides:
    """arch: the network.  key: path of the weights inside the file ("state_dict").  prefix: of the encoder's names ("backbone").
    role: "ema" or "online", where a file holds both.  heads: attention heads.  stem: of a ResNet with a 3 x 3 stem.
    renames: (regular expression, replacement) on the names of the file; an empty new name drops the tensor.
    allow_missing: patterns (fnmatch) of tensors the network may lack; they keep their random start.
    """

    arch: Architecture | None = None
    key: str | None = None
    prefix: str | None = None
    role: str | None = None
    heads: int | None = None
    stem: str | None = None
    renames: tuple[tuple[str, str], ...] = ()
    allow_missing: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Those that were given, by the name of their option."""
        names = {"renames": "map"}
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        told = {names.get(name, name): value for name, value in given.items() if value not in (None, ())}
        return {name: _plain(value) for name, value in told.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Architecture):
        return str(value)
    return [list(item) if isinstance(item, tuple) else item for item in value] if isinstance(value, tuple) else value


def read_overrides(
    *, arch: Architecture | None, key: str | None, prefix: str | None, role: str | None, heads: int | None, stem: str | None,
    renames: Sequence[str] | Mapping[str, str] | None, allow_missing: Sequence[str] | str | None,
) -> Overrides:  # fmt: skip
    """Check every word. renames: "regex=>new" texts, or a mapping.

    >>> read_overrides(arch=None, key=None, prefix="net.", role=None, heads=None, stem=None, renames=["^a=>b"], allow_missing=None).to_dict()
    {'prefix': 'net', 'map': [['^a', 'b']]}
    """
    if role is not None and role not in ROLES:
        raise UsageError(f"role must be one of {', '.join(ROLES)}; got {role!r}")
    if stem is not None and stem not in STEMS:
        raise UsageError(f"stem must be one of {', '.join(STEMS)}; got {stem!r}")
    if heads is not None and heads < 1:
        raise UsageError(f"heads must be 1 or more; got {heads}")
    pairs = list(renames.items()) if isinstance(renames, Mapping) else [_pair(text) for text in renames or ()]
    for pattern, new in pairs:
        _check_rename(pattern, new)
    patterns = (allow_missing,) if isinstance(allow_missing, str) else tuple(allow_missing or ())
    return Overrides(arch, key, None if prefix is None else prefix.rstrip("."), role, heads, stem, tuple(pairs), patterns)


def _check_rename(pattern: str, new: str) -> None:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as failure:
        raise UsageError(f"map must start with a regular expression; got {printable(pattern)!r} ({printable(failure)})") from None
    try:
        # An expression that always matches, with the groups of this one: its replacement is read, and nothing else.
        named = {number: name for name, number in compiled.groupindex.items()}
        groups = "".join(f"(?P<{named[number]}>)" if number in named else "()" for number in range(1, compiled.groups + 1))
        re.sub(groups, new, "", count=1)
    except (re.error, IndexError) as failure:
        got = f"got {printable(new)!r} for {printable(pattern)!r} ({printable(failure)})"
        raise UsageError(f"map must put in text and groups of its expression (\\1, \\g<name>); {got}") from None


def _pair(text: str) -> tuple[str, str]:
    pattern, arrow, new = text.partition("=>")
    if not arrow:
        raise UsageError(f"map must be written REGEX=>NEW; got {printable(text)!r}; for example '^trunk\\.=>backbone.'")
    return pattern, new
