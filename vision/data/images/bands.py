"""Number of bands of a TIFF or JPEG 2000 file, and whether one of them is alpha.

Satellite and microscope images have bands beyond red, green and blue. A fourth one is transparency
only if the file says so; near infrared, read as transparency, would whiten the image.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from PIL import TiffImagePlugin

from vision.data.images.jpeg import BROKEN

# TIFF 6.0, sections 8 and 18.
_TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA, _FORMAT = 258, 262, 277, 338, 339
# Bands of each interpretation of the pixels: grey, RGB, palette, mask, CMYK, YCbCr, Lab.
_TIFF_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3}
_ALPHA = (1, 2)  # premultiplied or not; 0 is a band without a stated meaning
_KINDS = {1: "unsigned integers", 2: "signed integers", 3: "floats"}
# JPEG 2000 (ITU-T T.800, annexes A and I).
_JP2_MARK = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM_MARK = b"\xff\x4f\xff\x51"
_JP2_COLOURS = {12: 4, 16: 3, 17: 1, 18: 3}  # CMYK, sRGB, grey, sYCC
_OPACITY = (1, 2)  # of channels; premultiplied is 2


class Bands(NamedTuple):
    """The bands that a file declares.

    Attributes:
        number: Number of bands.
        colours: Number of colour bands: 1 grey or palette, 3 RGB, 4 CMYK.
        is_alpha: Whether one is declared as transparency.
        bits: Maximum number of bits of a value.
        kind: Kind of the values, such as `"16-bit unsigned integers"`.
    """

    number: int
    colours: int
    is_alpha: bool
    bits: int
    kind: str

    @property
    def fault(self) -> str | None:
        """Why the image cannot be read as grey or RGB; None if it can."""
        beyond = self.number - self.colours
        if beyond <= 0 or (beyond == 1 and self.is_alpha):
            return None
        return (
            f"has {self.number} bands of {self.kind}, and does not say that the bands after the "
            f"first {self.colours} are transparency. Choose three bands and write them as RGB: "
            "gdal_translate -b 1 -b 2 -b 3 IN OUT"
        )


def read_bands(data: bytes) -> Bands | None:
    """Read the declared bands of a file's first image; None if it declares none."""
    try:
        if data[:4] in _TIFF_MARKS:
            return tiff_bands(_tiff_tags(data))
        if data.startswith(_JP2_MARK):
            return _jp2_bands(data)
        if data.startswith(_CODESTREAM_MARK):
            (count,) = struct.unpack_from(">H", data, 40)
            return Bands(count, min(count, 3 if count > 2 else 1), False, 8, "integers")
    except (*BROKEN, struct.error):
        pass
    return None


def tiff_bands(tags: Mapping[int, Any]) -> Bands:
    """The bands that the tags of a TIFF file, by number as from Pillow, declare."""
    count = int(tags.get(_SAMPLES, 1))
    extra = _numbers(tags.get(_EXTRA))
    bits = sorted({*_numbers(tags.get(_BITS, 1))})
    kind = _KINDS.get(next(iter(_numbers(tags.get(_FORMAT, 1))), 1), "values")
    return Bands(
        count,
        _TIFF_COLOURS.get(tags.get(_PHOTOMETRIC, 1), count),
        len(extra) == 1 and extra[0] in _ALPHA,
        bits[-1],
        f"{' or '.join(map(str, bits))}-bit {kind}",
    )


def _tiff_tags(data: bytes) -> Mapping[int, Any]:
    # The header of a BigTIFF is longer.
    directory = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if b"+" in data[:4] else 8])
    file = io.BytesIO(data)
    file.seek(directory.next)
    directory.load(file)
    return directory


def _numbers(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, tuple) else (value,)


def _jp2_bands(data: bytes) -> Bands | None:
    header = next((span for kind, *span in _boxes(data, 0, len(data)) if kind == b"jp2h"), None)
    if header is None:
        return None
    count, colours, is_alpha, bits = 1, None, False, 8
    for kind, begin, _ in _boxes(data, *header):
        if kind == b"ihdr":
            count, bits = struct.unpack_from(">8xHB", data, begin)
        elif kind == b"colr" and data[begin] == 1:
            colours = _JP2_COLOURS.get(struct.unpack_from(">3xI", data, begin)[0])
        elif kind == b"cdef":
            (number,) = struct.unpack_from(">H", data, begin)
            types = struct.unpack_from(">" + "2xH2x" * min(number, count), data, begin + 2)
            is_alpha = any(one in _OPACITY for one in types)
    default = 3 if count > 2 else 1
    bits = bits % 128 + 1
    return Bands(count, min(count, colours or default), is_alpha, bits, f"{bits}-bit integers")


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, beginning and end of the contents of each box."""
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        begin = at + 8
        if length == 1:  # the length follows, with 64 bits
            (length,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        at = at + length if length >= begin - at else end
        yield kind, begin, min(at, end)
