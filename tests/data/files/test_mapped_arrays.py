import io
import math
import multiprocessing
import pickle
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from helpers.mapped_holder import Holder, total
from helpers.refusals import refuses

from vision.data.files.mapped_arrays import is_mapped, map_array, parse_array
from vision.errors import DataError


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "values.npy", np.arange(100_000, dtype=np.float64))
    return map_array(tmp_path / "values.npy")


def test_a_mapped_array_is_pickled_by_its_path(mapped: np.ndarray) -> None:
    data = pickle.dumps(Holder(mapped, "x"))
    assert len(data) < 1000
    loaded = pickle.loads(data)
    assert loaded.name == "x"
    assert is_mapped(loaded.values)
    np.testing.assert_array_equal(loaded.values, mapped)


PARTS = [lambda a: a[10:], lambda a: a[::-1], lambda a: a.reshape(10, -1), lambda a: a + 0.0]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_mapped_array_is_pickled_with_its_own_values(part, mapped: np.ndarray) -> None:
    own = part(mapped)
    assert not is_mapped(own)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(Holder(own, ""))).values, own)


def test_a_spawned_process_maps_the_file(mapped: np.ndarray) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(total, (Holder(mapped, ""),)) == (float(mapped.sum()), True)


def test_a_mapped_array_cannot_be_written_to(mapped: np.ndarray) -> None:
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_an_empty_array_is_mapped_too(tmp_path: Path) -> None:
    np.save(tmp_path / "empty.npy", np.zeros((0, 4), dtype=np.float32))
    assert map_array(tmp_path / "empty.npy").shape == (0, 4)


def test_a_file_that_is_gone_or_damaged_is_named(mapped: np.ndarray, tmp_path: Path) -> None:
    data = pickle.dumps(Holder(mapped, ""))
    path = tmp_path / "values.npy"
    path.write_bytes(path.read_bytes()[:500])
    with refuses(DataError, "values.npy", "read"):
        pickle.loads(data)
    path.unlink()
    with refuses(DataError, "prepared", "values.npy"):
        pickle.loads(data)


def test_objects_in_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"objects\.npy"):
        map_array(tmp_path / "objects.npy")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0, 3), (4, 5), (2, 3, 4)])
def test_an_array_that_was_read_whole(shape: tuple[int, ...], order: Literal["C", "F"]) -> None:
    values = np.asarray(np.arange(math.prod(shape), dtype="<i4").reshape(shape), order=order)
    buffer = io.BytesIO()
    np.save(buffer, values)
    parsed = parse_array(buffer.getvalue(), "a.npy")
    np.testing.assert_array_equal(parsed, values)
    assert not parsed.flags.writeable
    for data in (buffer.getvalue()[:-1] if values.size else b"", buffer.getvalue() + b"x"):
        with refuses(DataError, "a.npy", "numbers"):
            parse_array(data, "a.npy")
