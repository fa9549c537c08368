"""The same as `vision check-dataset`, in a clone."""

import sys

from vision.cli.commands.check_dataset import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
