"""The same as `vision embed`, in a clone."""

import sys

from vision.cli.commands.embed import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
