"""The same as `vision shard`, in a clone."""

import sys

from vision.cli.commands.shard import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
