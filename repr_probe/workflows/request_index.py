"""From what a user asked for straight to stored features: a repeated command need not build the network to learn the store's key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import StoreError
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_key import SCHEMA, canonical_json, rows_hash, store_key
from repr_probe.files.atomic import atomic_write
from repr_probe.files.hashing import sha256_of, sha256_of_all
from repr_probe.files.home import features_folder, home
from repr_probe.files.json_file import CONFIGS
from repr_probe.files.sniff import sniff
from repr_probe.preprocessing import InputSpec
from repr_probe.run_facts import package_versions

if TYPE_CHECKING:
    from repr_probe.datasets.image_dataset import ImageDataset

# Kinds whose values are all in the one file, and folders that are hashed whole.
ALONE = ("torch-zip", "torch-legacy", "torchscript", "torch-export", "safetensors", "flax-msgpack")
FOLDERS = ("hf", "timm", "open-clip", "dcp", "deepspeed")
_EMBEDDED = Path(__file__).parents[1] / "encoders" / "embedded"


@dataclass(frozen=True)
class RequestRecord:
    """The answer to one request: the preprocessing the encoder asked for, the rows that were seen, the keys of the stores."""

    input: InputSpec
    rows: Mapping[str, Any]
    keys: Sequence[str]

    def stores_for(self, dataset: ImageDataset) -> list[FeatureStore] | None:
        """The stores, one per layer, if `dataset` still holds the same rows and every store is whole; None otherwise."""
        if rows_of(dataset) != self.rows:
            return None
        try:
            return [FeatureStore.open(features_folder() / key) for key in self.keys]
        except StoreError:
            return None


def request_of(checkpoint: str | Path, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Everything the answer depends on before the network and the images are opened; None when the checkpoint's content is not certain.

    A file, an embedded one too, counts by its place and its SHA-256 (read again only when size or time changed), with the
    configurations that may stand beside it; `timm:` and `torchvision:` names by the libraries' versions. Somebody's code may change
    without being told from here.
    """
    path = Path(checkpoint)
    if not path.exists():
        path = _EMBEDDED / f"{checkpoint}.safetensors"
    if path.is_dir() or path.is_file():
        # Of other kinds the values may lie in files that only their reader knows; a folder of something else is refused here.
        if sniff(path) not in (*ALONE, *FOLDERS):
            return None
        beside = [path.with_name(name) for name in CONFIGS] if path.is_file() else []
        config = [sha256_of(file) if file.is_file() else None for file in beside]
        identity: dict[str, Any] = {"path": str(path.absolute()), "sha256": sha256_of_all(path), "config": config}
    elif str(checkpoint).startswith(("timm:", "torchvision:")):
        identity = {"name": str(checkpoint)}
    else:
        return None
    plain = {name: str(Path(value).absolute()) if isinstance(value, Path) else value for name, value in options.items()}
    return {"schema": SCHEMA, "versions": package_versions(), "checkpoint": identity, **plain}


def recall(request: Mapping[str, Any]) -> RequestRecord | None:
    """The record of an equal request, if there is a readable one."""
    try:
        record = json.loads(_place(request).read_text(encoding="utf-8"))
        spec = record["input"]
        numbers = {"size": tuple(spec["size"]), "mean": tuple(spec["mean"]), "std": tuple(spec["std"])}
        return RequestRecord(InputSpec(**{**spec, **numbers}), record["rows"], record["keys"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the long way gives the same answer


def remember(request: Mapping[str, Any], dataset: ImageDataset, stores: Sequence[FeatureStore]) -> None:
    """Keep the way from `request` to `stores`."""
    spec = {**dataset.input.to_dict(), "sources": dict(dataset.input.sources)}
    record = {"request": request, "input": spec, "rows": rows_of(dataset), "keys": [store.key for store in stores]}
    # The features are stored already; without the record the next command is a little slower and says the same.
    with suppress(StoreError):
        atomic_write(_place(request), canonical_json(record) + "\n")


def rows_of(dataset: ImageDataset) -> dict[str, Any]:
    """What identifies the images and labels of a data set."""
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        "fingerprint": dataset.fingerprint,
        "rows": rows_hash(dataset.ids, dataset.labels, dataset.class_names),
    }


def _place(request: Mapping[str, Any]) -> Path:
    return home() / "requests" / f"{store_key(request)}.json"
