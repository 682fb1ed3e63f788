"""Galleries of a page: pictures that exist, and those that saliency, attention and hypercolumns draw of a few images of the data set."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from repr_probe import progress
from repr_probe.errors import UsageError

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.pages.gallery import Gallery

DRAWN = ("saliency", "attention", "hypercolumns")
N_IMAGES = 6  # of the data set, where nobody names pictures
_NOT_A_NAME = re.compile(r"[^\w.-]+")
_DPI = 110


def split_galleries(wanted: Sequence[str | Path | Gallery]) -> tuple[list[str], tuple[Gallery, ...]]:
    """(kinds to draw, galleries that exist), of words such as "saliency,attention", paths and galleries.

    Raises UsageError for a text that is neither, FileFormatError for a file that is no picture.
    """
    from repr_probe.pages.gallery import Gallery, read_gallery

    kinds: list[str] = []
    found: list[Gallery] = []
    for one in wanted:
        words = str(one).split(",") if isinstance(one, str) else []
        if words and set(words) <= set(DRAWN):
            kinds += words
        elif isinstance(one, Gallery):
            found.append(one)
        elif not Path(one).exists():
            raise UsageError(f"gallery must be one of {', '.join(DRAWN)}, a picture or a folder of pictures; got {str(one)!r}")
        else:
            found.append(read_gallery(one))
    return list(dict.fromkeys(kinds)), tuple(found)


def draw_galleries(
    kinds: Sequence[str], checkpoints: Sequence[str | Path], *, images: Mapping[str, Any], encoder: Mapping[str, Any], device: str
) -> tuple[Gallery, ...]:
    """One gallery a kind: all checkpoints side by side on the same pictures.

    images: dataset, split, data_root, limit, seed: of the data set `N_IMAGES` images are taken, class-balanced.  encoder: options of
    `load_encoder`, for every checkpoint.  Raises UsageError without a data set, and what the kind's own workflow raises (attention of a CNN).
    """
    if not kinds:
        return ()
    if images["dataset"] is None:
        raise UsageError(f"--gallery {kinds[0]} must go with --dataset and checkpoints; got features or result files")
    from repr_probe.encoders.load import load_encoder
    from repr_probe.pages.gallery import Gallery, Picture

    networks = [load_encoder(path, device=device, **encoder) for path in checkpoints]
    found = []
    with _pictures(networks[0], images) as folder, progress.task("galleries", len(kinds)) as advance:
        for kind in kinds:
            figure = _drawing(kind)(networks, folder)
            content = io.BytesIO()
            figure.savefig(content, format="png", dpi=_DPI)
            names = ", ".join(network.name for network in networks)
            caption = f"{kind} of {len(list(folder.iterdir()))} images, {names}; repro-probe {kind} draws other pictures"
            found.append(Gallery(kind.capitalize(), (Picture(caption, content.getvalue()),)))
            advance(1)
    return tuple(found)


def _drawing(kind: str) -> Callable[[Sequence[ImageEncoder], Path], Any]:
    """(encoders, folder of pictures) -> figure."""

    def draw(networks: Sequence[ImageEncoder], folder: Path) -> Any:
        first, *others = networks
        if kind == "saliency":
            from repr_probe.workflows.saliency import draw_saliency, saliency

            return draw_saliency(saliency(first, folder, against=others))
        if kind == "attention":
            from repr_probe.workflows.attention import attention, draw_attention

            return draw_attention(attention(first, folder, against=others))
        from repr_probe.workflows.hypercolumns import draw_hypercolumns, hypercolumns

        return draw_hypercolumns(hypercolumns(first, folder, against=others))

    return draw


@contextmanager
def _pictures(network: ImageEncoder, images: Mapping[str, Any]) -> Iterator[Path]:
    """A temporary folder with a few images of the data set, named by class."""
    from repr_probe.datasets.open import open_dataset

    how = {name: images[name] for name in ("split", "data_root", "seed")}
    dataset = open_dataset(images["dataset"], network.input, limit=N_IMAGES, **how)
    with TemporaryDirectory() as name:
        for row in range(len(dataset)):
            label = "image" if dataset.labels is None else dataset.class_names[int(dataset.labels[row])]
            dataset.image(row).save(Path(name) / f"{row}-{_NOT_A_NAME.sub('_', label)[:40]}.png")
        yield Path(name)
