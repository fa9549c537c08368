"""The same as `vision export`, in a clone."""

import sys

from vision.cli.commands.export import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
