import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vision.data.images.bands import read_bands
from vision.data.images.read import EncodedImage, convert_image, decode_image
from vision.errors import ImageError


def tiff(
    bands: int,
    *,
    extra: tuple[int, ...] = (),
    photometric: int = 2,
    bits: int = 8,
    kind: int = 1,
    planar: int = 1,
) -> bytes:
    """An uncompressed TIFF file of 2 x 3 pixels, written by hand."""
    pixels = bytes(range(6 * bands * bits // 8))
    plane = len(pixels) // (bands if planar == 2 else 1)
    offsets = [8 + i * plane for i in range(len(pixels) // plane)]
    tags = [
        *((256, 4, (3,)), (257, 4, (2,)), (258, 3, (bits,) * bands), (259, 3, (1,))),
        *((262, 3, (photometric,)), (273, 4, offsets), (277, 3, (bands,)), (278, 4, (2,))),
        *((279, 4, [plane] * len(offsets)), (284, 3, (planar,))),
        *([(338, 3, extra)] if extra else []),
        (339, 3, (kind,) * bands),
    ]
    body, entries = pixels, b""
    for tag, of, values in tags:
        packed = struct.pack(f"<{len(values)}{'H' if of == 3 else 'I'}", *values)
        if len(packed) > 4:
            place = struct.pack("<I", 8 + len(body))
            body += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, of, len(values)) + place
    return (
        struct.pack("<4sI", b"II*\0", 8 + len(body))
        + body
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def decode(data: bytes) -> np.ndarray:
    return decode_image(EncodedImage(data, "a.tif")).permute(1, 2, 0).numpy()


def test_three_bands_and_alpha_are_read() -> None:
    expected = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    np.testing.assert_array_equal(decode(tiff(3)), expected)
    np.testing.assert_array_equal(
        decode(tiff(3, planar=2)), np.arange(18, dtype=np.uint8).reshape(3, 2, 3).transpose(1, 2, 0)
    )
    values = np.arange(24).reshape(2, 3, 4)
    colours, alpha = values[..., :3], values[..., 3:] / 255
    on_white = decode(tiff(4, extra=(2,))).astype(float)
    assert np.abs(on_white - (colours * alpha + 255 * (1 - alpha))).max() < 1


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"bands": 4}, "has 4 bands of 8-bit unsigned integers"),
        ({"bands": 4, "extra": (0,)}, "has 4 bands"),
        ({"bands": 4, "extra": (0,), "bits": 16}, "has 4 bands of 16-bit"),
        ({"bands": 5, "extra": (0, 0)}, "has 5 bands"),
        ({"bands": 5, "extra": (2, 0)}, "has 5 bands"),
        ({"bands": 6, "extra": (0, 0, 2)}, "has 6 bands"),
        ({"bands": 13, "extra": (0,) * 10, "bits": 16}, "has 13 bands"),
        ({"bands": 2, "photometric": 1, "extra": (0,)}, "after the first 1 are transparency"),
        ({"bands": 4, "photometric": 1, "extra": (0,) * 3}, "has 4 bands"),
        ({"bands": 4, "extra": (0,), "planar": 2}, "has 4 bands"),
        ({"bands": 3, "bits": 32, "kind": 3}, "has 3 bands of 32-bit floats, which are not read"),
        ({"bands": 8, "extra": (0,) * 5, "bits": 32, "kind": 3}, "has 8 bands of 32-bit floats"),
    ],
)
def test_other_bands_are_refused_by_their_number(options: dict, found: str) -> None:
    with pytest.raises(ImageError, match=rf"^image 'a\.tif' .*{found}"):
        decode(tiff(**options))


def test_an_image_of_pillow_is_refused_likewise() -> None:
    with Image.open(BytesIO(tiff(4))) as image, pytest.raises(ImageError, match="has 4 bands"):
        convert_image(image)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_jpeg_2000_says_what_is_alpha(mode: str) -> None:
    buffer = BytesIO()
    Image.new(mode, (40, 30), 90).save(buffer, "JPEG2000")
    bands = read_bands(buffer.getvalue())
    assert bands is not None
    assert (bands.number, bands.is_alpha) == (len(mode), mode.endswith("A"))
    assert decode(buffer.getvalue()).shape == (30, 40, 3)
    silent = buffer.getvalue().replace(b"cdef", b"free")
    if bands.is_alpha:
        with pytest.raises(ImageError, match=rf"has {len(mode)} bands"):
            decode(silent)


def test_a_codestream_says_nothing_of_alpha() -> None:
    buffer = BytesIO()
    Image.new("RGBA", (40, 30), 90).save(buffer, "JPEG2000", no_jp2=True)
    with pytest.raises(ImageError, match="has 4 bands"):
        decode(buffer.getvalue())


def test_other_and_damaged_files_say_nothing() -> None:
    assert read_bands(b"\x89PNG") is None
    data = tiff(4)
    for length in range(len(data)):
        read_bands(data[:length])
