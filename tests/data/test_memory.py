"""A worker's memory does not grow while it reads through a large index of files or of shards."""

import json
import os
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
    paths = os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    return json.loads(run.stdout)


def test_reading_all_samples_leaves_a_worker_as_it_was(gained: dict[str, int]) -> None:
    assert gained["index"] < 8 * MIB


def test_the_measurement_sees_what_a_list_of_paths_would_cost(gained: dict[str, int]) -> None:
    assert gained["list"] > 40 * MIB


def test_the_order_of_an_epoch_is_an_array(gained: dict[str, int]) -> None:
    # One of half a million numbers, and its permutation for a moment.
    assert gained["keys"] < 24 * MIB


def test_reading_shards_leaves_a_worker_as_it_was(gained: dict[str, int]) -> None:
    # A Python object for each of 1.3 million samples would come to 60,000 kB and more.
    assert gained["shards"] < 2_000 * 1024
