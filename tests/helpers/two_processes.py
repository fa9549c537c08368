"""A script of this folder on two processes that meet each other."""

import json
from pathlib import Path
from typing import Any

from helpers.forked import start_forked


def answers_of_two(script: str, folder: Path) -> list[Any]:
    """Run `SCRIPT FOLDER` on both ranks; returns what each has written to `RANK.json`.

    Args:
        script: Name of the script, in this folder. It finds the other by the environment, as
            `torch.distributed` does by default.
        folder: Where the two write.
    """
    both = start_forked(Path(__file__).with_name(script), str(folder), folder=folder, ranks=2)
    for done in both.wait():
        assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
