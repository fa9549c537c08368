"""Run several commands of train.py, one after the other, undrawn: to be started by torchrun.

python -m torch.distributed.run --standalone --nproc_per_node 2 run_commands.py COMMANDS.json
"""

import json
import sys
from pathlib import Path

from helpers.undrawn import undrawn

from vision.cli.main import main

if __name__ == "__main__":
    for command in json.loads(Path(sys.argv[1]).read_text()):
        sys.stdout.write(f"+ {' '.join(command)}\n")
        with undrawn():
            code = main(command)
        if code:
            sys.exit(code)
