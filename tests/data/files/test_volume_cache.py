"""Kept volumes are those that were made, within a limit, and never of files that have changed."""

import os
import pickle
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_volumes import tumour, write_brats, write_nifti

from vision.data import BraTS
from vision.data.files.volume_cache import FolderCache, MemoryCache, VolumeCache, key_of
from vision.errors import DataError
from vision.reading import GIB

Make = Callable[[], dict[str, np.ndarray]]


def arrays(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "values": rng.random((2, 3, 4, 5)).astype(np.float32),
        "affine": rng.random((4, 4)),
        "mask": rng.integers(0, 4, (3, 4, 5)).astype(np.uint8),
    }


def counting(seed: int, calls: list[int]) -> Make:
    def make() -> dict[str, np.ndarray]:
        calls.append(seed)
        return arrays(seed)

    return make


def require_same(found: dict[str, np.ndarray], seed: int) -> None:
    wanted = arrays(seed)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.fixture(params=["memory", "folder"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], VolumeCache]:
    def build(max_bytes: int) -> VolumeCache:
        if request.param == "memory":
            return MemoryCache(3, max_bytes)
        return FolderCache(tmp_path / "cache", max_bytes)

    return build


def test_what_is_kept_is_not_made_again(cache: Callable[[int], VolumeCache]) -> None:
    calls: list[int] = []
    kept = cache(10_000)
    for _ in range(3):
        for place in range(3):
            require_same(kept.get(place, f"{place}-a", counting(place, calls)), place)
    assert calls == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        kept.get(0, "0-a", counting(0, calls))["values"][0] = 1


def test_no_more_than_the_limit_is_kept(cache: Callable[[int], VolumeCache]) -> None:
    calls: list[int] = []
    kept = cache(1_600)  # of one subject and its description
    for _ in range(2):
        for place in range(3):
            require_same(kept.get(place, f"{place}-a", counting(place, calls)), place)
    assert calls == [0, 1, 2, 1, 2]


def test_other_contents_are_made_again(cache: Callable[[int], VolumeCache]) -> None:
    calls: list[int] = []
    kept = cache(10_000)
    kept.get(0, "0-a", counting(0, calls))
    require_same(kept.get(0, "0-b", counting(5, calls)), 5)
    require_same(kept.get(0, "0-b", counting(5, calls)), 5)
    assert calls[:2] == [0, 5]


def test_an_entry_of_a_folder_that_was_replaced_makes_room(tmp_path: Path) -> None:
    kept = FolderCache(tmp_path, 1_000)
    for seed in range(4):
        require_same(kept.get(0, f"0-{seed}", counting(seed, [])), seed)
    assert [path.name for path in tmp_path.glob("0-*")] == ["0-3"]


def _fill(kept: MemoryCache, place: int) -> None:
    kept.get(place, f"{place}-a", counting(place, []))


def test_forked_processes_share_what_is_kept_in_memory() -> None:
    kept = MemoryCache(3, 10_000)
    context = get_context("fork")
    processes = [context.Process(target=_fill, args=(kept, place)) for place in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    calls: list[int] = []
    for place in range(3):
        require_same(kept.get(place, f"{place}-a", counting(place, calls)), place)
    assert calls == []
    # A process that is started in another way has no such memory.
    other = pickle.loads(pickle.dumps(kept))
    require_same(other.get(0, "0-a", counting(0, calls)), 0)
    assert calls == [0]


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    require_same(FolderCache(tmp_path / "file", 10_000).get(0, "0-a", counting(0, [])), 0)
    assert "cannot be written to" in caplog.text


def test_keys_follow_files_and_options(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    first = key_of([str(path)], {"spacing": None})
    assert key_of([str(path)], {"spacing": None}) == first
    assert key_of([str(path)], {"spacing": [1, 1, 1]}).split("-")[0] != first.split("-")[0]
    os.utime(path, ns=(5, 5))
    second = key_of([str(path)], {"spacing": None})
    assert second != first
    assert second.split("-")[0] == first.split("-")[0]
    with pytest.raises(DataError, match="'absent' cannot be read"):
        key_of(["absent"], {})
    # The slices of a series lie in a folder, whose own time says nothing of them.
    of_folder = key_of([str(tmp_path)], {})
    assert key_of([str(tmp_path)], {}) == of_folder
    os.utime(path, ns=(7, 7))
    assert key_of([str(tmp_path)], {}) != of_folder


@pytest.mark.parametrize("folder", [False, True])
def test_samples_of_a_cache_are_the_same_and_never_stale(folder: bool, tmp_path: Path) -> None:
    root = write_brats(tmp_path / "data", subjects=2)
    options = {
        "cache_gb": 2_000_000 / GIB,
        "cache_dir": str(tmp_path / "cache") if folder else None,
    }
    kept, plain = (BraTS(root=root, folds=2, num_workers=0, **o) for o in (options, {}))
    for data in (kept, plain):
        data.setup("validate")
    wanted = plain.val_dataset[0]
    for _ in range(2):
        found = kept.val_dataset[0]
        for name in ("volume", "mask", "affine"):
            np.testing.assert_array_equal(found[name], wanted[name])
    values, _ = tumour(9)
    path = Path(wanted["path"])
    write_nifti(path, values[0])
    assert not np.array_equal(kept.val_dataset[0]["volume"], wanted["volume"])
    np.testing.assert_array_equal(kept.val_dataset[0]["volume"], plain.val_dataset[0]["volume"])
