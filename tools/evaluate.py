"""The same as `vision evaluate`, in a clone."""

import sys

from vision.cli.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
