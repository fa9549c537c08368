"""The same as `vision demo`, in a clone."""

import sys

from vision.cli.commands.demo import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
