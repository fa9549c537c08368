"""The first line of a command, before anything heavy is imported."""

import os
import sys

from vision.line_width import cut_line

# Set for each process of a training of several, by torchrun, Lightning and Slurm.
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


def announce(what: str) -> None:
    """Say what begins, on the first process, if PyTorch is to be imported, which takes seconds.

    Args:
        what: The command and what it is about, such as `"export runs/digits/version_0"`.
    """
    if "torch" in sys.modules or any(os.environ.get(name, "0") != "0" for name in RANKS):
        return
    ending = ": loading PyTorch ..."
    sys.stdout.write(f"{cut_line(what, len(ending))}{ending}\n")
    sys.stdout.flush()
