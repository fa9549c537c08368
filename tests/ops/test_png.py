import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from vision.ops.png import png_fault, png_size, png_size_fault, short_png_fault


def png(mode: str = "RGB", size: tuple[int, int] = (23, 17), **options: object) -> bytes:
    """A PNG file of noise, with a comment."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    if mode == "1":
        image = Image.fromarray(values[..., 0]).convert("1")
    else:
        image = Image.frombytes(mode, size, values.tobytes())
    comment = PngImagePlugin.PngInfo()
    comment.add_text("Comment", "words")
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=comment, **options)
    return buffer.getvalue()


def with_header(data: bytes, width: int, height: int) -> bytes:
    """The file with another size in its header, and the right checksum for it."""
    content = struct.pack(">II", width, height) + data[24:29]
    return data[:16] + content + struct.pack(">I", zlib.crc32(b"IHDR" + content)) + data[33:]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (23, 17), (7, 3)])
def test_whole_files_have_no_fault(mode: str, size: tuple[int, int]) -> None:
    data = png(mode, size)
    assert png_size(data) == size[::-1]
    assert png_fault(data, strict=True) is png_size_fault(data) is None
    assert png_fault(data + b"something after the end", strict=True) is None


@pytest.mark.parametrize("size", [(1, 1), (5, 1), (1, 5), (23, 17), (8, 8)])
def test_an_interlaced_file_has_as_many_pixels(size: tuple[int, int]) -> None:
    # Written by hand, as Pillow does not: rows of zeros of each pass.
    rows = b""
    for top, left, down, right in [
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)),
        (1, 0, 2, 1),
    ]:
        columns = len(range(left, size[0], right))
        rows += bytes(1 + columns) * len(range(top, size[1], down)) if columns else b""
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    assert np.asarray(Image.open(BytesIO(data))).shape == size[::-1]
    assert png_fault(data, strict=True) is png_size_fault(data) is None


def test_a_file_that_is_cut_anywhere_lacks_its_end() -> None:
    data = png()
    for length in range(8, len(data)):
        assert png_fault(data[:length]) == "its end is missing"


def test_any_changed_byte_of_a_critical_chunk_is_told() -> None:
    data = png()
    for at in range(12, len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        comment = data.index(b"tEXt")
        assert png_fault(changed, strict=True) is not None
        if comment + 4 <= at < comment + 17:
            assert png_fault(changed) is None


def test_another_size_than_that_of_the_pixels_is_told() -> None:
    data = png(size=(23, 17))
    assert png_size_fault(with_header(data, 23, 17)) is None
    assert png_size_fault(with_header(data, 23, 10)) == "it has more pixels than its header states"
    assert png_size_fault(with_header(data, 23, 18)) == "it has fewer pixels than its header states"


def test_absent_rows_are_looked_for_where_the_last_is_blank() -> None:
    fewer = with_header(png(size=(23, 17)), 23, 18)
    assert short_png_fault(fewer, ends_blank=True) == "it has fewer pixels than its header states"
    assert short_png_fault(fewer, ends_blank=False) is None
    assert short_png_fault(png(), ends_blank=True) is None


def test_other_files_are_none() -> None:
    assert png_fault(b"\xff\xd8\xff", strict=True) is png_size_fault(b"\xff\xd8\xff") is None
    assert png_size(b"\xff\xd8\xff") is None
    assert png_size(b"\x89PNG\r\n\x1a\n") is None
