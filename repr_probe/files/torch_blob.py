"""What torch.save wrote into the middle of another file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.inert import InertReader, run_inert
from repr_probe.files.pickle_machine import Refused
from repr_probe.files.printable import printable
from repr_probe.files.raw_tensors import raw_tensor
from repr_probe.files.tensor_claims import Storage
from repr_probe.files.zip_records import ZipRecords

if TYPE_CHECKING:
    import torch


def read_torch_blob(data: np.ndarray, where: str) -> Any:
    """The content of `data` ((n,) uint8), as `read_torch` reads a file of its own; `where` names it in errors.

    Tensors share the bytes of `data` where these are aligned, so that a mapped file stays mapped. Classes come back dead.
    Raises FileFormatError: E_TRUNCATED, E_ZIP_COMPRESSED, E_ZIP_DUP, E_MISSING_STORAGE, E_SIZE_MISMATCH, E_TENSOR_BOMB, E_MALICIOUS, ...
    """
    archive = ZipRecords(data, where)
    if "byteorder" in archive.places and archive.content("byteorder") != b"little":
        raise FileFormatError(f"{where} must be little-endian; got what a machine of another kind wrote; save it again", code="E_DTYPE")
    return run_inert(InertReader(archive.content("data.pkl"), make=_maker(archive, where)), where)


def _maker(archive: ZipRecords, where: str) -> Callable[..., torch.Tensor]:
    def make(storage: Storage, dtype: torch.dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> torch.Tensor:
        try:
            record = archive.bytes_of(f"data/{storage.key}")
            held = record[storage.start : storage.start + storage.n_bytes]
            tensor = raw_tensor(held, dtype, size, strides=stride, offset=offset, where=where)
        except FileFormatError as failure:
            raise Refused(str(failure).removeprefix(f"{where} "), failure.code) from None
        if len(record) != storage.whole:
            said = f"its record data/{printable(storage.key)} has {len(record)} bytes, not {storage.whole}"
            raise Refused(f"must be undamaged; {said}", "E_SIZE_MISMATCH")
        return tensor

    return make
