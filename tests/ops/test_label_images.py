import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.io import ImageReadMode, decode_png

from vision.errors import DataError, ImageError
from vision.ops.label_images import decode_labels, read_labels, write_labels

LABELS = np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)


def png(
    depth: int, kind: int, rows: list[bytes], width: int, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG file put together by hand (PNG specification, sections 5 and 9)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    body = b"".join(b"\0" + row for row in rows)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("depth", "row", "values"),
    [
        (1, b"\xb0", [1, 0, 1, 1]),
        (2, b"\x1b", [0, 1, 2, 3]),
        (4, b"\x1f\xa0", [1, 15, 10, 0]),
        (8, b"\x00\x01\xc8\xff", [0, 1, 200, 255]),
        (16, b"\x00\x01\x00\xff\x01\x00\xff\xff", [1, 255, 256, 65535]),
    ],
)
def test_grey_values_are_read_as_they_are_stored(depth: int, row: bytes, values: list[int]) -> None:
    labels = decode_labels(png(depth, 0, [row, row], 4), "m.png")
    assert labels.tolist() == [values, values]
    assert labels.dtype == (np.uint16 if depth == 16 else np.uint8)


@pytest.mark.parametrize(
    ("depth", "row", "values"),
    [(1, b"\xb0", [1, 0, 1, 1]), (2, b"\x1b", [0, 1, 2, 3]), (8, b"\0\2\1\3", [0, 2, 1, 3])],
)
def test_indices_of_a_palette_with_any_colours(depth: int, row: bytes, values: list[int]) -> None:
    # Two entries have one colour, and one of them is transparent: indices still differ.
    palette = (b"PLTE", bytes([9, 9, 9, 9, 9, 9, 1, 2, 3, 4, 5, 6][: 3 * 2 ** min(depth, 2)]))
    labels = decode_labels(png(depth, 3, [row], 4, palette, (b"tRNS", b"\0")), "m.png")
    assert labels.dtype == np.uint8
    assert labels.tolist() == [values]


def test_colours_agree_with_torchvision(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([colours, np.full((5, 7), 255, np.uint8)])).save(
        tmp_path / "rgba.png"
    )
    data = torch.frombuffer(bytearray((tmp_path / "rgb.png").read_bytes()), dtype=torch.uint8)
    theirs = decode_png(data, ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()
    for name in ("rgb.png", "rgba.png"):
        np.testing.assert_array_equal(read_labels(tmp_path / name), theirs)


@given(seed=st.integers(0, 999), entries=st.integers(0, 256), height=st.integers(1, 9))
@examples(30)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, seed: int, entries: int, height: int
) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 256, (height, 5), dtype=np.uint8)
    palette = generator.integers(0, 256, (entries, 3), dtype=np.uint8) if entries else None
    path = tmp_path_factory.mktemp("m") / "m.png"
    write_labels(path, labels, palette)
    np.testing.assert_array_equal(read_labels(path), labels)
    shown = np.asarray(Image.open(path).convert("RGB"))
    if palette is None:
        np.testing.assert_array_equal(shown, np.repeat(labels[..., None], 3, axis=2))
    else:
        whole = np.concatenate([palette, np.full((256 - entries, 3), 255, dtype=np.uint8)])
        np.testing.assert_array_equal(shown, whole[labels])
        # Read by torchvision, a palette's image is its colours as well.
        data = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
        np.testing.assert_array_equal(
            decode_png(data, ImageReadMode.RGB).permute(1, 2, 0).numpy(), whole[labels]
        )


def saved(image: Image.Image, name: str) -> bytes:
    file = io.BytesIO()
    image.save(file, name)
    return file.getvalue()


WHOLE = saved(Image.fromarray(LABELS), "PNG")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", ("'m.png'", "PNG")),
        (b"hello", ("'m.png'", "PNG")),
        (saved(Image.fromarray(LABELS), "JPEG"), ("PNG", "file", "JPEG", "change")),
        (WHOLE[: len(WHOLE) // 2], ("'m.png'", "download")),
        (WHOLE[:40] + b"\0\0\0\0" + WHOLE[44:], ("'m.png'", "read")),
        (
            png(8, 6, [bytes([1, 2, 3, 255, 4, 5, 6, 7])], 2),
            ("'m.png'", "7"),
        ),
        (png(16, 2, [bytes(6)], 1), ("'m.png'", "16 bits", "8")),
    ],
)
def test_what_holds_no_labels_is_named(data: bytes, message: tuple[str, ...]) -> None:
    with refuses(ImageError, *message):
        decode_labels(data, "m.png")


def test_opaque_grey_with_alpha() -> None:
    assert decode_labels(png(8, 4, [bytes([7, 255, 200, 255])], 2), "m.png").tolist() == [[7, 200]]


def test_an_absent_file_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with refuses(ImageError, "no mask", "a.png"):
        read_labels(tmp_path / "a.png")
    with refuses(ImageError, "mask", "folder", "regular"):
        read_labels(tmp_path)


def test_wrong_arrays_are_not_written(tmp_path: Path) -> None:
    with refuses(DataError, "labels for", "int64", "(2, 2)", "uint8"):
        write_labels(tmp_path / "a.png", np.zeros((2, 2), dtype=np.int64))
    with refuses(DataError, "palette", "uint8", "(257, 3)"):
        write_labels(tmp_path / "a.png", LABELS, np.zeros((257, 3), dtype=np.uint8))
    with refuses(DataError, "written", "file", "directory"):
        write_labels(tmp_path / "b" / "a.png", LABELS)
