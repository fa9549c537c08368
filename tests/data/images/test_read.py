import os
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import ExifTags, Image, ImageFile, ImageOps

from vision.data.images.read import FORMATS, read_image
from vision.errors import DataError

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7))
# The folder is shared by the examples of a test; each one overwrites its file.
SHARED = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}
EXIF_ORIENTATION = 0x0112


def pixels(*channels: int) -> st.SearchStrategy[np.ndarray]:
    return SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, (*shape, *channels)))


def read(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.dtype == torch.uint8
    assert image.ndim == 3
    assert image.shape[0] == 3
    return image.permute(1, 2, 0).numpy()


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, axis=2)


@given(values=pixels(3))
@examples(30, **SHARED)
@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm"])
def test_rgb_is_kept(tmp_path: Path, suffix: str, values: np.ndarray) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(read(path), values)


@given(values=pixels())
@examples(30, **SHARED)
def test_grey_is_repeated(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(read(path), grey(values))


@given(values=pixels())
@examples(30, **SHARED)
def test_one_bit_is_black_and_white(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "image.png"
    bits = values > 127
    Image.fromarray(bits).save(path)
    assert Image.open(path).mode == "1"
    np.testing.assert_array_equal(read(path), grey(255 * bits.astype(np.uint8)))


def on_white(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return values * share + 255 * (1 - share)


@given(values=pixels(4))
@examples(30, **SHARED)
def test_rgba_is_laid_on_white(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(values).save(path)
    expected = on_white(values[..., :3], values[..., 3])
    np.testing.assert_allclose(read(path), expected, atol=1)


@given(values=pixels(2))
@examples(30, **SHARED)
def test_grey_with_alpha_is_laid_on_white(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "image.png"
    image = Image.fromarray(values[..., 0])
    image.putalpha(Image.fromarray(values[..., 1]))
    image.save(path)
    assert Image.open(path).mode == "LA"
    np.testing.assert_allclose(read(path), on_white(grey(values[..., 0]), values[..., 1]), atol=1)


def palette_image(indices: np.ndarray, colours: np.ndarray) -> Image.Image:
    image = Image.fromarray(indices % len(colours), "P")
    image.putpalette(colours.tobytes())
    return image


COLOURS = np.array([[250, 10, 20], [1, 2, 3], [90, 180, 60]], dtype=np.uint8)


@given(indices=pixels())
@examples(30, **SHARED)
@pytest.mark.parametrize("suffix", ["png", "gif", "tiff"])
def test_palette_indices_become_colours(tmp_path: Path, suffix: str, indices: np.ndarray) -> None:
    path = tmp_path / f"image.{suffix}"
    palette_image(indices, COLOURS).save(path)
    np.testing.assert_array_equal(read(path), COLOURS[indices % 3])


@given(indices=pixels())
@examples(30, **SHARED)
@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_transparent_palette_entry_is_white(
    tmp_path: Path, suffix: str, indices: np.ndarray
) -> None:
    path = tmp_path / f"image.{suffix}"
    palette_image(indices, COLOURS).save(path, transparency=1)
    colours = COLOURS.copy()
    colours[1] = 255
    np.testing.assert_array_equal(read(path), colours[indices % 3])


def test_a_palette_with_alpha_is_laid_on_white(tmp_path: Path) -> None:
    # No common format stores PA; what a TIFF of it holds is what Pillow makes of it.
    path = tmp_path / "image.tiff"
    indices = np.array([[0, 1, 2]], dtype=np.uint8)
    alpha = np.array([[255, 0, 128]], dtype=np.uint8)
    image = palette_image(indices, COLOURS).convert("PA")
    image.putalpha(Image.fromarray(alpha))
    assert image.mode == "PA"
    image.save(path)
    np.testing.assert_allclose(read(path), on_white(COLOURS[indices], alpha), atol=1)


@given(values=pixels(4))
@examples(30, **SHARED)
def test_cmyk_is_converted(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "image.tiff"
    Image.fromarray(values, "CMYK").save(path)
    cmyk = values.astype(float)
    expected = (255 - cmyk[..., :3]) * (255 - cmyk[..., 3:]) / 255
    np.testing.assert_allclose(read(path), expected, atol=1)


def test_a_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    Image.new("CMYK", (16, 16), (0, 200, 200, 0)).save(path, quality=100)
    np.testing.assert_allclose(read(path), np.tile([255, 55, 55], (16, 16, 1)), atol=3)


@given(values=SHAPES.flatmap(lambda shape: arrays.arrays(np.uint16, shape)))
@examples(30, **SHARED)
@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_16_bits_are_scaled_to_8(tmp_path: Path, suffix: str, values: np.ndarray) -> None:
    values.flat[0] = 65535  # a PGM opens as 32 bits, whose range follows from the values
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(values).save(path)
    expected = np.rint(values.astype(float) / 65535 * 255)
    np.testing.assert_allclose(read(path), grey(expected), atol=1)


@given(values=pixels())
@examples(30, **SHARED)
@pytest.mark.parametrize(("dtype", "top"), [("int32", 255), ("float32", 255), ("float32", 1)])
def test_32_bits_take_the_range_that_holds_them(
    tmp_path: Path, dtype: str, top: int, values: np.ndarray
) -> None:
    values.flat[0] = 255
    path = tmp_path / "image.tiff"
    Image.fromarray((values.astype(float) * (top / 255)).astype(dtype)).save(path)
    assert Image.open(path).mode == ("I" if dtype == "int32" else "F")
    np.testing.assert_array_equal(read(path), grey(values))


@pytest.mark.parametrize("values", [[-1, 5], [0, 70000], [0, np.nan], [0, np.inf]], ids=str)
def test_32_bits_out_of_every_range_are_refused(tmp_path: Path, values: list[float]) -> None:
    path = tmp_path / "depth.tiff"
    Image.fromarray(np.array([values], dtype=np.float32)).save(path)
    with refuses(DataError, "depth.tiff", "values"):
        read_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_the_stored_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"image.{suffix}"
    values = np.zeros((16, 24, 3), dtype=np.uint8)
    values[:8, :8] = (250, 20, 30)
    values[8:, 16:] = (20, 240, 30)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.fromarray(values).save(path, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    np.testing.assert_array_equal(read(path), np.asarray(expected))
    # By hand, as the EXIF standard names where the stored first row and column belong.
    upright = {
        1: values,
        2: values[:, ::-1],
        3: values[::-1, ::-1],
        4: values[::-1],
        5: values.transpose(1, 0, 2),
        6: np.rot90(values, -1),
        7: values[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(values, 1),
    }[orientation]
    assert np.abs(read(path).astype(int) - upright).mean() < 8  # compressed with loss


def test_damaged_metadata_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    exif[ExifTags.Base.Make] = "maker"
    exif[ExifTags.Base.ExifOffset] = {ExifTags.Base.DateTimeOriginal: "2020:01:01"}
    Image.new("RGB", (6, 4), "white").save(path, exif=exif)
    whole = path.read_bytes()
    begin = whole.index(b"Exif") + 6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for where in range(begin, begin + len(exif.tobytes()) - 6):
            path.write_bytes(whole[:where] + b"\x19" + whole[where + 1 :])
            assert read(path).shape in {(4, 6, 3), (6, 4, 3)}


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(read(path), np.tile([255, 0, 0], (4, 6, 1)))


def test_the_content_decides_the_format(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.jpg"
    Image.new("RGB", (3, 2), (9, 8, 7)).save(path, format="PNG")
    np.testing.assert_array_equal(read(path), np.tile([9, 8, 7], (2, 3, 1)))


def encoded(suffix: str) -> bytes:
    buffer = BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(values).save(buffer, format=suffix)
    return buffer.getvalue()


ENCODED = {name: encoded(name) for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "half.img"
    path.write_bytes(ENCODED[name][: len(ENCODED[name]) // 2])
    with pytest.raises(DataError, match=r"half\.img"):
        read_image(path)


@given(data=st.data())
@examples(60, **SHARED)
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_reads_or_is_named(tmp_path: Path, name: str, data: st.DataObject) -> None:
    content = bytearray(ENCODED[name])
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, min(len(content), 200) - 1))
        content[where] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.img"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata
        try:
            assert read_image(path).dtype == torch.uint8
        except DataError as error:
            assert "damaged.img" in str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"<html>Not found</html>", r"not an image.*<html>"), (b"%!PS", "not an")],
    ids=["empty", "a web page", "a program"],
)
def test_what_is_no_image_is_named_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"photo\.jpg.*{reason}"):
        read_image(path)


def test_an_absent_file_is_named_with_its_absolute_path(tmp_path: Path) -> None:
    path = Path(os.path.relpath(tmp_path / "photo.jpg"))
    with pytest.raises(DataError, match=str(tmp_path / "photo.jpg")):
        read_image(path)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        read_image(tmp_path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.png"
    Image.new("L", (100, 100)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with refuses(DataError, "bomb.png", "100 x 100"):
        read_image(path)


def test_pillow_keeps_its_global_settings() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    assert Image.MAX_IMAGE_PIXELS == 89478485
