"""Write imagenet.txt: the 1,000 classes of ImageNet-1k in class order, one `wnid<TAB>names` line each.

Source: the synset and lemma tables that timm ships (`timm.data.ImageNetInfo`), which follow the ILSVRC 2012 devkit.
Run `python -m repr_probe.classes.build_imagenet` to write the file again.
"""

from __future__ import annotations

from pathlib import Path


def imagenet_table() -> str:
    """The text of imagenet.txt, taken from timm."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    return "".join(f"{wnid}\t{info.label_name_to_description(wnid)}\n" for wnid in info.label_names())


def main() -> None:
    Path(__file__).with_name("imagenet.txt").write_text(imagenet_table(), encoding="utf-8")


if __name__ == "__main__":
    main()
