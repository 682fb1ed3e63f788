"""Given masks: how much of a map lies on the things that people marked, against their share of the area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repr_probe.datasets.mask_folders import choose_split, mask_folder_splits, pair_files
from repr_probe.datasets.masked_images import MaskedImages, read_mask
from repr_probe.datasets.voc import VOC_VOID, voc_pairs
from repr_probe.errors import DatasetError
from repr_probe.preprocessing import InputSpec
from repr_probe.visual.localise.finding import Finding, mean_finding, percentiles, resample_means, share_finding
from repr_probe.visual.localise.shares import area_share, centre_prior, energy_inside, pointing_hits
from repr_probe.visual.localise.subject import Subject
from repr_probe.visual.targets import OwnTarget, Target

FEW = 30  # images; below, a note says that the intervals are wide
LARGEST_ID = 65_535


@dataclass(frozen=True, eq=False)
class MaskedPictures:
    """names: files.  images: (n, C, H, W) normalised, whole pictures.  inside: (n, H, W) bool foreground.  valid: (n, H, W), not void."""

    names: tuple[str, ...]
    images: torch.Tensor
    inside: np.ndarray
    valid: np.ndarray
    notes: tuple[str, ...] = ()


def read_masked_pictures(
    folder: str | Path,
    input: InputSpec,
    *,
    foreground: Sequence[int] | None = None,
    ignore_index: int = VOC_VOID,
    limit: int | None = None,
    seed: int = 0,
) -> MaskedPictures:
    """Pictures with masks: FOLDER/images + FOLDER/masks, the same inside splits (test before val), or a folder that holds VOC2012.

    foreground: the class ids of the things; default every id but 0 and void.  ignore_index: the id of void.  limit: so many, drawn by `seed`.
    Pictures that are foreground everywhere or nowhere tell nothing and are left out, with a note.
    Raises DatasetError for other layouts and for a folder in which no picture is left.
    """
    pairs = _pairs(Path(folder))
    if limit is not None and limit < len(pairs):
        pairs = [pairs[row] for row in np.sort(np.random.default_rng(seed).permutation(len(pairs))[:limit])]
    found = MaskedImages(
        name=Path(folder).name, split="", images=tuple(image for image, _ in pairs), masks=tuple(mask for _, mask in pairs),
        ids=tuple(image.stem for image, _ in pairs), class_names=tuple(map(str, range(LARGEST_ID))), ignore_index=ignore_index, fingerprint="",
    )  # fmt: skip
    ids = np.stack([found.mask_at(row, input.size) for row in range(len(found))])
    valid = ids != ignore_index
    inside = valid & (ids != 0 if foreground is None else np.isin(ids, list(foreground)))
    telling = np.flatnonzero(inside.any((1, 2)) & (valid & ~inside).any((1, 2)))
    if not len(telling):
        wanted = "an id other than 0" if foreground is None else f"one of the ids {', '.join(map(str, foreground))}"
        raise DatasetError(f"masks must hold foreground ({wanted}) and background; got no such mask among {len(ids)} in {folder}")
    notes = [f"{len(ids) - len(telling)} of {len(ids)} masks are foreground everywhere or nowhere and left out"] * (len(telling) < len(ids))
    notes += [f"{len(telling)} masks are few; {FEW} or more give narrower intervals"] * (len(telling) < FEW)
    images = torch.stack([found.image(int(row), input) for row in telling])
    names = tuple(found.images[row].name for row in telling)
    return MaskedPictures(names, images, inside[telling], valid[telling], tuple(notes))


def mask_check(subject: Subject, pictures: MaskedPictures, target: Target | OwnTarget, *, seed: int = 0) -> list[Finding]:
    """Energy in the masks, its lift (energy over area, 1 is chance) and pointing hits; the centre prior's lines stand beside."""
    inside, valid = pictures.inside, pictures.valid
    maps = dict(subject.explain(pictures.images, target))
    maps["centre prior"] = np.repeat(centre_prior(inside.shape[1:])[None], len(inside), 0)
    area = area_share(inside, valid)
    found = []
    for name, heat in maps.items():
        facts: dict[str, Any] = {"check": "masks", "maps": name, "target": "none" if name == "centre prior" else target.name}
        energy = energy_inside(heat, inside, valid)
        found.append(mean_finding(energy, **facts, measure="energy", chance=float(area.mean()), seed=seed))
        found.append(lift_finding(energy, area, **facts, seed=seed))
        found.append(share_finding(pointing_hits(heat, inside, valid), **facts, chance=float(area.mean())))
    return found


def lift_finding(energy: np.ndarray, area: np.ndarray, *, check: str, maps: str, target: str, seed: int = 0) -> Finding:
    """Mean energy over mean area of the live maps: 1 for a map that knows nothing, 2 for twice the energy of a flat map."""
    live = np.isfinite(energy)
    facts: dict[str, Any] = {"check": check, "maps": maps, "target": target, "measure": "lift", "chance": 1.0, "unit": "images", "n": int(live.sum())}
    if not live.any():
        return Finding(**facts, value=None, ci=None, ci_method="", n_dead=len(energy), reason="every map is dead")
    rows = np.stack([energy[live], area[live]], axis=1)
    means = resample_means(rows, seed)
    ci = percentiles(means[:, 0] / means[:, 1]) if len(rows) > 1 else None
    value = float(rows[:, 0].mean() / rows[:, 1].mean())
    return Finding(**facts, value=value, ci=ci, ci_method=f"bootstrap over {len(rows)} images", n_dead=int((~live).sum()))


def mask_ids(folder: str | Path) -> list[int]:
    """Every id in the masks of a folder, sorted."""
    return sorted({int(value) for _, mask in _pairs(Path(folder)) for value in np.unique(read_mask(mask))})


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    if (folder / "images").is_dir() and (folder / "masks").is_dir() and not _divided(folder):
        return pair_files(folder / "images", folder / "masks")
    if any((folder / place / "ImageSets" / "Segmentation").is_dir() for place in ("VOCdevkit/VOC2012", "voc/VOCdevkit/VOC2012", "VOC2012")):
        return voc_pairs(folder, "val")[0]
    splits = mask_folder_splits(folder)
    held_out = [name for name in splits if name != "train"]
    return pair_files(*splits[choose_split(splits, None, folder) if held_out else "train"])


def _divided(folder: Path) -> bool:
    return any((folder / "images" / split).is_dir() for split in ("train", "test", "val", "valid", "validation"))
