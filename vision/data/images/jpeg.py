"""Fast decoding of common JPEG files, to the same pixels as the general reader.

It handles complete files with 8 bits, three channels and Huffman coding: nearly all photographs.
Everything else, and all damaged files, are left to the general reader (`vision.data.images.read`),
which knows every format and names the damage.
"""

import io
import math
import re
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import ExifTags, Image

from vision.ops.image_limits import max_pixels
from vision.ops.png import ENDLESS

# Markers (ITU-T T.81, table B.1).
_START, _END = b"\xff\xd8", b"\xff\xd9"
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_FRAMES = (_BASELINE, _EXTENDED, _PROGRESSIVE)
_ALL_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # arithmetic coding and others too
_SCAN = 0xDA
_METADATA = 0xE1  # EXIF and XMP, either of which may turn the image
# Segments between the start and the first scan of a common file.
_SEGMENTS = {*_ALL_FRAMES, _SCAN, 0xC4, 0xCC, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE}
# The orientation's tag in either byte order of EXIF, or its name in XMP: without any of them the
# image is upright. Asking Pillow would take a tenth of the time of decoding.
_TURNED = (b"\x01\x12", b"\x12\x01", b"Orientation")
_BLOCK = 8  # side of a block of pixels

REDUCTIONS = (8, 4, 2)

# Maximum number of scans over all pixels; encoders make ten, and each takes time.
MAX_SCANS = 100
# Bytes between the last pixels and the end that count as padding if all are the same.
MAX_PADDING = 64
_WORD = 2  # any bytes that may be left over
_TAKEN_AHEAD = 8  # bytes that the decoder reads beyond the last pixel
# Beginnings of libjpeg's warnings about damaged data; others are about the header.
_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG file")
_LEFT_OVER = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0x(\w+)")

# Errors that decoders raise for broken files.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Jpeg:
    """A file that can be decoded here.

    Attributes:
        data: The whole file.
        stored_height: Rows as stored, before the image is turned upright.
        stored_width: Columns as stored.
        orientation: How the image is stored, 1 to 8 (EXIF 2.32, tag 0x0112).
        height_at: Offset of the number of rows in the file.
        unit_rows: Rows that are coded together; 0 if rows are not coded in order.
    """

    data: bytes
    stored_height: int
    stored_width: int
    orientation: int
    height_at: int
    unit_rows: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright image."""
        size = (self.stored_height, self.stored_width)
        return size if self.orientation < 5 else size[::-1]

    def decode(
        self, *, bottom: int | None = None, reduction: int = 1, strict: bool = False
    ) -> np.ndarray | None:
        """Decode the upright image, or only its upper part.

        Args:
            bottom: Rows that are needed, from the top, in pixels of the whole image; None for all.
            reduction: 1, or one of `REDUCTIONS`: makes an image of 1/2, 1/4 or 1/8 of the size.
            strict: As in `jpeg_fault`.

        Returns:
            uint8 `(H, W, 3)` RGB, which may have more rows than needed; None if the file cannot be
            decoded, or the decoded rows are damaged.
        """
        data, rows = self._cut(bottom)
        shape = (math.ceil(rows / reduction), math.ceil(self.stored_width / reduction), 3)
        # The decoder fills this even when it raises an error for a warning.
        pixels = np.empty(shape, dtype=np.uint8)
        try:
            found = simplejpeg.decode_jpeg(
                data, min_height=shape[0], min_width=shape[1], buffer=pixels, strict=True
            )
        except ValueError as error:
            # The data after the needed rows are left over on purpose.
            is_cut = rows < self.stored_height and bool(_LEFT_OVER.match(str(error)))
            if not is_cut and (strict or not _is_padding(str(error), data)):
                return None
        else:
            if found.shape != shape:
                return None
        return _upright(pixels, self.orientation)

    def _cut(self, bottom: int | None) -> tuple[bytes | bytearray, int]:
        """The file cut to the needed rows: the decoder stops after the last one."""
        rows = self.stored_height
        if bottom is None or not self.unit_rows or self.orientation != 1:
            return self.data, rows
        # Two rows more, because chroma is interpolated between neighbouring ones.
        rows = min(rows, math.ceil((bottom + 2) / self.unit_rows) * self.unit_rows)
        if rows == self.stored_height:
            return self.data, rows
        cut = bytearray(self.data)
        struct.pack_into(">H", cut, self.height_at, rows)
        return cut, rows


class _Header(NamedTuple):
    """The header of a file, before the compressed data.

    Attributes:
        frame: Marker of the frame, which names the kind of compression; 0 if there is none.
        height_at: Offset of the frame's height.
        metadata: Whether there are EXIF or XMP data.
        channels: Channels of the first scan.
        begin: Offset of the first scan.
    """

    frame: int
    height_at: int
    metadata: bool
    channels: int
    begin: int


def read_jpeg(data: bytes) -> Jpeg | None:
    """Read the header of a JPEG file; None if the file is left to the general reader."""
    header = _read_header(data)
    if header is None or header.frame not in _FRAMES or _is_endless(data, header):
        return None
    try:
        return _read_frame(data, header)
    except (IndexError, struct.error):
        return None


def is_truncated(data: bytes) -> bool:
    """Whether a JPEG file lacks its end marker, which decoders may ignore."""
    header = _read_header(data)
    return header is not None and _is_endless(data, header)


def jpeg_fault(data: bytes, *, strict: bool = False) -> str | None:
    """Damage in the pixels of a JPEG file of any kind, from the decoder's warnings.

    A decoder fills damaged regions with grey or shifted blocks and continues.

    Args:
        data: The whole file.
        strict: Whether padding before the end, which some cameras write, counts as well.

    Returns:
        The fault in a few words; None if the decoder does not warn or cannot decode the file, or if
        it is not a JPEG.
    """
    header = _read_header(data)
    if header is None or not header.frame:
        return None
    if is_truncated(data):
        return ENDLESS
    if (scans := _scans(data, header)) > MAX_SCANS:
        return f"its pixels come in {scans:,} scans, more than {MAX_SCANS}"
    is_cmyk = data[header.height_at + 4] == 4
    try:
        simplejpeg.decode_jpeg(data, colorspace="CMYK" if is_cmyk else "GRAY", strict=True)
    except (ValueError, KeyError) as error:  # a KeyError for colours that it does not know
        text = str(error)
        if text.startswith(_DAMAGE) and (strict or not _is_padding(text, data)):
            return text
    return None


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Stored height and width in the header of a JPEG file; None if it is not a JPEG."""
    header = _read_header(data)
    if header is None or not header.frame:
        return None
    height, width = struct.unpack_from(">HH", data, header.height_at)
    return height, width


