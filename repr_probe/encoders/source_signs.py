"""The form of what is known about a program that writes checkpoints: signs by which its files are told, and which weights it evaluates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from repr_probe.preprocessing import InputSpec

Said = Mapping[str, Any]
EMA, ONLINE, UNKNOWN = "ema", "online", "unknown"


@dataclass(frozen=True)
class RoleRule:
    """Of two encoders side by side, `kept` is taken and `dropped` is not; both are whole components of a path.

    role: what `kept` is, "ema" or "online"; `dropped` is the other.  why: for people.
    beside: the rule holds only with one of these components beside the encoders.
    """

    kept: str
    dropped: str
    role: str
    why: str
    beside: tuple[str, ...] = ()

    @property
    def other_role(self) -> str:
        return ONLINE if self.role == EMA else EMA


@dataclass(frozen=True)
class Seen:
    """The names of a file. top: keys at its top.  parts: components of containers and tensor names.  text: tensor names, one a line."""

    top: frozenset[str]
    parts: frozenset[str]
    text: str
    said: Said = field(default_factory=dict)

    def depth(self) -> int:
        """Number of numbered blocks of a vision transformer, 0 without."""
        return 1 + max((int(number) for number in re.findall(r"(?:^|\.)blocks\.(\d{1,3})\.", self.text, re.MULTILINE)), default=-1)


@dataclass(frozen=True)
class Sign:
    """What must be there, all of it; "a|b" is either. names: regular expressions on whole tensor names, ^ and $ at their ends.

    said: words that the arguments in the file (or beside it) must have.  absent: keys or components that must not be there.
    """

    top: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def met(self, seen: Seen) -> str:
        """What of the sign was found, for people; "" when something lacks."""
        if any(word in seen.top or word in seen.parts for word in self.absent):
            return ""
        tops = [_one_of(wanted, seen.top) for wanted in self.top]
        parts = [_one_of(wanted, seen.parts) for wanted in self.parts]
        words = [next((word for word in wanted.split("|") if said_word(seen.said, word) is not None), "") for wanted in self.said]
        if not all((*tops, *parts, *words)):
            return ""
        lines = [re.search(pattern, seen.text, re.MULTILINE) for pattern in self.names]
        if any(line is None for line in lines):
            return ""
        found = [f"key '{top}'" for top in tops] + [f"part '{part}'" for part in parts]
        found += [f"argument '{word}'" for word in words] + [f"tensor '{line[0]}'" for line in lines if line is not None]
        return ", ".join(found)


def _one_of(wanted: str, there: frozenset[str]) -> str:
    return next((word for word in wanted.split("|") if word in there), "")


@dataclass(frozen=True)
class Source:
    """A program and its files.

    sign: alternatives, any of which tells its files.  use: which of two encoders its authors evaluate, and role.
    input: preprocessing of its own evaluation, or a function of the arguments in the file that gives it.
    clues: facts of the network that its tensors do not show, as a function of the names.  notes: what the user should know.
    """

    name: str
    sign: tuple[Sign, ...]
    use: RoleRule | None = None
    input: InputSpec | Callable[[Seen], InputSpec | None] | None = None
    clues: Callable[[Seen], Mapping[str, Any]] | None = None
    notes: tuple[str, ...] = ()


def said_word(said: Said, word: str) -> Any:
    """The value at the dotted path `word` in the first of the places that has it, else None.

    >>> said_word({"args": {"lr": 1}, "hyper_parameters": {"data": {"dataset": "cifar10"}}}, "data.dataset")
    'cifar10'
    """
    for place in (said, *said.values()):
        value: Any = place
        for key in (word,) if isinstance(place, Mapping) and word in place else word.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def said_text(said: Said, *words: str) -> str:
    """The first of the words that has a value, as text; "" for values that are no text or number: a list may be shared along 2^60 paths.

    >>> said_text({"dataset": "CIFAR10"}, "data.dataset", "dataset"), said_text({"dataset": [1, 2]}, "dataset")
    ('CIFAR10', '')
    """
    value = first_said(said, *words)
    return value[:200] if isinstance(value, str) else str(value) if type(value) is int and value.bit_length() < 64 else ""


def first_said(said: Said, *words: str) -> Any:
    return next((value for word in words if (value := said_word(said, word)) is not None), None)
