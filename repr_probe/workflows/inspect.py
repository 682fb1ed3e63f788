"""inspect: what a checkpoint holds, which encoder of it would be used, and what is assumed (the command `repro-probe inspect`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import ReprProbeError, UsageError

if TYPE_CHECKING:
    from repr_probe.encoders.inspection import Inspection


def inspect(checkpoint: str | Path, **options: Any) -> Inspection:
    """Look into a checkpoint without running anything in it and without copying its weights.

    checkpoint: a file or a folder of weights, an embedded name, `timm:NAME`, ...; options: those of `load_encoder`, of which the answer
    says what they change. What cannot be loaded is no exception here but `Inspection.error` with its `code`, beside what was found.
    UsageError for an option with an impossible value.

    >>> found = inspect("hydes-digits")
    >>> found.ok, found.facts["architecture"]
    (True, 'repr_probe:digits_net')
    """
    from repr_probe.encoders.inspect_file import inspect_checkpoint
    from repr_probe.encoders.inspection import failed

    try:
        return inspect_checkpoint(checkpoint, options)
    except UsageError:
        raise
    except ReprProbeError as failure:
        return failed(str(checkpoint), {}, failure)
