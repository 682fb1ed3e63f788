"""Architectures drawn at random, under a prefix the reader is not told, with heads beside: named, or refused; never misnamed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

import pytest

from repr_probe.encoders.index.index_file import Index, pack, shipped_index, unpack
from repr_probe.encoders.index.lookup import index_prefixes, read_index
from repr_probe.encoders.index.record import Record
from repr_probe.errors import CheckpointError

Shapes = dict[str, tuple[int, ...]]
PREFIXES = ("", "backbone.", "model.encoder.", "student.0.trunk.", "net.features.x1.")


@lru_cache(maxsize=1)
def same_as() -> dict[str, frozenset[str]]:
    """Architecture -> those that have its tensors and compute the same features."""
    groups: dict[object, set[str]] = {}
    keys: dict[str, object] = {}
    for number in range(len(shipped_index().records)):
        record = shipped_index().record(number)
        keys[record.name] = (record.skeleton(), record.kind)
        groups.setdefault(keys[record.name], set()).add(record.name)
    return {name: frozenset(groups[key]) for name, key in keys.items()}


def drawn(count: int, seed: int) -> list[str]:
    return random.Random(seed).sample([record.name for record in shipped_index().records], count)


def as_in_a_file(shapes: Shapes, prefix: str) -> Shapes:
    beside: Shapes = {
        f"{prefix}projector.0.weight": (64, 32), f"{prefix}projector.1.running_mean": (64,), "online_head.weight": (10, 64), "queue": (128, 100),
    }  # fmt: skip
    return {f"{prefix}{name}": shape for name, shape in shapes.items()} | beside


def outcome(name: str, shapes: Shapes, prefix: str) -> str:
    """named: this network or one that computes the same.  offered: among several that differ, none taken.  passed over: another was taken
    that has the same tensors, and this one is said to be possible, too."""
    file = as_in_a_file(shapes, prefix)
    if prefix not in index_prefixes(file):
        return "refused"
    try:
        readings = read_index({key.removeprefix(prefix): shape for key, shape in file.items() if key.startswith(prefix)}, {})
    except CheckpointError:
        return "refused"
    same = same_as()[name]
    found = [str(reading.architecture) for reading in readings]
    if not readings:
        return "refused"
    if same & set(found):
        return "named" if len(found) == 1 else "offered"
    return "passed over" if same & {other for reading in readings for other in reading.also} else "wrong"


def draw(count: int, seed: int, shapes_of_network: Callable[[str], Shapes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for number, name in enumerate(drawn(count, seed)):
        found[outcome(name, shapes_of_network(name), PREFIXES[number % len(PREFIXES)])] += 1
    return found


def test_thirty_architectures_drawn_at_random(shapes_of_network: Callable[[str], Shapes]) -> None:
    found = draw(30, 5, shapes_of_network)
    assert found["wrong"] == 0
    assert found["refused"] == 0


@pytest.mark.slow
def test_three_hundred_architectures_drawn_at_random(shapes_of_network: Callable[[str], Shapes]) -> None:
    found = draw(300, 0, shapes_of_network)
    assert found["wrong"] == 0
    assert found["named"] + found["offered"] + found["passed over"] >= 298


def split(records: list[Record], *starts: str) -> tuple[Index, list[Record]]:
    """A private index of the records without those whose names start so, and those."""
    gone = [record for record in records if record.name.partition(":")[2].startswith(starts)]
    skeletons = {record.skeleton() for record in gone}
    return unpack(pack([record for record in records if record.skeleton() not in skeletons])), gone


def named_wrongly(index: Index, gone: list[Record]) -> list[str]:
    found = []
    for record in gone:
        shapes = dict(record.tensors) | {name: (10,) for _, name in record.head}
        try:
            found += [record.name] if read_index(shapes, {}, index) else []
        except CheckpointError as refusal:
            assert refusal.code == "E_STRANGERS"
    return found


FAMILIES = (("former", "caformer_s36", "caformer_m36"), ("resne", "resnet34", "resnet101", "resnet152"), ("vi", "cait", "vit_base", "deit3"))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[1])
def test_architectures_left_out_of_a_family_are_refused(family: tuple[str, ...]) -> None:
    index = shipped_index()
    index, gone = split([index.record(number) for number, record in enumerate(index.records) if family[0] in record.name], *family[1:])
    assert gone
    assert named_wrongly(index, gone) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_tenth_of_all_architectures_left_out_is_refused(seed: int) -> None:
    index = shipped_index()
    records = [index.record(number) for number in range(len(index.records))]
    index, gone = split(records, *(record.name.partition(":")[2] for record in random.Random(seed).sample(records, 145)))
    assert len(gone) >= 145
    assert named_wrongly(index, gone) == []


@pytest.mark.parametrize(
    ("name", "last", "another"),
    [
        ("timm:caformer_s18", "stages.2.blocks.8.", "stages.2.blocks.9."),
        ("timm:resnet34", "layer3.5.", "layer3.6."),
        ("timm:convnext_tiny", "stages.2.blocks.8.", "stages.2.blocks.9."),
        ("torchvision:densenet121", "features.denseblock3.denselayer24.", "features.denseblock3.denselayer25."),
    ],
)
def test_a_known_network_with_one_more_block_is_refused(
    name: str, last: str, another: str, shapes_of_network: Callable[[str], Shapes]
) -> None:  # fmt: skip
    shapes = shapes_of_network(name)
    copied = {key.replace(last, another): shape for key, shape in shapes.items() if key.startswith(last)}
    assert copied
    with pytest.raises(CheckpointError, match="larger network"):
        read_index(shapes | copied, {})
