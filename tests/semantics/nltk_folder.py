"""An NLTK data folder with WordNet 3.0, from what Debian's wordnet-base and wordnet-sense-index install (copies: NLTK refuses links)."""

from __future__ import annotations

import shutil
from pathlib import Path

SYSTEM = Path("/usr/share/wordnet")
PARTS = ("data", "index")
KINDS = ("noun", "verb", "adj", "adv")
NEEDED = [f"{part}.{kind}" for part in PARTS for kind in KINDS] + [f"{kind}.exc" for kind in KINDS] + ["index.sense", "cntlist.rev"]
NOUN_FILES = "Tops act animal artifact attribute body cognition communication event feeling food group location motive object person phenomenon"
NOUN_FILES += " plant possession process quantity relation shape state substance time"
VERB_FILES = "body change cognition communication competition consumption contact creation emotion motion perception possession social stative weather"
CATEGORIES = [("adj.all", 3), ("adj.pert", 3), ("adv.all", 4), *((f"noun.{name}", 1) for name in NOUN_FILES.split())]
CATEGORIES += [*((f"verb.{name}", 2) for name in VERB_FILES.split()), ("adj.ppl", 3)]


def missing() -> str:
    """Why there is nothing to compare with; "" where there is."""
    absent = [name for name in NEEDED if not (SYSTEM / name).is_file()]
    return f"{SYSTEM} lacks {', '.join(absent[:3])}: apt-get install wordnet-base wordnet-sense-index" if absent else ""


def make_nltk_folder(root: Path) -> Path:
    """root/corpora/wordnet with all files NLTK wants; `lexnames` (lexnames(5WN): number, name, category) is in no Debian package."""
    folder = root / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name in NEEDED:
        shutil.copyfile(SYSTEM / name, folder / name)
    lines = [f"{number:02d}\t{name}\t{category}" for number, (name, category) in enumerate(CATEGORIES)]
    (folder / "lexnames").write_text("\n".join(lines) + "\n", encoding="ascii")
    return folder
