"""Archives, arrays and pickles that would run code, leave their folder or fill the disk."""

import gzip
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adversarial.case import Case, check, table
from adversarial.written import BOMB, Reader, file
from scipy.io import savemat

from vision.data import CIFAR10
from vision.data.files.mapped_arrays import map_array, parse_array
from vision.data.formats.imagenet_archives import unpack_classes
from vision.data.formats.sbd import read_sbd_mask
from vision.data.shards.folders import check_folder, index_folder
from vision.errors import DataError


def member(name: str, **options: Any) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    for key, value in options.items():
        setattr(found, key, value)
    return found


def archive(name: str, *members: tuple[tarfile.TarInfo, bytes], says: tuple[str, ...]) -> Case:
    """An archive of ImageNet's classes with some members."""

    def attempt(folder: Path) -> Any:
        with tarfile.open(folder / "a.tar", "w") as tar:
            for info, content in members:
                info.size = info.size or len(content)
                tar.fileobj.write(info.tobuf() + content + bytes(-len(content) % 512))
        try:
            return unpack_classes(folder / "a.tar", folder / "inside" / "out")
        finally:
            written = [path for path in folder.rglob("*") if path.is_file()]
            assert written == [folder / "a.tar"], "something was unpacked"

    return Case(f"archive: {name}", attempt, says=("a.tar", *says))


def padded_gzip(folder: Path) -> Any:
    with gzip.open(folder / "a.tar", "wb", compresslevel=1) as file:
        for _ in range(80):
            file.write(bytes(2**20))
    return unpack_classes(folder / "a.tar", folder / "out")


def batch_of(content: object) -> Reader:
    def attempt(folder: Path) -> Any:
        (folder / "cifar-10-batches-py").mkdir()
        (folder / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps(content))
        return CIFAR10(root=folder).setup("fit")

    return attempt


class Call:
    """A pickle that runs a command where it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def array(header: str, values: bytes = b"") -> bytes:
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + values


def objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Call()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def matlab_bomb() -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, {"GTcls": np.zeros((9000, 9000), np.uint8)}, do_compression=True)
    return buffer.getvalue()


def shard_of(*members: tuple[tarfile.TarInfo, bytes]) -> Reader:
    def attempt(folder: Path) -> Any:
        with tarfile.open(folder / "a.tar", "w") as tar:
            for info, content in members:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        index_folder(str(folder))
        raise DataError(next(check_folder(str(folder))))

    return attempt


HUGE = 10**15
PAX = member("x", type=tarfile.XHDTYPE, size=HUGE)


@table(
    # Archives, arrays, pickles
    archive(
        "..", (member("../n01440764.tar"), b"x"), says=("'../n01440764.tar'", "leads elsewhere")
    ),
    archive("an absolute name", (member("/tmp/n01440764.tar"), b"x"), says=("leads elsewhere",)),
    archive(
        "a symbolic link",
        (member("n01440764.tar", type=tarfile.SYMTYPE, linkname="/etc"), b""),
        says=("a link",),
    ),
    archive(
        "a hard link",
        (member("n01440764.tar", type=tarfile.LNKTYPE, linkname="/etc/passwd"), b""),
        says=("a link",),
    ),
    archive("a device", (member("n01440764.tar", type=tarfile.CHRTYPE), b""), says=("a device",)),
    archive(
        "a pipe",
        (member("n01440764.tar", type=tarfile.FIFOTYPE), b""),
        says=("a device or special",),
    ),
    archive(
        "a member of 1e15 bytes",
        (member("n01440764.tar", size=HUGE), b""),
        says=("1,000,000,000,000,000 bytes",),
    ),
    archive("a comment of 1e15 bytes", (PAX, b""), says=("truncated or damaged",)),
    archive("cut", (member("n01440764.tar", size=2000), b"x"), says=("truncated or damaged",)),
    Case("archive: gigabytes after its end", padded_gzip, says=("a.tar", "follow its end mark")),
    Case("pickle: code", batch_of(Call()), says=("data_batch_1", "asks for 'posix.system'")),
    Case("pickle: no dict", batch_of([1]), says=("data_batch_1", "expected a dict")),
    Case("array: objects", file("a.npy", objects(), map_array), says=("a.npy",)),
    Case(
        "array: objects, read whole",
        file("a.npy", objects(), lambda path: parse_array(path.read_bytes(), "a.npy")),
        says=("a.npy", "can run code"),
    ),
    Case(
        "array: of 1e15 values",
        file(
            "a.npy",
            array("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}"),
            map_array,
        ),
        says=("a.npy",),
    ),
    Case(
        "array: of 1e15 values, read whole",
        file(
            "a.npy",
            array("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}"),
            lambda path: parse_array(path.read_bytes(), "a.npy"),
        ),
        says=("a.npy", "states 1,000,000,000,000,000 values"),
    ),
    Case(
        "array: a header of code",
        file("a.npy", array("__import__('os').system('touch executed')"), map_array),
        says=("a.npy",),
    ),
    Case(
        "MATLAB: 81 MB of 80 kB",
        file("a.mat", matlab_bomb(), read_sbd_mask),
        says=("a.mat", "when decompressed"),
    ),
    Case(
        "shard: a bomb",
        shard_of((member("1.png"), BOMB), (member("1.cls"), b"0")),
        gives=None,
        says=("13,000 x 13,000",),
    ),
)
def test_archives(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check(case, tmp_path, caplog)
    assert not (tmp_path / "executed").exists(), "code of the file ran"
