"""Run several commands of `vision evaluate`, one after the other: to be started by torchrun."""

import json
import sys
from pathlib import Path

from vision.cli.commands.evaluate import main

if __name__ == "__main__":
    for command in json.loads(Path(sys.argv[1]).read_text()):
        if code := main(command):
            sys.exit(code)
