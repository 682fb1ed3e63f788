"""Embeddings of texts kept in one file a model: each text is embedded once."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from repr_probe.files.atomic import atomic_file


def cache_file(folder: Path, name: str, identity: str) -> Path:
    """Where the embeddings of the model with this identity are kept.

    >>> cache_file(Path("text"), "sentence-transformers/all-MiniLM-L6-v2", "0123456789abcdef0123").as_posix()
    'text/all-MiniLM-L6-v2-0123456789abcdef.npz'
    """
    word = re.sub(r"[^\w.-]+", "-", name.rpartition("/")[2])[:60].strip(".-") or "model"
    return folder / f"{word}-{identity[:16]}.npz"


def read_embeddings(file: Path, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Text -> embedding, for those that are kept; a file that is absent or damaged keeps none, because each can be computed again."""
    entries = _read(file)
    found = {text: entries.get(_key(text)) for text in texts}
    return {text: embedding for text, embedding in found.items() if embedding is not None}


def keep_embeddings(file: Path, embeddings: Mapping[str, np.ndarray]) -> None:
    """Add to what is kept. Raises StoreError where nothing can be written.

    Read again just before it is written: of two processes that write at once the later keeps its own, and the other's are computed anew.
    """
    width = {len(embedding) for embedding in embeddings.values()}
    kept = {key: embedding for key, embedding in _read(file).items() if {len(embedding)} == width}
    entries = kept | {_key(text): embedding for text, embedding in embeddings.items()}
    with atomic_file(file) as temporary:
        np.savez(temporary, keys=np.array(list(entries), dtype="S64"), embeddings=np.stack(list(entries.values())).astype(np.float32))


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest().encode()


def _read(file: Path) -> dict[bytes, np.ndarray]:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            keys, embeddings = arrays["keys"], arrays["embeddings"]
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error):
        return {}
    well_formed = keys.dtype == np.dtype("S64") and keys.ndim == 1 and embeddings.dtype == np.float32 and embeddings.ndim == 2
    if not well_formed or len(keys) != len(embeddings) or not np.isfinite(embeddings).all():
        return {}
    return dict(zip(keys.tolist(), embeddings))
