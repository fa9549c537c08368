import multiprocessing
import pickle
from pathlib import Path

import pytest
from helpers.refusals import refuses
from helpers.shards import picture, write_tar

from vision.data.shards.folders import index_folder
from vision.data.shards.index import read_index
from vision.data.shards.reader import ShardReader
from vision.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shard in range(3):
        members = []
        for i in range(4):
            members += [(f"{shard}-{i}.png", picture(10 * shard + i)), (f"{shard}-{i}.cls", b"0")]
        write_tar(tmp_path / f"{shard}.tar", members)
    index_folder(str(tmp_path))
    return tmp_path


@pytest.fixture
def reader(folder: Path) -> ShardReader:
    return ShardReader(str(folder), read_index(str(folder)), max_open=2)


def expected(sample: int) -> bytes:
    return picture(10 * (sample // 4) + sample % 4)


def test_samples_are_read_in_any_order(reader: ShardReader) -> None:
    for sample in (11, 0, 7, 3, 4, 8, 0, -1, 10):
        assert reader.read(sample).data == expected(sample % 12)
        assert len(reader._files) <= 2
    with pytest.raises(IndexError):
        reader.read(12)


def test_a_reader_is_pickled_without_its_files(reader: ShardReader) -> None:
    reader.read(0)
    copy = pickle.loads(pickle.dumps(reader))
    assert copy.read(5) == reader.read(5)


def read_many(reader: ShardReader, results: object) -> None:
    results.put(all(reader.read(i % 12).data == expected(i % 12) for i in range(500)))


def test_a_fork_does_not_share_positions(reader: ShardReader) -> None:
    for sample in (0, 5):
        reader.read(sample)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=read_many, args=(reader, results)) for _ in range(3)]
    for process in processes:
        process.start()
    assert all(reader.read(i % 8).data == expected(i % 8) for i in range(500))
    assert all(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()


def test_a_truncated_shard_is_named(folder: Path, reader: ShardReader) -> None:
    path = folder / "1.tar"
    offset = int(reader.index.places["offset"][5])
    path.write_bytes(path.read_bytes()[: offset + 10])
    assert reader.read(4).data == expected(4)
    with pytest.raises(DataError) as caught:
        reader.read(5)
    assert f"'{path}' is truncated: it ends at byte {offset + 10:,}" in str(caught.value)


def test_another_shard_is_noticed(folder: Path, reader: ShardReader) -> None:
    path = folder / "1.tar"
    write_tar(path, [("x.png", bytes(700)), ("y.png", bytes(9000))])
    with pytest.raises(DataError) as caught:
        reader.read(4)
    assert f"'{path}' is damaged, or not the one that the index describes" in str(caught.value)
    assert "a file of 700 bytes" in str(caught.value)
    path.write_bytes(b"x" * 20_000)
    with refuses(DataError, "0 there", "invalid"):
        ShardReader(str(folder), reader.index).read(4)


def test_an_absent_shard_is_named(folder: Path, reader: ShardReader) -> None:
    (folder / "2.tar").unlink()
    with refuses(DataError, "shard", "2.tar"):
        reader.read(9)
