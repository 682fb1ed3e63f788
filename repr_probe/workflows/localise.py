"""localise: checkpoints and a folder of photos to numbers that say whether saliency maps are right (`repro-probe localise`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from repr_probe import progress
from repr_probe.errors import UsageError
from repr_probe.workflows.beside import opened_beside, random_twin_or_reason
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.visual.localise.finding import Finding
    from repr_probe.visual.localise.report import Examined, LocaliseReport
    from repr_probe.visual.localise.subject import Subject
    from repr_probe.visual.pictures import Pictures
    from repr_probe.visual.targets import OwnTarget

CHECKS = ("grid", "composite", "masks", "randomisation", "insertion-deletion", "pca")
TARGETS = ("self", "centred")
FEWEST_GRIDS = 16
NO_SELF = "its embeddings have one length (a layer normalisation at the end), so the target self has no gradient; choose the target centred"


def localise(
    checkpoint: str | Path | ImageEncoder,
    folder: str | Path,
    *,
    masks: str | Path | None = None,
    foreground: Sequence[int] | None = None,
    ignore_index: int = 255,
    against: str | Path | ImageEncoder | Sequence[str | Path | ImageEncoder] = (),
    checks: Sequence[str] | None = None,
    target: str = "self",
    layers: str | Sequence[str] = "stages",
    method: str = "layercam",
    sigma: float = 0.0,
    samples: int = 25,
    grids: int = FEWEST_GRIDS,
    limit: int = 60,
    device: str = "auto",
    batch_size: int = 8,
    seed: int = 0,
    **encoder: Unpack[EncoderOptions],
) -> LocaliseReport:
    """Whether the maps of SmoothGrad-CAM show where things are: the last layer's, and those of all layers fused.

    folder: photos; of subfolders named for classes a grid holds four different ones.  masks: a folder with images/ and masks/, or VOC2012.
    foreground, ignore_index: see `read_masked_pictures`.  against: other checkpoints, on the same grids and composites.
    checks: names out of CHECKS; default all, "masks" where `masks` is given, no "grid" for the method eigen, whose map has no query.
    target: "self" or "centred", of composites, masks, randomisation and insertion-deletion; grids have their query.
    layers, method, sigma, samples: see `smoothgrad_cam`; without noise by default, one pass a map instead of `samples`.
    grids: how many, 16 or more.  limit: at most so many photos and masks, drawn by `seed`.
    Raises UsageError, CheckpointError, DatasetError, FileFormatError or InputError, each with one line that says what to do.
    """
    from repr_probe.encoders.adapters.protocol import require
    from repr_probe.visual.cam import WITHOUT_TARGET

    chosen = chosen_checks(checks, masks, method)
    if target not in TARGETS:
        raise UsageError(f"target must be {' or '.join(TARGETS)}; got {target!r}")
    if grids < FEWEST_GRIDS or limit < 1:
        raise UsageError(f"grids must be {FEWEST_GRIDS} or more and limit positive; got {grids} and {limit}")
    others = [against] if isinstance(against, str | Path) or not isinstance(against, Sequence) else list(against)
    maps = {"layers": layers, "method": method, "sigma": sigma, "samples": samples, "batch_size": batch_size, "seed": seed}
    run = _Run(Path(folder), masks, foreground, ignore_index, chosen, target, maps, grids, limit)
    networks, notes = [], []
    for opened in opened_beside([checkpoint, *others], checked_options(encoder), device):
        require(opened, "maps" if method in WITHOUT_TARGET else "grad")
        found, said = run.examined(opened)
        networks.append(found)
        notes += [*opened.notes, *said]
    return _report(run, networks, notes)


def chosen_checks(checks: Sequence[str] | None, masks: str | Path | None, method: str = "layercam") -> list[str]:
    """The checks to make, in their order; UsageError for an unknown name, for "masks" without a folder and for "grid" without a target."""
    from repr_probe.visual.cam import WITHOUT_TARGET

    impossible = {name for name, cannot in (("masks", masks is None), ("grid", method in WITHOUT_TARGET)) if cannot}
    names = [name for name in CHECKS if name not in impossible] if checks is None else list(checks)
    unknown = next((name for name in names if name not in CHECKS), None)
    if unknown is not None or not names:
        raise UsageError(f"checks must be some of {', '.join(CHECKS)}; got {unknown or 'none'}")
    if "masks" in names and masks is None:
        raise UsageError("masks must be a folder with images/ and masks/ for the check masks; got none; give --masks FOLDER")
    if "grid" in names and "grid" in impossible:
        raise UsageError(f"checks must leave out grid for the method {method}, whose map is the same for every query; got grid")
    return [name for name in CHECKS if name in names]


@dataclass(frozen=True)
class _Run:
    """What all networks of one report share."""

    folder: Path
    masks: str | Path | None
    foreground: Sequence[int] | None
    ignore_index: int
    checks: list[str]
    target: str
    maps: Mapping[str, Any]
    grids: int
    limit: int

    @property
    def seed(self) -> int:
        return int(self.maps["seed"])

    def files(self) -> list[Path]:
        """The photos: all, or `limit` drawn by the seed, in their order."""
        from repr_probe.visual.pictures import picture_files

        files = picture_files(self.folder)
        if len(files) <= self.limit:
            return files
        return [files[row] for row in np.sort(np.random.default_rng(self.seed).permutation(len(files))[: self.limit])]

    def examined(self, encoder: ImageEncoder) -> tuple[Examined, list[str]]:
        """(findings of one network, notes)."""
        from repr_probe.visual.cam import WITHOUT_TARGET
        from repr_probe.visual.layers import chosen_layers
        from repr_probe.visual.localise.report import Examined
        from repr_probe.visual.localise.subject import subject_of
        from repr_probe.visual.pictures import read_pictures

        layers, replaced = chosen_layers(encoder, self.maps["layers"], gradients=self.maps["method"] not in WITHOUT_TARGET)
        pictures = read_pictures(self.files(), encoder.input)
        examination = _Examination(self, encoder, subject_of(encoder, **{**self.maps, "layers": layers}), pictures, layers)
        examination.notes += [f"{encoder.name}: {note}" for note in replaced]
        findings: list[Finding] = []
        with progress.task(f"checks of {encoder.name}", len(self.checks)) as advance:
            for name in self.checks:
                findings += examination.checks[name]()
                advance(1)
        if any(one.target == "self" and one.value is None and one.n_dead for one in findings):
            examination.notes.append(f"{encoder.name}: {NO_SELF}")
        found = Examined(encoder.name, encoder.architecture, tuple(layers), dict(encoder.identity), tuple(findings))
        return found, [*pictures.notes, *examination.notes]


class _Examination:
    """The checks of one network; what several of them need is made once."""

    def __init__(self, run: _Run, encoder: ImageEncoder, subject: Subject, pictures: Pictures, layers: list[str]) -> None:
        self.run, self.encoder, self.subject, self.pictures, self.layers = run, encoder, subject, pictures, layers
        self.mean = subject.embed(pictures.images).mean(0)
        self.notes: list[str] = []
        self._twin: ImageEncoder | str | None = None
        self.checks: Mapping[str, Callable[[], list[Finding]]] = {
            "grid": self.grid, "composite": self.composite, "masks": self.masked, "randomisation": self.randomisation,
            "insertion-deletion": self.insertion_deletion, "pca": self.pca,
        }  # fmt: skip

    @property
    def target(self) -> OwnTarget:
        from repr_probe.visual.cam import WITHOUT_TARGET
        from repr_probe.visual.targets import centred_target, self_target

        if self.run.maps["method"] in WITHOUT_TARGET:
            return replace(self_target(), name="none")
        return self_target() if self.run.target == "self" else centred_target(self.mean)

    def grid(self) -> list[Finding]:
        from repr_probe.visual.localise.grids import grid_check

        folders = [path.parent.as_posix() for path in self.run.files()]
        labels = folders if len(set(folders)) > 1 else None
        return grid_check(self.subject, self.pictures.shown, labels=labels, n_grids=self.run.grids, seed=self.run.seed)

    def composite(self) -> list[Finding]:
        from repr_probe.visual.localise.composites import composite_check, make_composites

        return composite_check(self.subject, make_composites(self.pictures.shown, seed=self.run.seed), self.target, seed=self.run.seed)

    def masked(self) -> list[Finding]:
        from repr_probe.visual.localise.masks import mask_check, read_masked_pictures

        run = self.run
        pictures = read_masked_pictures(
            str(run.masks), self.encoder.input, foreground=run.foreground, ignore_index=run.ignore_index, limit=run.limit, seed=run.seed
        )
        self.notes += pictures.notes
        return mask_check(self.subject, pictures, self.target, seed=run.seed)

    def randomisation(self) -> list[Finding]:
        from repr_probe.visual.localise.randomisation import randomisation_check
        from repr_probe.visual.localise.subject import subject_of

        twin = self.twin()
        if isinstance(twin, str):
            self.notes.append(f"{self.encoder.name}: no randomisation check: {twin}")
            return []
        other = subject_of(twin, **{**self.run.maps, "layers": self.layers})
        return randomisation_check(self.subject, other, self.pictures.images, self.target, seed=self.run.seed)

    def insertion_deletion(self) -> list[Finding]:
        from repr_probe.visual.localise.insertion_deletion import insertion_deletion_check

        return insertion_deletion_check(self.subject, self.pictures.images, self.mean, self.target, seed=self.run.seed)

    def pca(self) -> list[Finding]:
        from repr_probe.visual.hypercolumns import hypercolumn_pca
        from repr_probe.visual.localise.composites import make_composites
        from repr_probe.visual.localise.pca import pca_findings

        made = make_composites(self.pictures.shown, seed=self.run.seed)
        images, twin = self.subject.normalised(made.pixels), self.twin()
        size = (made.inside.shape[1], made.inside.shape[2])
        scores = [None if isinstance(one, str) else hypercolumn_pca(one, images, layers="stages", size=size, seed=self.run.seed).scores
                  for one in (self.encoder, twin)]  # fmt: skip
        if isinstance(twin, str):
            self.notes.append(f"{self.encoder.name}: no PCA of random weights: {twin}")
        return pca_findings(np.asarray(scores[0]), scores[1], made.inside, seed=self.run.seed)

    def twin(self) -> ImageEncoder | str:
        """The same architecture with random weights, or why there is none."""
        if self._twin is None:
            self._twin = random_twin_or_reason(self.encoder)
        return self._twin


def _report(run: _Run, networks: list[Examined], notes: list[str]) -> LocaliseReport:
    from repr_probe.run_facts import package_versions
    from repr_probe.visual.localise.report import LocaliseReport

    settings = {
        **run.maps, "samples": run.maps["samples"] if run.maps["sigma"] else 1, "target": run.target, "checks": run.checks, "grids": run.grids,
        "folder": run.folder.name, "pictures": len(run.files()), "masks": None if run.masks is None else Path(run.masks).name,
        "foreground": None if run.foreground is None else list(run.foreground), "ignore_index": run.ignore_index, "limit": run.limit,
    }  # fmt: skip
    return LocaliseReport(
        networks=tuple(networks), settings=settings, notes=tuple(dict.fromkeys(notes)), versions=package_versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
