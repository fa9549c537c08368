"""The same as `vision quantize`, in a clone."""

import sys

from vision.cli.commands.quantize import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
