from __future__ import annotations

import time
from collections.abc import Callable
from importlib import resources

import numpy as np
import pytest

from repr_probe.encoders.index.elastic import Axis
from repr_probe.encoders.index.index_file import FILE, Index, pack, shipped_index, unpack
from repr_probe.encoders.index.record import Record

Shapes = dict[str, tuple[int, ...]]


def random_records(seed: int, count: int = 20) -> list[Record]:
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        tensors = tuple((f"part{generator.integers(9)}.{place}.weight", tuple(generator.integers(1, 70000, 2).tolist())) for place in range(12))
        table = ((tensors[3][0], (Axis(0, "square", 1, 14),)),) if number % 3 == 0 else ()
        head = ((12, "fc.weight"),)
        found.append(Record(f"timm:net{number}", tensors, head, tensors[0][0], (32, 48), table, "mean 0", "bicubic", number, number % 2))
    return [*found, Record("timm:same", found[0].tensors), Record("timm:empty_shape", (("scale", ()), ("a", (1,))))]


@pytest.mark.parametrize("seed", range(3))
def test_records_come_back_as_they_were(seed: int) -> None:
    records = random_records(seed)
    index = unpack(pack(records, {"timm": "1"}))
    assert [index.record(number) for number in range(len(records))] == records
    assert index.facts == {"timm": "1"}
    assert index.members[index.layout_of[0]] == [0, 20]


def test_the_same_records_give_the_same_bytes() -> None:
    first = pack(random_records(1), {"b": 1, "a": 2})
    assert pack(random_records(1), {"a": 2, "b": 1}) == first


@pytest.mark.slow
def test_the_shipped_file_is_what_its_records_give() -> None:
    index = shipped_index()
    packed = (resources.files("repr_probe.encoders.index") / FILE).read_bytes()
    again = unpack(pack([index.record(number) for number in range(len(index.records))], index.facts))
    assert len(packed) < 600_000
    assert again.records == index.records
    assert again.landmarks == index.landmarks
    assert np.array_equal(again.sequence, index.sequence)


def test_the_shipped_file_is_read_quickly() -> None:
    packed = (resources.files("repr_probe.encoders.index") / FILE).read_bytes()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        unpack(packed)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


def test_landmarks_are_there_whatever_image_size_and_colours(small_index: Index) -> None:
    for number, record in enumerate(small_index.records):
        layout = small_index.layout_of[number]
        names = {small_index.token(token)[0] for token in small_index.landmarks[layout]}
        assert names
        assert not names & {record.stem, *dict(record.tables)}


def test_tokens_in_common_are_counted(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    counts = small_index.counts_of_common_tokens(blocks(2) | {"unknown": (3,), "norm.weight": (7,)})
    by_name = {small_index.records[small_index.members[layout][0]].name: count for layout, count in counts.items()}
    assert by_name == {"timm:deep2": 5, "timm:deep4": 5}


def test_the_shipped_index_knows_the_installed_libraries_or_says_which() -> None:
    facts = shipped_index().facts
    assert facts["architectures"] == len(shipped_index().records) >= 1400
    assert set(facts) >= {"timm", "torchvision", "left_out", "tried", "too_large_to_try"}
