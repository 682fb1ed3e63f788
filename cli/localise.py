"""repro-probe localise: whether saliency maps show where things are."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from repr_probe.errors import UsageError

from .display import shown
from .encoder_options import NO_OPTIONS, takes_encoder_options
from .formats import SUFFIXES, AsCsv, AsJson, AsLatex, AsMarkdown, stdout_format
from .options import DATA, ENCODER, OUTPUT, RUN, Checkpoint, Debug, Device, Quiet, Seed, option
from .output import say
from .picture_options import Against

MAPS = "Maps"


class CheckName(StrEnum):
    """One check."""

    grid = "grid"
    composite = "composite"
    masks = "masks"
    randomisation = "randomisation"
    insertion_deletion = "insertion-deletion"
    pca = "pca"


class MethodName(StrEnum):
    """How activations and gradients become a map."""

    layercam = "layercam"
    gradcam = "gradcam"
    eigen = "eigen"


class TargetName(StrEnum):
    """What the maps explain, outside the grids."""

    self_ = "self"
    centred = "centred"


Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Photos, in any folder; subfolders are classes.")]
Masks = Annotated[Path | None, option("Folder with images/ and masks/, or one that holds VOC2012.", DATA, show_default="none")]
Foreground = Annotated[str | None, option("Class ids of the things in the masks, with commas.", DATA, metavar="IDS", show_default="all but 0 and void")]
IgnoreIndex = Annotated[int, option("Id of void pixels in the masks.", DATA, min=0)]
Limit = Annotated[int, option("At most N photos and N masks, drawn by --seed.", DATA, min=1, metavar="N")]
Checks = Annotated[list[CheckName] | None, option("A check; repeatable.", RUN, show_default="all; masks with --masks")]
Grids = Annotated[int, option("How many 2 x 2 grids.", RUN, min=16)]
Passes = Annotated[int, option("Images per pass.", RUN, "--batch-size", min=1)]
Target = Annotated[TargetName, option("What the maps explain outside the grids, whose target is the cell's photo.", MAPS)]
Layers = Annotated[list[str] | None, option("stages, all or a module; repeatable.", ENCODER, show_default="stages")]
Method = Annotated[MethodName, option("layercam, gradcam or eigen.", MAPS)]
Sigma = Annotated[float, option("SD of SmoothGrad's noise as a share of the pixel range; 0: no noise, one pass a map.", MAPS, min=0.0, max=1.0)]
Samples = Annotated[int, option("Noisy copies an image; costs as many passes.", MAPS, min=1)]
Out = Annotated[list[Path] | None, option("Also write a file: .json .csv .md .tex .txt; repeatable.", OUTPUT, show_default="none")]


@takes_encoder_options
def localise_command(
    checkpoint: Checkpoint,
    folder: Folder,
    masks: Masks = None,
    foreground: Foreground = None,
    ignore_index: IgnoreIndex = 255,
    against: Against = None,
    limit: Limit = 60,
    layers: Layers = None,
    encoder: dict[str, Any] = NO_OPTIONS,
    target: Target = TargetName.self_,
    method: Method = MethodName.layercam,
    sigma: Sigma = 0.0,
    samples: Samples = 25,
    checks: Checks = None,
    grids: Grids = 16,
    device: Device = "auto",
    batch_size: Passes = 8,
    seed: Seed = 0,
    json: AsJson = False,
    csv: AsCsv = False,
    markdown: AsMarkdown = False,
    latex: AsLatex = False,
    out: Out = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Do saliency maps show where things are? Grids, composites, masks, random weights, insertion and deletion, each beside chance.

    Example: repro-probe localise resnet50.pth photos --masks VOC --against timm:resnet50
    """
    kind = stdout_format(json=json, csv=csv, markdown=markdown, latex=latex)
    ids = parse_ids(foreground)
    from repr_probe.visual.localise.report import RENDERERS, check_localise_suffix, write_localise
    from repr_probe.workflows.localise import localise

    for path in out or ():
        check_localise_suffix(path)
    with shown(quiet):
        report = localise(
            checkpoint,
            folder,
            masks=masks,
            foreground=ids,
            ignore_index=ignore_index,
            against=against or (),
            checks=None if not checks else [check.value for check in checks],
            target=target.value,
            layers=layers or "stages",
            method=method.value,
            sigma=sigma,
            samples=samples,
            grids=grids,
            limit=limit,
            device=device,
            batch_size=batch_size,
            seed=seed,
            **encoder,
        )
    for path in out or ():  # files first: what reads our stdout may leave early
        write_localise(report, path)
    say(RENDERERS[".txt" if kind == "text" else SUFFIXES[kind]](report))


def parse_ids(text: str | None) -> list[int] | None:
    """ "8, 9" -> [8, 9].

    >>> parse_ids("8, 9"), parse_ids(None)
    ([8, 9], None)
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--foreground must be class ids with commas, such as 8,9; got {text!r}")
    return [int(part) for part in parts]
