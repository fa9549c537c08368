from io import BytesIO

import numpy as np
import pytest
from pictures import jpeg, texture
from PIL import ExifTags, Image, ImageOps

from vision.data.jpeg import REDUCTIONS, Jpeg, read_jpeg


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
