"""--fail-on: conditions on the numbers of a report that turn the exit code to 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

from .failures import ConditionsHold
from .options import OUTPUT, option

if TYPE_CHECKING:
    from repr_probe.metrics.measurement import Measurement
    from repr_probe.reports.conditions import Condition

FailOn = Annotated[
    str | None,
    option("Exit with 3 where one holds: 'effective_rank<20,center_vector_norm>0.9'.", OUTPUT, "--fail-on", metavar="CONDITIONS", show_default="none"),
]


def parse_conditions(text: str | None) -> tuple[Condition, ...]:
    """The conditions that were given; refused here if they cannot be read, before the work."""
    from repr_probe.reports.conditions import read_conditions

    return () if text is None else read_conditions(text)


def fail_on(conditions: tuple[Condition, ...], named: Iterable[tuple[str, Mapping[str, Measurement]]]) -> None:
    """Called last, when everything is printed and written. named: (name of a row, its measures).

    Raises ConditionsHold with a line for each condition that holds, or whose number is unknown or undefined.
    """
    from repr_probe.reports.conditions import hits

    rows = list(named)
    lines = [line for name, measures in rows for line in hits(conditions, measures, name if len(rows) > 1 else "")]
    if lines:
        raise ConditionsHold(lines)
