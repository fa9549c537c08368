"""The same as `vision publish`, in a clone."""

import sys

from vision.cli.commands.publish import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
