from __future__ import annotations

import random

import pytest

from repr_probe.encoders import build_index as builder
from repr_probe.encoders.architectures import Architecture, resolve_architecture
from repr_probe.encoders.index.index_file import shipped_index, unpack
from repr_probe.encoders.index.survey import survey


def test_a_small_index_is_built_and_says_what_it_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    architectures = [resolve_architecture("timm:test_resnet"), resolve_architecture("timm:test_vit"), Architecture("timm", "no_such_network")]
    index = unpack(builder.build_index(architectures))
    assert [record.name for record in index.records] == ["timm:test_resnet", "timm:test_vit"]
    assert list(index.facts["left_out"]) == ["timm:no_such_network"]
    assert index.facts["architectures"] == 2
    with builder.reporting(builder.Lines()), builder.task("architectures", 2) as advance:
        advance(2)
    assert "architectures: 2 of 2" in capsys.readouterr().err


def test_building_twice_gives_the_same_bytes() -> None:
    architectures = [resolve_architecture("timm:test_efficientnet_gn"), resolve_architecture("timm:test_efficientnet_ln")]
    assert builder.build_index(architectures) == builder.build_index(architectures)


@pytest.mark.slow
def test_the_statistics_of_the_shipped_index_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert builder.main(["--statistics"]) == 0
    lines = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert int(lines["architectures"]) >= 1400
    assert int(lines["distinct sets of tensors"]) < int(lines["distinct sequences of tensors"]) < int(lines["architectures"])


@pytest.mark.slow
def test_the_shipped_records_are_what_the_libraries_build() -> None:
    index = shipped_index()
    chosen = random.Random(2).sample(range(len(index.records)), 40)
    chosen += [number for number, record in enumerate(index.records) if "efficientformer" in record.name]  # they have whole-number tables
    for number in chosen:
        record = index.record(number)
        fresh = survey(resolve_architecture(record.name))
        assert (fresh.tensors, fresh.head, fresh.stem, fresh.size, fresh.tables, fresh.mean_std, fresh.resampling, fresh.n_parameters) == (
            record.tensors, record.head, record.stem, record.size, record.tables, record.mean_std, record.resampling, record.n_parameters
        ), record.name  # fmt: skip
