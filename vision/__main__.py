"""`python -m vision`: the same as the command `vision`."""

import sys

from vision.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
