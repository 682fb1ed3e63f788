"""`python -m repr_probe.cli`, which is what torchrun starts; the same as the command."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
