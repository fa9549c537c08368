from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vision.ops.npy_files import map_npy


def test_threads_may_read_headers_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(12.0).reshape(3, 4))
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(map_npy, [path] * 1000)]
    assert all(one.shape == (3, 4) for one in found)


def test_damaged_headers_and_those_of_more_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((1, 6)))
    data = path.read_bytes()
    for before, after in ((b"(1, 6), }" + b" " * 9, b"(9999999999, 6), }"), (b"shape'", b"shape(")):
        assert before in data
        path.write_bytes(data.replace(before, after))
        with pytest.raises((ValueError, OSError)):
            map_npy(path)
