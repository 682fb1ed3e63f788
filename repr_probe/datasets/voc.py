"""PASCAL VOC 2012 segmentation in torchvision's layout: DATA_ROOT/VOCdevkit/VOC2012, train 1,464 and val 1,449 images, void 255."""

from __future__ import annotations

from pathlib import Path

from repr_probe.datasets.names import shortened
from repr_probe.errors import DatasetError

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
VOC_SIZES = {"train": 1464, "val": 1449}
VOC_VOID = 255
_PLACES = ("VOCdevkit/VOC2012", "voc/VOCdevkit/VOC2012", "VOC2012")


def voc_folder(root: Path) -> Path:
    """The VOC2012 folder below the data root; raises DatasetError saying where it is looked for and who fetches it."""
    for place in _PLACES:
        if (root / place / "ImageSets" / "Segmentation").is_dir():
            return root / place
    raise DatasetError(
        f"dataset voc must lie at {root / _PLACES[0]} (JPEGImages, SegmentationClass, ImageSets/Segmentation); got nothing there; "
        f"torchvision.datasets.VOCSegmentation({str(root)!r}, download=True) puts it there"
    )


def voc_pairs(root: Path, split: str) -> tuple[list[tuple[Path, Path]], tuple[str, ...]]:
    """(image and mask of every name in ImageSets/Segmentation/SPLIT.txt in its order, notes); raises DatasetError for missing files."""
    if split not in VOC_SIZES:
        raise DatasetError(f"split must be train or val; got {split!r} for voc; the test masks are not public")
    folder = voc_folder(root)
    listed = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
    try:
        names = listed.read_text(encoding="utf-8").split()
    except OSError as failure:
        raise DatasetError(f"dataset voc must hold {listed}; got {failure.strerror}") from failure
    if not names:
        raise DatasetError(f"dataset voc must name its images in {listed}; got an empty file")
    pairs = [(folder / "JPEGImages" / f"{name}.jpg", folder / "SegmentationClass" / f"{name}.png") for name in names]
    for what, column in (("image", 0), ("mask", 1)):
        missing = [pair[column].name for pair in pairs if not pair[column].is_file()]
        if missing:
            raise DatasetError(f"dataset voc must hold the {what} of every name in {listed.name}; {len(missing)} are missing: {shortened(missing)}")
    expected = VOC_SIZES[split]
    notes = () if len(names) == expected else (f"voc {split} has {len(names):,} images; the released split has {expected:,}",)
    return pairs, notes
