"""The file of the index: every record in one compressed file, the same bytes for the same records.

Layout after decompression (LZMA): a line of JSON, then numbers, little-endian, each stream byte by byte in planes.
Names and shapes are stored once; a token is a name with a shape; a layout is the sequence of tokens of one or more architectures.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repr_probe.encoders.index.elastic import Axis
from repr_probe.encoders.index.record import Record, Shape

FILE = "architectures.xz"
FORMAT = 1
N_LANDMARKS = 3
STREAMS = ("token_keys", "token_shapes", "sequence", "lengths")
Token = tuple[str, Shape]


@dataclass(frozen=True)
class Index:
    """records: name, head, stem ... of every architecture, without its tensors.  layout_of: record -> layout; members: layout -> records.

    landmarks: layout -> its rarest tokens; a file that holds the layout holds them.
    facts: versions of the libraries, number of architectures, names left out and why.
    """

    records: tuple[Record, ...]
    layout_of: tuple[int, ...]
    landmarks: tuple[tuple[int, ...], ...]
    facts: Mapping[str, Any]
    keys: list[str]
    shapes: list[Shape]
    token_keys: NDArray[np.int32]
    token_shapes: NDArray[np.int32]
    sequence: NDArray[np.int32]
    starts: NDArray[np.int64]

    def token(self, number: int) -> Token:
        return self.keys[self.token_keys[number]], self.shapes[self.token_shapes[number]]

    def tensors(self, layout: int) -> tuple[Token, ...]:
        """(name, shape) of the tensors of a layout, in order."""
        return _tensors(self, layout)

    @cached_property
    def members(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in self.landmarks]
        for number, layout in enumerate(self.layout_of):
            found[layout].append(number)
        return found

    @cached_property
    def layouts_by_landmark(self) -> dict[Token, list[int]]:
        """The rarest token of every layout -> the layouts."""
        found: dict[Token, list[int]] = {}
        for layout, tokens in enumerate(self.landmarks):
            found.setdefault(self.token(tokens[0]), []).append(layout)
        return found

    @cached_property
    def codes(self) -> tuple[dict[str, int], dict[Shape, int], NDArray[np.int64], NDArray[np.int64]]:
        """Names and shapes -> numbers; and for name * n_shapes + shape of every token: these sorted, and whose they are."""
        codes = self.token_keys.astype(np.int64) * len(self.shapes) + self.token_shapes
        order = np.argsort(codes)
        return _numbered(self.keys), _numbered(self.shapes), codes[order], order

    def counts_of_common_tokens(self, shapes: Mapping[str, Shape]) -> dict[int, int]:
        """Layout -> how many of its tensors are in `shapes`, for those that have any."""
        keys, numbers, codes, order = self.codes
        seen = [keys[key] * len(numbers) + numbers[tuple(shape)] for key, shape in shapes.items() if key in keys and tuple(shape) in numbers]
        wanted = np.asarray(seen, dtype=np.int64)
        places = np.searchsorted(codes, wanted)
        places = places[codes[np.minimum(places, len(codes) - 1)] == wanted]
        present = np.zeros(len(codes), dtype=np.int32)
        present[order[places]] = 1
        counts = np.add.reduceat(present[self.sequence], self.starts[:-1])
        return {int(layout): int(counts[layout]) for layout in np.flatnonzero(counts)}

    def record(self, number: int) -> Record:
        return replace(self.records[number], tensors=self.tensors(self.layout_of[number]))

    def __hash__(self) -> int:
        return id(self)


@lru_cache(maxsize=512)
def _tensors(index: Index, layout: int) -> tuple[Token, ...]:
    tokens = index.sequence[index.starts[layout] : index.starts[layout + 1]]
    return tuple(
        (index.keys[key], index.shapes[shape]) for key, shape in zip(index.token_keys[tokens].tolist(), index.token_shapes[tokens].tolist())
    )


@lru_cache(maxsize=1)
def shipped_index() -> Index:
    """The index that travels with the package; read once."""
    return unpack((resources.files("repr_probe.encoders.index") / FILE).read_bytes())


def pack(records: Iterable[Record], facts: Mapping[str, Any] | None = None) -> bytes:
    """Records -> bytes."""
    records = list(records)
    layouts = list(dict.fromkeys(record.tensors for record in records))
    numbers = {layout: number for number, layout in enumerate(layouts)}
    tokens: dict[Token, int] = {}
    sequence = [tokens.setdefault(token, len(tokens)) for layout in layouts for token in layout]
    keys = _numbered(key for key, _ in tokens)
    shapes = _numbered(shape for _, shape in tokens)
    layout_of = [numbers[record.tensors] for record in records]
    streams = {
        "token_keys": _planes([keys[key] for key, _ in tokens], delta=True),
        "token_shapes": _planes([shapes[shape] for _, shape in tokens], delta=False),
        "sequence": _planes(sequence, delta=True),
        "lengths": _planes([len(layout) for layout in layouts], delta=False),
    }
    header = {
        "format": FORMAT, "facts": dict(facts or {}), "keys": "\n".join(keys), "shapes": [list(shape) for shape in shapes],
        "records": [_to_json(record) for record in records], "layout_of": layout_of,
        "landmarks": _landmarks(layouts, tokens, sequence, records, layout_of), "streams": [len(streams[name]) for name in STREAMS],
    }  # fmt: skip
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    content = text + b"".join(streams[name] for name in STREAMS)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 25, "lc": 4, "lp": 0, "pb": 0}]
    return lzma.compress(content, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=filters)


def unpack(packed: bytes) -> Index:
    """Bytes -> the index."""
    text, _, rest = lzma.decompress(packed).partition(b"\n")
    header = json.loads(text)
    streams: dict[str, bytes] = {}
    place = 0
    for name, size in zip(STREAMS, header["streams"]):
        streams[name] = rest[place : place + size]
        place += size
    lengths = _from_planes(streams["lengths"], delta=False)
    return Index(
        records=tuple(_from_json(item) for item in header["records"]), layout_of=tuple(header["layout_of"]),
        landmarks=tuple(map(tuple, header["landmarks"])), facts=header["facts"], keys=header["keys"].split("\n"),
        shapes=[tuple(shape) for shape in header["shapes"]], token_keys=_from_planes(streams["token_keys"], delta=True),
        token_shapes=_from_planes(streams["token_shapes"], delta=False), sequence=_from_planes(streams["sequence"], delta=True),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
    )  # fmt: skip


def _numbered(items: Iterable[Any]) -> dict[Any, int]:
    return {item: number for number, item in enumerate(dict.fromkeys(items))}


def _planes(numbers: Sequence[int], *, delta: bool) -> bytes:
    """All lowest bytes, then all second ones, ...; of differences to the number before with `delta`."""
    values = np.asarray(numbers, dtype="<i4")
    if delta:
        values = np.diff(values, prepend=np.asarray([-1], dtype="<i4")).astype("<i4")
        values = (values << 1) ^ (values >> 31)  # small numbers of either sign become small numbers
    return values.astype("<i4").view(np.uint8).reshape(-1, 4).T.tobytes()


def _from_planes(content: bytes, *, delta: bool) -> NDArray[np.int32]:
    values = np.frombuffer(content, dtype=np.uint8).reshape(4, -1).T.copy().view("<i4")[:, 0]
    if not delta:
        return values
    values = (values >> 1) ^ -(values & 1)
    return np.cumsum(values, dtype=np.int32) - np.int32(1)


def _landmarks(
    layouts: Sequence[tuple[Token, ...]], tokens: Mapping[Token, int], sequence: Sequence[int], records: Sequence[Record], layout_of: Sequence[int]
) -> list[list[int]]:  # fmt: skip
    """For each layout its rarest tokens, of those that neither image size nor number of colours changes."""
    counts = np.bincount(np.asarray(sequence), minlength=len(tokens))
    changing: list[set[str]] = [set() for _ in layouts]
    for place, record in zip(layout_of, records):
        changing[place] |= {record.stem, *dict(record.tables)}
    found = []
    for number, layout in enumerate(layouts):
        steady = [tokens[token] for token in layout if token[0] not in changing[number]] or [tokens[token] for token in layout]
        found.append(sorted(steady, key=lambda token: (counts[token], token))[:N_LANDMARKS])
    return found


def _to_json(record: Record) -> list[Any]:
    tables = [[name, [[axis.axis, axis.form, axis.constant, axis.grid] for axis in axes]] for name, axes in record.tables]
    head = [list(pair) for pair in record.head]
    return [record.name, head, record.stem, list(record.size), tables, record.mean_std, record.resampling, record.n_parameters, record.kind]


def _from_json(item: Sequence[Any]) -> Record:
    name, head, stem, size, tables, mean_std, resampling, n_parameters, kind = item
    return Record(
        name, (), tuple((place, key) for place, key in head), stem, (size[0], size[1]),
        tuple((key, tuple(Axis(*axis) for axis in axes)) for key, axes in tables), mean_std, resampling, n_parameters, kind,
    )  # fmt: skip
