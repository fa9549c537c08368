import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.errors import DataError, ImageError, WeightsError
from vision.reading import open_file, read_file, require_file, shown_path, user_path


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**13)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, r"there is no image '.*thing' \(looked at '/"),
    "folder": (Path.mkdir, "image '.*thing' is a folder, expected a regular file"),
    "pipe": (_pipe, "is a named pipe, expected a regular file"),
    "socket": (_socket, "is a socket, expected a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, expected a regular file"),
    "sparse": (_sparse, "has 10,000,000,000,000 bytes or more; at most 1,000 are read"),
    "circle": (lambda path: path.symlink_to("thing"), "cannot be read: Too many levels of"),
    "dangling": (lambda path: path.symlink_to("gone"), "is a link to 'gone', which does not exist"),
    "endless": (lambda path: path.symlink_to("/proc/self/pagemap"), "has 1,001 bytes or more"),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_refused_by_what_it_is(kind: str, tmp_path: Path) -> None:
    make, message = NO_FILES[kind]
    make(tmp_path / "thing")
    with pytest.raises(ImageError, match=message):
        read_file(tmp_path / "thing", max_bytes=1000, what="image", error=ImageError)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a\0b", r"'a\\x00b' cannot be read: embedded null byte"),
        ("\ud800", "cannot be read: .* surrogates not allowed"),
        ("x" * 5000, r"'x{150}\.\.\.x{150}' cannot be read: File name too long"),
        ("", "there is no file ''"),
    ],
)
def test_a_path_that_no_file_has_is_told(path: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_file(path, max_bytes=1000)


def test_a_file_is_read_whole_up_to_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    assert read_file(path, max_bytes=1000) == b"x" * 1000
    with refuses(DataError, "1,000 bytes", "999"):
        read_file(path, max_bytes=999)
    path.write_bytes(b"")
    assert read_file(path, max_bytes=1000) == b""


def test_a_file_of_holes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"[" * 5000)
    os.truncate(path, 2**33)
    with refuses(DataError, "8,589,934,592 bytes", "is sparse"):
        read_file(path, max_bytes=2**34)
    path.unlink()
    path.touch()
    os.truncate(path, 2**29)
    with pytest.raises(DataError, match="is sparse"):
        read_file(path, max_bytes=2**34)
    os.truncate(path, 2**20)
    assert not any(read_file(path, max_bytes=2**34))


def test_a_file_that_states_no_size_is_read() -> None:
    assert b"Pid:" in read_file("/proc/self/status", max_bytes=2**20)


def test_what_would_be_waited_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As /proc/kmsg: a regular file of no size, of which nothing is there yet."""
    reads, writes = os.pipe2(os.O_NONBLOCK)
    monkeypatch.setattr("vision.reading.open_file", lambda *_, **__: os.fdopen(reads, "rb"))
    with refuses(DataError, "'log'", "contents"):
        read_file("log", max_bytes=1000)
    os.close(writes)


def test_a_file_that_is_cut_or_grows_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    size = os.fstat

    def change_after(change: Callable[[], object]) -> None:
        calls: list[int] = []

        def fstat(descriptor: int) -> os.stat_result:
            found = size(descriptor)
            calls.append(descriptor)
            if len(calls) == 2:  # the second asks how much there is to read
                change()
            return found

        monkeypatch.setattr(os, "fstat", fstat)

    change_after(lambda: os.truncate(path, 4))
    with refuses(DataError, "4", "10 bytes"):
        read_file(path, max_bytes=1000)
    change_after(lambda: path.write_bytes(b"0123456789"))
    assert read_file(path, max_bytes=1000) == b"0123456789"
    change_after(lambda: path.write_bytes(b"x" * 2000))
    with refuses(DataError, "has 1,001 bytes or more"):
        read_file(path, max_bytes=1000)


def test_a_process_that_writes_to_a_pipe_is_not_disturbed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)
    with refuses(WeightsError, "named", "pipe"):
        require_file(tmp_path / "pipe", max_bytes=10, error=WeightsError)
    os.write(writer, b"all of it")
    os.close(writer)
    reader.join()
    assert read == [b"all of it"]


def test_a_refused_file_leaves_no_descriptor_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(DataError):
            open_file(path, max_bytes=1)
        require_file(path, max_bytes=10)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_misspelt_name_gets_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "instances_train.json").touch()
    (tmp_path / "instances_train.txt").touch()
    with refuses(DataError, "Did you mean 'instances_train.json'?"):
        read_file(tmp_path / "instance_train.json", max_bytes=10)


def test_a_path_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/absent/file") == tmp_path / "absent" / "file"
    (tmp_path / "loop").symlink_to("loop")
    for path in ("a\0b", "x" * 5000, tmp_path / "loop"):
        with refuses(ImageError, "root", "path"):
            user_path(path, what="root", error=ImageError)


def test_a_path_is_shown_on_one_line() -> None:
    assert shown_path("a b") == "'a b'"
    assert shown_path("a\nb") == r"'a\nb'"
    assert shown_path(os.fsdecode(b"\xff")) == r"'\udcff'"
