"""The same as `vision make-samples`, in a clone."""

import sys

from vision.cli.commands.make_samples import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
