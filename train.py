"""The same as `vision`, in a clone; without arguments it trains on handwritten digits."""

import sys

from vision.cli.main import main

QUICKSTART = ["fit", "--config", "classification/digits/convnext_linear"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or QUICKSTART))
