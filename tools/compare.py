"""The same as `vision compare`, in a clone."""

import sys

from vision.cli.commands.compare import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
