"""Every error a user can meet; each message is one clear line: `<argument> must <what>; got <what came>[; <what to do>]`."""


class ReprProbeError(Exception):
    """Base of all errors raised on purpose. The command line prints the message on one line and exits with 1.

    code: a short fixed name of what is wrong ("E_TRUNCATED"), for programs and for searching the documentation; "" where there is none.
    """

    def __init__(self, message: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class UsageError(ReprProbeError, ValueError):
    """An option has a value that cannot be used (the command line exits with 2)."""


class InputError(ReprProbeError, ValueError):
    """Features, labels or another array do not meet the contract of docs/definitions.md."""


class UndefinedMeasure(ReprProbeError, ValueError):
    """The number does not exist on this input; the message says why. Reports turn it into None with that reason."""


class FileFormatError(ReprProbeError, ValueError):
    """A file is empty, cut, corrupt, of a kind that has no reader, or would have to run code to be read."""


class CheckpointError(ReprProbeError, ValueError):
    """A checkpoint was read but its weights do not fit the network, or no network could be chosen."""


class DatasetError(ReprProbeError, ValueError):
    """A data set is unknown, missing on disk, or not in its expected layout."""


class StoreError(ReprProbeError, OSError):
    """The feature store cannot be written or read."""
