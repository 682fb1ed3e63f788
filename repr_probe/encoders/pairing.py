"""Pairs of tensors by order: two lists of names and shapes, one after the other, where the names tell nothing but roles."""

from __future__ import annotations

from collections.abc import Mapping

# Roles that shapes cannot tell apart; a match by order must agree in them.
ROLES = ("weight", "bias", "running_mean", "running_var")
COUNTER = "num_batches_tracked"


def paired(
    held: list[tuple[str, tuple[int, ...]]], target: list[tuple[str, tuple[int, ...]]], needed: Mapping[str, object]
) -> dict[str, str] | None:  # fmt: skip
    """Network name -> file name, or None. Counters of batch normalisation are skipped where only one side has them."""
    if any(key.endswith(COUNTER) for key, _ in held) != any(name.endswith(COUNTER) for name, _ in target):
        held = [pair for pair in held if not pair[0].endswith(COUNTER)]
        target = [pair for pair in target if not pair[0].endswith(COUNTER)]
    if len(held) != len(target):
        return None
    modules: dict[str, str] = {}
    for (key, shape), (name, wanted) in zip(held, target):
        if name in needed and shape != wanted:
            return None
        role, wanted_role = key.rpartition(".")[2], name.rpartition(".")[2]
        if role in ROLES and wanted_role in ROLES:
            here, there = key.rpartition(".")[0], name.rpartition(".")[0]
            if role != wanted_role or modules.setdefault(there, here) != here:
                return None
    if len(set(modules.values())) < len(modules):
        return None
    return {name: key for (key, _), (name, _) in zip(held, target)}
