"""`vision evaluate` in a process of its own, which may not import heavy packages."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "lightning", "matplotlib")


def evaluate_without(
    packages: Sequence[str], command: Sequence[object], *refused: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Run a command that succeeds, then others that are refused, and check what was imported."""
    runs = [([str(one) for one in command], 0), *((list(one), 2) for one in refused)]
    code = f"""
import sys
from vision.cli.commands import evaluate
for arguments, status in {runs!r}:
    assert evaluate.main(arguments) == status
print([name for name in {tuple(packages)!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    return done
