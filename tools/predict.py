"""The same as `vision predict`, in a clone."""

import sys

from vision.cli.commands.predict import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
