"""The same as `vision models`, in a clone."""

import sys

from vision.cli.commands.models import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
