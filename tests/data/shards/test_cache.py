import errno
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.refusals import refuses
from helpers.shards import Server, serve

from vision.data.shards import cache as shard_cache
from vision.data.shards import remote as shard_remote
from vision.data.shards.cache import ShardCache
from vision.errors import ConfigError, DataError, MissingPackageError

SIZE = 1000


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_remote, "WAITS", (0.01, 0.01, 0.01))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    for i in range(6):
        (folder / f"{i}.tar").write_bytes(bytes([i]) * SIZE)
    with serve(folder) as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> ShardCache:
    return ShardCache(tmp_path / "cache", limit=3 * SIZE)


def read(cache: ShardCache, server: Server, number: int, size: int = SIZE) -> bytes:
    with cache.open(f"{server.url}/{number}.tar", f"set/{number}.tar", size) as file:
        return file.read()


def held(cache: ShardCache) -> list[str]:
    return sorted(path.name for path in cache.folder.rglob("*") if path.suffix in (".tar", ".part"))


def test_a_file_is_fetched_once(cache: ShardCache, server: Server) -> None:
    for _ in range(3):
        assert read(cache, server, 1) == bytes([1]) * SIZE
    assert server.requests == {"1.tar": 1}


def test_what_fails_is_tried_again(cache: ShardCache, server: Server) -> None:
    server.faults["1.tar"] = [503, "cut", "short"]
    assert read(cache, server, 1) == bytes([1]) * SIZE
    assert server.requests["1.tar"] == 4
    assert held(cache) == ["1.tar"]


@pytest.mark.parametrize(
    ("fault", "reason"), [(500, "500"), ("cut", ""), ("short", "500 bytes arrived")]
)
def test_what_always_fails_is_named(
    cache: ShardCache, server: Server, fault: int | str, reason: str
) -> None:
    server.faults["1.tar"] = [fault] * 9
    with pytest.raises(DataError) as caught:
        read(cache, server, 1)
    assert f"'{server.url}/1.tar' cannot be read after 4 tries: " in str(caught.value)
    assert reason in str(caught.value)
    assert server.requests["1.tar"] == 4
    assert held(cache) == []


def test_another_length_than_the_index_says(cache: ShardCache, server: Server) -> None:
    with refuses(DataError, "1,000 bytes", "999"):
        read(cache, server, 1, size=999)


def test_an_absent_file_is_not_tried_again(cache: ShardCache, server: Server) -> None:
    with refuses(DataError, "http", "/77.tar"):
        read(cache, server, 77)
    assert server.requests["77.tar"] == 1


def test_a_damaged_copy_is_replaced(cache: ShardCache, server: Server) -> None:
    read(cache, server, 1)
    path = cache.folder / "set/1.tar"
    path.write_bytes(path.read_bytes()[:7])
    assert read(cache, server, 1) == bytes([1]) * SIZE


def test_the_least_used_go_first(cache: ShardCache, server: Server) -> None:
    for number in (0, 1, 2, 0, 3):
        read(cache, server, number)
        time.sleep(0.01)
    assert held(cache) == ["0.tar", "2.tar", "3.tar"]
    read(cache, server, 4)
    assert held(cache) == ["0.tar", "3.tar", "4.tar"]


def test_the_limit_is_for_all_that_is_in_the_folder(cache: ShardCache, server: Server) -> None:
    for number in range(3):
        with cache.open(f"{server.url}/{number}.tar", f"set{number}/x.tar", SIZE):
            pass
        time.sleep(0.01)
    read(cache, server, 3)
    assert held(cache) == ["3.tar", "x.tar", "x.tar"]
    assert not (cache.folder / "set0/x.tar").exists()


def hold_open(cache: ShardCache, url: str, ready: object, stop: object) -> None:
    with cache.open(url, "set/0.tar", SIZE) as file:
        ready.set()
        stop.wait(30)
        assert file.read() == bytes(SIZE)


