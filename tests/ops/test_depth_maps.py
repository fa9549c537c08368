"""Depth in files of every format, written by other programs or byte by byte."""

import struct
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from PIL import Image

from vision.errors import DataError, ImageError
from vision.ops.depth_maps import EXTENSIONS, read_depth

DEPTH = np.random.default_rng(0).uniform(0.5, 9, (5, 7)).astype(np.float32)


def write_pfm(path: Path, order: str = "<", kind: str = "Pf") -> None:
    sign = -1 if order == "<" else 1
    rows = DEPTH[::-1].astype(f"{order}f4").tobytes()
    path.write_bytes(f"{kind}\n7 5\n{sign}.0\n".encode() + rows)


def write(path: Path) -> None:
    if path.suffix == ".png":
        Image.fromarray((DEPTH * 1000).round().astype(np.uint16)).save(path)
    elif path.suffix == ".npy":
        np.save(path, DEPTH)
    elif path.suffix == ".npz":
        np.savez_compressed(path, depth=DEPTH, other=np.zeros(3))
    elif path.suffix == ".pfm":
        write_pfm(path)
    else:
        exr = pytest.importorskip("OpenEXR")
        header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
        exr.File(header, {"view.Z": DEPTH, "RGB": np.zeros((5, 7, 3), np.float32)}).write(str(path))


@pytest.mark.parametrize("suffix", EXTENSIONS)
def test_metres(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write(path)
    tolerance = 5.01e-4 if suffix == ".png" else 0
    np.testing.assert_allclose(read_depth(path, 1000), DEPTH, atol=tolerance)


def test_a_big_endian_map_and_the_only_array(tmp_path: Path) -> None:
    write_pfm(tmp_path / "a.pfm", ">")
    np.testing.assert_array_equal(read_depth(tmp_path / "a.pfm", None), DEPTH)
    np.savez(tmp_path / "a.npz", DEPTH)
    np.testing.assert_array_equal(read_depth(tmp_path / "a.npz", None), DEPTH)


def damage(path: Path, what: str) -> None:
    if what == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif what == "colours":
        write_pfm(path, kind="PF")
    elif what == "huge":
        path.write_bytes(b"Pf\n900000 900000\n-1.0\n" + struct.pack("<f", 1))
    elif what == "several":
        np.savez(path, left=DEPTH, right=DEPTH)
    elif what == "whole numbers":
        np.savez(path, depth=np.ones((2, 2), int))
    elif what == "three axes":
        np.savez(path, depth=np.ones((2, 2, 2)))


@pytest.mark.parametrize(
    ("suffix", "what", "parts"),
    [
        (".pfm", "cut", ("131 bytes", "5 x 7", "140 bytes")),
        (".pfm", "colours", ("colours", "'Pf'")),
        (".pfm", "huge", ("900,000 x 900,000",)),
        (".npz", "cut", ("not a whole .npz file", "savez")),
        (".npz", "several", ("'left', 'right'", "'depth'")),
        (".npz", "whole numbers", ("int64", "floats")),
        (".npz", "three axes", ("(2, 2, 2)", "(H, W)")),
        (".exr", "cut", ("not a whole EXR file",)),
    ],
)
def test_broken_files_are_named(
    suffix: str, what: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    write(path)
    damage(path, what)
    with refuses(DataError, f"a{suffix}'", *parts):
        read_depth(path, None)


def test_an_unknown_file_is_named(tmp_path: Path) -> None:
    with refuses(DataError, "a.tif'", ".pfm"):
        read_depth(tmp_path / "a.tif", None)


def test_an_exr_file_without_depth_or_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exr = pytest.importorskip("OpenEXR")
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    path = tmp_path / "a.exr"
    exr.File(header, {"a": DEPTH, "b": DEPTH}).write(str(path))
    with refuses(DataError, "channels a, b", "Z"):
        read_depth(path, None)
    exr.File(header, {"a": DEPTH}).write(str(path))
    np.testing.assert_array_equal(read_depth(path, None), DEPTH)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 34)
    with refuses(ImageError, "a.exr'", "5 x 7", "VISION_MAX_PIXELS"):
        read_depth(path, None)
