"""The same as `vision benchmark`, in a clone."""

import sys

from vision.cli.commands.benchmark import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