def test_what_any_process_has_open_stays(
    cache: ShardCache, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    context = multiprocessing.get_context("fork")
    ready, stop = context.Event(), context.Event()
    other = context.Process(target=hold_open, args=(cache, f"{server.url}/0.tar", ready, stop))
    other.start()
    assert ready.wait(30)
    with cache.open(f"{server.url}/1.tar", "set/1.tar", SIZE) as mine:
        for number in (2, 3, 4):
            read(cache, server, number)
            time.sleep(0.01)
        assert held(cache) == ["0.tar", "1.tar", "4.tar"]
        with cache.open(f"{server.url}/4.tar", "set/4.tar", SIZE):
            assert not caplog.records
            read(cache, server, 5)  # nothing can be removed
            assert "every file is in use" in caplog.text
        assert mine.read() == bytes([1]) * SIZE
    stop.set()
    other.join()
    assert other.exitcode == 0
    read(cache, server, 2)
    assert held(cache) == ["2.tar", "4.tar", "5.tar"]


def test_leftovers_of_a_dead_process_are_removed(cache: ShardCache, server: Server) -> None:
    read(cache, server, 0)
    stale = cache.folder / f"set/9.tar.{2 * SIZE}.part"
    stale.write_bytes(b"begun")
    os.utime(stale, (1, 1))
    read(cache, server, 1)
    assert held(cache) == ["0.tar", "1.tar"]


def fetch_all(cache: ShardCache, url: str, results: object) -> None:
    contents = []
    for number in range(4):
        with cache.open(f"{url}/{number}.tar", f"set/{number}.tar", SIZE) as file:
            contents.append(file.read() == bytes([number]) * SIZE)
    results.put(contents)


@pytest.mark.parametrize("limit", [4, 2])
def test_processes_fetch_together(tmp_path: Path, server: Server, limit: int) -> None:
    cache = ShardCache(tmp_path / "cache", limit=limit * SIZE)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    arguments = (cache, server.url, results)
    processes = [context.Process(target=fetch_all, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [[True] * 4] * 4
    for process in processes:
        process.join()
    if limit == 4:
        assert set(server.requests.values()) == {1}
    # What was open when room was made stays until the next file is fetched.
    read(cache, server, 5)
    assert len(held(cache)) <= limit


def test_threads_fetch_together(cache: ShardCache, server: Server) -> None:
    threads = [threading.Thread(target=read, args=(cache, server, 1)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == {"1.tar": 1}


def test_an_interrupted_fetch_leaves_nothing(
    cache: ShardCache, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shard_cache, "download", interrupted)
        with pytest.raises(KeyboardInterrupt):
            read(cache, server, 1)
    assert held(cache) == []
    assert read(cache, server, 1) == bytes([1]) * SIZE


def test_a_full_disk_is_named(
    cache: ShardCache, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(url: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shard_remote, "open_system", full)
    with refuses(DataError, "disk", "--data.cache_bytes"):
        read(cache, server, 1)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").touch()
    cache = ShardCache(tmp_path / "file", limit=SIZE)
    with refuses(DataError, "stored", "cache", "file"):
        read(cache, server, 1)


def test_unknown_kinds_of_storage(cache: ShardCache, monkeypatch: pytest.MonkeyPatch) -> None:
    with refuses(ConfigError, "'s4://'", "fsspec"):
        cache.open("s4://bucket/0.tar", "0.tar", SIZE)

    import fsspec

    def absent(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with refuses(MissingPackageError, "'s3://'", "s3fs"):
        cache.open("s3://bucket/0.tar", "0.tar", SIZE)


def test_secrets_in_urls_are_not_printed() -> None:
    url = "https://user:word@host.org/folder/0.tar?signature=abc"
    assert shard_remote.public(url) == "https://host.org/folder/0.tar"
    assert shard_remote.public("data/a?b") == "data/a?b"


def test_roots() -> None:
    as_folder, is_remote = shard_remote.as_folder, shard_remote.is_remote
    assert as_folder("s3://bucket/x/") == "s3://bucket/x"
    assert as_folder(Path("data/x")) == as_folder("data/x/") == "data/x"
    assert as_folder("file:///data/x") == "/data/x"
    assert as_folder("~/x") == str(Path.home() / "x")
    assert is_remote("memory://x")
    assert not is_remote("file:///x")
    assert not is_remote("data/x")