def _scans(data: bytes, header: _Header) -> int:
    # Within compressed data such a byte would be followed by zero.
    return data.count(bytes((0xFF, _SCAN)), header.begin)


def _is_padding(warning: str, data: bytes | bytearray) -> bool:
    """Whether a warning is about padding between the last pixels and the end.

    Damaged data also leave bytes over, if the decoder reaches the last pixel too early.
    """
    found, header = _LEFT_OVER.match(warning), _read_header(data)
    if found is None or found[2] != "d9" or header is None:
        return False
    count, end = int(found[1]), data.find(_END, header.begin)
    # A longer run of one byte replaces pixels; the decoder has read a part of it.
    run = end - len(data[:end].rstrip(data[end - 1 : end]))
    return count <= _WORD or (count <= MAX_PADDING and count <= run <= count + _TAKEN_AHEAD)


def _is_endless(data: bytes, header: _Header) -> bool:
    # An end marker before the scan belongs to a thumbnail.
    return data.rfind(_END, header.begin) < 0


def _read_header(data: bytes | bytearray) -> _Header | None:
    if not data.startswith(_START):
        return None
    frame = at = 0
    metadata = False
    begin = len(_START)
    try:
        while True:
            escape, marker, length = struct.unpack_from(">BBH", data, begin)
            if escape != 0xFF or marker not in _SEGMENTS:
                return None
            if marker == _SCAN:
                return _Header(frame, at, metadata, data[begin + 4], begin)
            if marker in _ALL_FRAMES:
                frame, at = marker, begin + 5
            metadata |= marker == _METADATA
            begin += 2 + length
    except (IndexError, struct.error):
        return None


def _read_frame(data: bytes, header: _Header) -> Jpeg | None:
    at = header.height_at
    precision, height, width, count = struct.unpack_from(">BHHB", data, at - 1)
    if precision != 8 or count != 3 or not 0 < height * width <= max_pixels():
        return None
    # A channel's entry is its name, the sampling factors (4 bits each, vertical last), its table.
    samplings = [data[at + 6 + 3 * channel] & 15 for channel in range(count)]
    in_order = header.frame != _PROGRESSIVE and header.channels == count
    if not in_order and _scans(data, header) > MAX_SCANS:
        return None
    unit_rows = _BLOCK * max(samplings) if in_order else 0
    turned = header.metadata and any(mark in data[: header.begin] for mark in _TURNED)
    orientation = _read_orientation(data) if turned else 1
    if orientation is None:
        return None
    return Jpeg(data, height, width, orientation, at, unit_rows)


def _read_orientation(data: bytes) -> int | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except BROKEN:
        return None
    return orientation if orientation in range(1, 9) else 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a stored image `(H, W, 3)` upright."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
