"""A script of this folder on two processes that meet each other."""

import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

TESTS = Path(__file__).parents[1]


def answers_of_two(script: str, folder: Path) -> list[Any]:
    """Run `SCRIPT FOLDER RANK` for both ranks; returns what each has written to `RANK.json`.

    Args:
        script: Name of the script, in this folder.
        folder: Where the two meet and write.
    """
    command = [sys.executable, str(TESTS / "helpers" / script), str(folder)]
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    both = [
        subprocess.Popen(
            [*command, rank], env=environment, stdout=PIPE, stderr=subprocess.STDOUT, text=True
        )
        for rank in "01"
    ]
    for process in both:
        output, _ = process.communicate(timeout=200)
        assert process.returncode == 0, output
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
