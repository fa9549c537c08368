"""A worker's memory hardly grows while it reads through all annotations of a detection dataset.

The full size, 118,000 images and 860,000 objects, takes minutes: tools/benchmark.py annotations.
"""

from pathlib import Path

import pytest

from vision.benchmarks.annotations import compare

MIB = 2**20

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="this system does not tell"
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """Bytes that workers have to themselves, of 3,000 images and 22,000 objects."""
    return compare(3000, 22_000, 2, tmp_path_factory.mktemp("annotations"))


def test_reading_all_annotations_leaves_a_worker_as_it_was(measured) -> None:
    assert measured["cached"]["worker_gained"] < 4 * MIB


def test_the_memory_of_a_worker_is_a_fifth_of_that_with_pycocotools(measured) -> None:
    assert measured["pycocotools"]["worker_uss"] > 5 * measured["cached"]["worker_uss"]
    assert measured["pycocotools"]["worker_gained"] > 30 * MIB  # the measurement sees it
