"""A worker's memory does not grow while it reads through an index of half a million files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 2**20
SCRIPT = Path(__file__).parents[1] / "helpers" / "memory_of_workers.py"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="this system does not tell"
)


@pytest.fixture(scope="module")
def gained() -> dict[str, int]:
    """Bytes that a worker has gained by reading each thing."""
    run = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_reading_all_samples_leaves_a_worker_as_it_was(gained: dict[str, int]) -> None:
    assert gained["index"] < 8 * MIB


def test_the_measurement_sees_what_a_list_of_paths_would_cost(gained: dict[str, int]) -> None:
    assert gained["list"] > 40 * MIB


def test_the_order_of_an_epoch_is_an_array(gained: dict[str, int]) -> None:
    # One of half a million numbers, and its permutation for a moment.
    assert gained["keys"] < 24 * MIB
