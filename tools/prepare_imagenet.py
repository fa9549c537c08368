"""The same as `vision prepare-imagenet`, in a clone."""

import sys

from vision.cli.commands.prepare_imagenet import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
