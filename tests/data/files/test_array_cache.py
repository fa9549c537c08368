import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.files.array_cache import CONTENTS, cached_arrays, default_cache_dir
from vision.data.files.mapped_arrays import is_mapped
from vision.errors import DataError

# Makes an array of a file, slowly, and notes in a log that it did.
PROCESS = """
import sys, time
from pathlib import Path
import numpy as np
from vision.data.files.array_cache import cached_arrays
from vision.data.files.mapped_arrays import is_mapped

path, folder, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]

def make(data):
    with log.open("a") as file:
        file.write("made\\n")
    time.sleep(float(seconds))
    return {"values": np.frombuffer(data, dtype=np.uint8), "none": np.zeros((0, 2))}

print("started", flush=True)
arrays = cached_arrays(path, make, version="a", folder=folder)
print(is_mapped(arrays["values"]), bytes(arrays["values"]).decode())
"""


class Maker:
    """Counts how often the arrays are made."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, data: bytes) -> dict[str, np.ndarray]:
        self.count += 1
        values = np.frombuffer(data, dtype=np.uint8)
        return {"values": values, "none": np.zeros((0, 4)), "flag": np.array(True)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.json"
    path.write_bytes(b"some text")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def read(path: Path, folder: Path) -> Callable[..., bytes]:
    def read(make: Maker, *, version: str = "a") -> bytes:
        arrays = cached_arrays(path, make, version=version, folder=folder)
        assert arrays["none"].shape == (0, 4)
        assert arrays["flag"]
        return bytes(arrays["values"])

    return read


def entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def test_arrays_are_made_once_and_mapped(read, path: Path, folder: Path) -> None:
    make = Maker()
    assert [read(make) for _ in range(3)] == [b"some text"] * 3
    assert make.count == 1
    arrays = cached_arrays(path, make, version="a", folder=folder)
    assert is_mapped(arrays["values"])
    assert len(entries(folder)) == 1


def test_the_key_is_the_content_and_not_the_name_or_the_time(read, path: Path) -> None:
    make = Maker()
    read(make)
    status = path.stat()
    path.write_bytes(b"same size")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(make) == b"same size"
    assert make.count == 2
    path.write_bytes(b"some text")
    assert read(make) == b"some text"
    assert make.count == 2


def test_another_version_is_made_anew(read) -> None:
    make = Maker()
    read(make)
    read(make, version="b")
    assert make.count == 2


def test_without_a_folder_nothing_is_kept(path: Path, tmp_path: Path) -> None:
    make = Maker()
    for _ in range(2):
        cached_arrays(path, make, version="a", folder=None)
    assert make.count == 2
    assert list(tmp_path.iterdir()) == [path]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def spoil(file: Path) -> None:
    file.write_bytes(b"?" * file.stat().st_size)


DAMAGES = {
    "an array is gone": lambda entry: (entry / "values.npy").unlink(),
    "an array is cut off": lambda entry: cut(entry / "values.npy"),
    "an array has another header": lambda entry: spoil(entry / "values.npy"),
    "the contents are gone": lambda entry: (entry / CONTENTS).unlink(),
    "the contents are cut off": lambda entry: cut(entry / CONTENTS),
    "the contents are no object": lambda entry: (entry / CONTENTS).write_text("[]"),
    "all is gone": lambda entry: [file.unlink() for file in entry.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_anew(
    damage: str, read, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make = Maker()
    read(make)
    (entry,) = entries(folder)
    DAMAGES[damage](entry)
    with caplog.at_level(logging.WARNING):
        assert read(make) == b"some text"
    assert caplog.text.count("are damaged") == 1
    assert [read(make), make.count] == [b"some text", 2]
    assert entries(folder) == [entry]


def test_two_processes_at_once_make_it_once(path: Path, folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", PROCESS, str(path), str(folder), str(log), "1"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert outputs == ["started\nTrue some text\n"] * 2
    assert log.read_text() == "made\n"
    assert len(entries(folder)) == 1


def test_a_killed_process_leaves_nothing_that_is_read(
    read, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stopped where it has written half an array, and killed there.
    stop = "def save(path, *args, **options):\n    path.write_bytes(b'half')\n"
    stop += "    print('half', flush=True)\n    time.sleep(60)\nnp.save = save\n"
    command = [sys.executable, "-c", PROCESS.replace("def make", stop + "def make")]
    command += [str(path), str(folder), str(folder.parent / "log"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "started\n"
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    (left,) = entries(folder)
    make = Maker()
    assert read(make) == b"some text"
    assert make.count == 1
    assert not left.exists()
    assert len(entries(folder)) == 1


def test_what_fails_while_writing_is_removed_and_the_run_goes_on(
    read, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    make = Maker()
    with caplog.at_level(logging.WARNING):
        assert read(make) == b"some text"
    assert make.count == 1
    assert "No space left" in caplog.text
    assert "--data.cache_dir" in caplog.text
    assert entries(folder) == []


def test_a_folder_that_cannot_be_made_is_gone_without(
    read, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("a file in its place")
    with caplog.at_level(logging.WARNING):
        assert read(Maker()) == b"some text"
    assert str(folder) in caplog.text


def test_an_absent_file_is_told(folder: Path, path: Path) -> None:
    with refuses(DataError, "no annotation file ", "Did you mean 'annotations.json'"):
        cached_arrays(path.with_name("annotation.json"), Maker(), version="a", folder=folder)


def test_errors_of_the_maker_pass_and_are_not_kept(path: Path, folder: Path) -> None:
    def fail(data: bytes) -> dict[str, np.ndarray]:
        raise DataError("no JSON")

    with pytest.raises(DataError, match="no JSON"):
        cached_arrays(path, fail, version="a", folder=folder)
    assert entries(folder) == []


def test_the_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "vision" / "annotations"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "vision" / "annotations"
