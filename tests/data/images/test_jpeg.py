from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from helpers.pictures import jpeg, texture
from PIL import ExifTags, Image, ImageOps

from vision.data.images.jpeg import REDUCTIONS, Jpeg, jpeg_fault, jpeg_size, read_jpeg


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB"))


def taken(data: bytes) -> Jpeg:
    result = read_jpeg(data)
    assert result is not None
    return result


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("shape", [(75, 101), (8, 8), (1, 1), (64, 33)])
def test_pixels_are_those_of_pillow(
    shape: tuple[int, int], options: dict, subsampling: str
) -> None:
    data = jpeg(texture(*shape), subsampling=subsampling, **options)
    file = taken(data)
    assert file.size == shape
    np.testing.assert_array_equal(file.decode(), pillow(data))


def test_a_file_in_rgb_is_decoded_as_such() -> None:
    data = jpeg(texture(40, 50), keep_rgb=True)
    np.testing.assert_array_equal(taken(data).decode(), pillow(data))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
def test_the_upper_part_is_that_of_the_whole(subsampling: str, options: dict) -> None:
    data = jpeg(texture(90, 60), subsampling=subsampling, **options)
    whole = pillow(data)
    for bottom in range(1, 91):
        part = taken(data).decode(bottom=bottom)
        assert len(part) >= bottom
        np.testing.assert_array_equal(part[:bottom], whole[:bottom])
        if not options.get("progressive"):
            assert len(part) <= bottom + 2 + 15


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(160, 240), (101, 77)])
def test_a_reduced_image_is_the_average_of_blocks(shape: tuple[int, int], reduction: int) -> None:
    data = jpeg(texture(*shape))
    reduced = taken(data).decode(reduction=reduction)
    height, width = (side // reduction for side in shape)
    assert reduced.shape == (-(-shape[0] // reduction), -(-shape[1] // reduction), 3)
    whole = pillow(data)[: height * reduction, : width * reduction].astype(float)
    blocks = whole.reshape(height, reduction, width, reduction, 3).mean(axis=(1, 3))
    # Scaled decoding leaves out high frequencies, which is near to an average.
    assert np.abs(reduced[:height, :width] - blocks).mean() < 2.5
    upper = taken(data).decode(bottom=shape[0] // 2, reduction=reduction)
    kept = shape[0] // 2 // reduction
    np.testing.assert_array_equal(upper[:kept], reduced[:kept])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_stored_orientation_is_applied(orientation: int) -> None:
    data = jpeg(texture(48, 80), exif=with_orientation(orientation))
    file = taken(data)
    expected = pillow(data)
    assert file.size == expected.shape[:2]
    np.testing.assert_array_equal(file.decode(), expected)
    # Rows of the upright image are then columns of the file: nothing can be cut off.
    np.testing.assert_array_equal(file.decode(bottom=5)[:5], expected[:5])


def test_metadata_without_an_orientation_leave_the_image_as_it_is() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "maker"
    data = jpeg(texture(48, 80), exif=exif)
    np.testing.assert_array_equal(taken(data).decode(), pillow(data))


def test_an_orientation_in_xmp_counts_as_it_does_for_pillow() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"></x:xmpmeta>'
    data = jpeg(texture(48, 80), xmp=xmp)
    assert taken(data).size == (80, 48)
    np.testing.assert_array_equal(taken(data).decode(), pillow(data))


def left_to_the_general_reader() -> dict[str, bytes]:
    pixels = texture(40, 50)
    whole = jpeg(pixels)
    buffer = BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(buffer, format="JPEG")
    cut = {f"cut at {where}": whole[:where] for where in (1, 3, 30, 300, 700, len(whole) - 1)}
    return {
        **cut,
        "nothing": b"",
        "no picture": b"\xff\xd8\xff\xd9",
        "grey": jpeg(pixels[..., 0]),
        "four channels": buffer.getvalue(),
        "no height": taken(whole).data[: taken(whole).height_at]
        + bytes(2)
        + whole[taken(whole).height_at + 2 :],
    }


@pytest.mark.parametrize(("name", "data"), left_to_the_general_reader().items())
def test_anything_else_is_left_to_the_general_reader(name: str, data: bytes) -> None:
    assert read_jpeg(data) is None


def test_a_thumbnail_does_not_stand_for_the_end_of_its_file() -> None:
    exif = b"Exif\0\0" + b"thumbnail" + jpeg(texture(8, 8))
    data = jpeg(texture(40, 50), exif=exif)
    assert data.index(b"\xff\xd9") < len(data) // 2
    assert read_jpeg(data[:-2]) is None


def test_what_the_decoder_refuses_is_no_image() -> None:
    data = bytearray(jpeg(texture(40, 50)))
    table = data.index(b"\xff\xc4")
    data[table + 5 : table + 21] = bytes([255] * 16)  # more codes than there can be
    file = read_jpeg(bytes(data))
    assert file is None or file.decode() is None


def test_an_image_that_pillow_would_refuse_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg(texture(40, 50))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1999)
    assert read_jpeg(data) is None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read_jpeg(data) is not None


def with_height(data: bytes, rows: int) -> bytes:
    at = taken(data).height_at
    return data[:at] + rows.to_bytes(2, "big") + data[at + 2 :]


PHOTO = jpeg(texture(96, 120))
KINDS = {
    "baseline": PHOTO,
    "progressive": jpeg(texture(96, 120), progressive=True),
    "restarts": jpeg(texture(96, 120), restart_marker_rows=1),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda data: data[: len(data) // 2] + b"\xff\xd9", "premature end of data segment"),
        (lambda data: data[: len(data) // 2], "its end is missing"),
        (lambda data: data[:-2], "its end is missing"),
        (lambda data: with_height(data, 144), "Corrupt JPEG data"),
        (lambda data: with_height(data, 48), "extraneous bytes before marker"),
        (lambda data: data[:-900] + bytes(898) + data[-2:], "Corrupt JPEG data"),
    ],
    ids=["cut, with an end", "cut", "no end", "too high", "too low", "zeros"],
)
def test_damaged_pixels_are_told(kind: str, damage: Callable[[bytes], bytes], fault: str) -> None:
    data = damage(KINDS[kind])
    file = read_jpeg(data)
    assert file is None or file.decode() is None
    found = jpeg_fault(data)
    assert found is not None
    assert fault in found or kind == "progressive"


def test_grey_and_four_channels_are_told_too() -> None:
    for mode in ("L", "CMYK"):
        buffer = BytesIO()
        Image.fromarray(texture(96, 120)).convert(mode).save(buffer, format="JPEG")
        data = buffer.getvalue()
        assert jpeg_fault(data, strict=True) is None
        assert jpeg_fault(data[: len(data) // 2] + data[-2:]) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_odd_files_are_read(kind: str) -> None:
    data = KINDS[kind]
    for odd in (
        data + b"a note of the camera",
        data + data,
        data[:-2] + b"\xff\xff\xff" + data[-2:],
    ):
        np.testing.assert_array_equal(taken(odd).decode(strict=True), pillow(data))
        assert jpeg_fault(odd, strict=True) is None


def test_padding_before_the_end_is_told_to_a_check_alone() -> None:
    for padding, is_padding in ((bytes(40), True), (bytes(200), False), (b"words " * 9, False)):
        data = PHOTO[:-2] + padding + PHOTO[-2:]
        assert (taken(data).decode() is not None) == is_padding
        assert (jpeg_fault(data) is None) == is_padding
        assert taken(data).decode(strict=True) is None
        assert "extraneous bytes" in (jpeg_fault(data, strict=True) or "")


def test_damage_below_the_rows_that_are_wanted_does_not_matter() -> None:
    damaged = PHOTO[:-400] + PHOTO[-2:]
    assert taken(damaged).decode() is None
    np.testing.assert_array_equal(taken(damaged).decode(bottom=20)[:20], pillow(PHOTO)[:20])
    upper = PHOTO[: len(PHOTO) // 4] + PHOTO[-2:]
    assert taken(upper).decode(bottom=60) is None


def test_the_size_is_that_of_the_header() -> None:
    assert jpeg_size(PHOTO) == (96, 120)
    assert jpeg_size(KINDS["progressive"]) == (96, 120)
    assert jpeg_size(b"\xff\xd8\xff\xd9") is None
