"""Whether a PNG file is whole: decoders ignore a missing end and wrong checksums."""

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The fault of a file that was cut.
ENDLESS = "its end is missing"
_ANCILLARY = 0x20  # a small first letter: a chunk that decoders may leave out
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type (PNG specification, section 11.2.1)
# First row and column, and distances, of the pixels of each pass (section 8.2).
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)),
    (1, 0, 2, 1),
)
_AT_ONCE = 1 << 20
_INTERLACED = 28  # where the header says it


def png_size(data: bytes) -> tuple[int, int] | None:
    """Height and width that the header of a PNG file states; None if it is none."""
    if not data.startswith(SIGNATURE) or len(data) < 24:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def png_fault(data: bytes, *, strict: bool = False) -> str | None:
    """What is wrong with the structure of a PNG file.

    Args:
        data: The whole file.
        strict: Whether to check also what does not change the pixels, such as comments.

    Returns:
        The fault in a few words; None if there is none, or it is no PNG file. What follows the end
        does not count.
    """
    if not data.startswith(SIGNATURE):
        return None
    try:
        for kind, content, checksum in _chunks(memoryview(data)):
            critical = not kind[0] & _ANCILLARY
            if (critical or strict) and zlib.crc32(content, zlib.crc32(kind)) != checksum:
                return f"the checksum of its chunk {kind.decode('latin-1')!r} is wrong"
            if kind == b"IEND":
                return None
    except struct.error:
        pass
    return ENDLESS


def short_png_fault(data: bytes, *, ends_blank: bool) -> str | None:
    """Whether rows are absent from a PNG file that was decoded: Pillow leaves them blank.

    Args:
        data: A file without a `png_fault`.
        ends_blank: Whether all values of the last row are 0; else nothing is decompressed again,
            unless the file is interlaced.

    Returns:
        As `png_size_fault`.
    """
    is_interlaced = len(data) > _INTERLACED and data[_INTERLACED] == 1
    return png_size_fault(data) if ends_blank or is_interlaced else None


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview, int]]:
    """Kind, content and checksum of each chunk; `struct.error` where the file ends too early."""
    at = len(SIGNATURE)
    while True:
        length, kind = struct.unpack_from(">I4s", view, at)
        (checksum,) = struct.unpack_from(">I", view, at + 8 + length)
        yield kind, view[at + 8 : at + 8 + length], checksum
        at += 12 + length


def png_texts(data: bytes) -> dict[str, str]:
    """The uncompressed texts before the pixels of a PNG file, by keyword.

    Args:
        data: The file, or its beginning. Texts whose checksum is wrong are left out.
    """
    texts: dict[str, str] = {}
    if not data.startswith(SIGNATURE):
        return texts
    try:
        for kind, content, checksum in _chunks(memoryview(data)):
            if kind == b"tEXt" and zlib.crc32(content, zlib.crc32(kind)) == checksum:
                keyword, _, text = bytes(content).decode("latin-1").partition("\0")
                texts[keyword] = text
            if kind == b"IDAT":
                break
    except struct.error:
        pass
    return texts


def png_size_fault(data: bytes) -> str | None:
    """Whether a whole PNG file has other pixels than its header states; they are decompressed.

    Args:
        data: A file without a `png_fault`.

    Returns:
        The fault in a few words; None if there is none, or it is no PNG file.
    """
    if not data.startswith(SIGNATURE):
        return None
    pixels = []
    for kind, content, _ in _chunks(memoryview(data)):
        if kind == b"IDAT":
            pixels.append(content)
        elif kind == b"IEND":
            break
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    expected = 0
    for top, left, down, right in _ADAM7 if interlaced else _WHOLE:
        rows, columns = -(-(height - top) // down), -(-(width - left) // right)
        if rows > 0 and columns > 0:
            expected += rows * (1 + -(-columns * depth * _CHANNELS.get(colour, 1) // 8))
    try:
        found = _decompressed(pixels, expected)
    except zlib.error as error:
        return f"its pixels are damaged ({error})"
    if found == expected:
        return None
    return f"it has {'more' if found > expected else 'fewer'} pixels than its header states"


def _decompressed(pixels: list[memoryview], expected: int) -> int:
    """Number of bytes of the decompressed pixels; counting stops at one more than expected."""
    stream, found = zlib.decompressobj(), 0
    for part in pixels:
        rest = bytes(part)
        while rest and found <= expected:
            found += len(stream.decompress(rest, _AT_ONCE))
            rest = stream.unconsumed_tail
    return found
