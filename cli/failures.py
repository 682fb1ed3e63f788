"""The one place where an exception becomes a line on stderr and an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import typer

from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.ranks import ToldElsewhere

OK, ERROR, USAGE, CONDITION, INTERRUPTED = 0, 1, 2, 3, 130

# typer.BadParameter is a UsageError, and that a ClickException: of whichever click typer brings along.
ClickException = typer.BadParameter.__mro__[2]

_debug = False


class ConditionsHold(Exception):
    """Conditions of --fail-on hold, one line each. Nothing went wrong: the report is printed and written."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


def set_debug(value: bool) -> None:
    """Callback of --debug: from now on a failure prints its traceback too."""
    global _debug
    _debug = value


def explain(failure: BaseException) -> int:
    """Print what happened in one line on stderr and return the exit code; the traceback only after --debug."""
    if isinstance(failure, ConditionsHold):
        for line in failure.lines:
            _tell(f"fail-on: {line}")
        return CONDITION
    if _debug and not isinstance(failure, (KeyboardInterrupt, ClickException)):
        traceback.print_exception(failure)
    text, code = _message(failure)
    if text:
        _tell(text)
    return code


def _tell(text: str) -> None:
    # A terminal that is gone must not turn the end of the program into another error.
    with suppress(OSError):
        print(one_line(text), file=sys.stderr)


def one_line(text: object) -> str:
    """The text on one line, control characters escaped."""
    joined = " ".join(str(text).split())
    return "".join(symbol if symbol.isprintable() else repr(symbol)[1:-1] for symbol in joined)


def _message(failure: BaseException) -> tuple[str, int]:
    if isinstance(failure, (KeyboardInterrupt, typer.Abort)):
        return "interrupted", INTERRUPTED
    if isinstance(failure, ClickException):
        return _usage_text(failure), USAGE
    if isinstance(failure, UsageError):
        return f"error: {failure}", USAGE
    if isinstance(failure, ToldElsewhere):
        return "", ERROR
    if isinstance(failure, ReprProbeError):
        return f"error: {failure}{f' [{failure.code}]' if failure.code else ''}", ERROR
    if _out_of_memory(failure):
        return "error: memory must hold the work; got too little of it; try a smaller --batch-size or --limit, or --device cpu", ERROR
    if isinstance(failure, OSError) and failure.errno is not None:
        return f"error: {_system_text(failure)}", ERROR
    text = f"internal error: {type(failure).__name__}: {one_line(failure)[:500]}"
    return f"{text}; run again with --debug and report it", ERROR


def _usage_text(failure: BaseException) -> str:
    """click's own sentence, with the command whose --help says more; nothing where the help itself was just printed."""
    said = failure.format_message().replace("Value error, ", "").rstrip(".")  # type: ignore[attr-defined]
    context = getattr(failure, "ctx", None)
    if not said or context is None:
        return f"error: {said}" if said else ""
    return f"error: {said}{' ' if said.endswith('?') else '; '}see {context.command_path} --help"


def _system_text(failure: OSError) -> str:
    place = f": {failure.filename}" if failure.filename else ""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{place}; free some space or choose another --store"
    if failure.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"permission denied{place}"
    return f"{failure.strerror or type(failure).__name__}{place}"


def _out_of_memory(failure: BaseException) -> bool:
    # torch's class for a full GPU has this name; on the CPU it raises a plain RuntimeError. Neither needs torch imported here.
    named = isinstance(failure, MemoryError) or type(failure).__name__ == "OutOfMemoryError"
    return named or (isinstance(failure, RuntimeError) and "can't allocate memory" in str(failure))
