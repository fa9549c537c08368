"""Start-up: the package's import over torch's own, and the command's help."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from vision.benchmarks.timing import print_versions


def measure_imports(*, root: Path, rounds: int) -> None:
    """Print the median wall time of new processes.

    Args:
        root: The folder of `train.py`.
        rounds: Processes of each kind.
    """
    print_versions()
    commands = {
        "import torch": ["-c", "import torch"],
        "import vision": ["-c", "import torch, vision"],
        "import vision, create a backbone": [
            "-c",
            "import torch, vision; vision.create_backbone('convnext', dims=(8,)*4, depths=(1,)*4)",
        ],
        "train.py --help": [str(root / "train.py"), "--help"],
        "train.py fit --help": [str(root / "train.py"), "fit", "--help"],
    }
    for label, command in commands.items():
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        print(f"{label:44} {statistics.median(times):8.2f} s  (median of {rounds})")
