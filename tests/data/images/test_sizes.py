from pathlib import Path

import pytest
from helpers.pictures import texture
from helpers.refusals import refuses
from PIL import Image

from vision.data import read_image
from vision.data.images.sizes import read_size, read_sizes
from vision.errors import ImageError

FORMATS = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp"}


@pytest.mark.parametrize("orientation", range(9))
@pytest.mark.parametrize("kind", FORMATS)
def test_the_size_is_that_of_the_decoded_image(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    path = tmp_path / f"x.{FORMATS[kind]}"
    Image.fromarray(texture(12, 20)).save(path, format=kind, exif=exif)
    assert read_size(path) == tuple(read_image(path).shape[1:])
    assert read_size(path) == ((20, 12) if orientation >= 5 else (12, 20))


def test_sizes_of_many_and_what_is_wrong_with_the_others(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.png", "gone.png", "empty.png", "text.png")]
    Image.new("L", (5, 3)).save(paths[0])
    Path(paths[2]).write_bytes(b"")
    Path(paths[3]).write_text("no image")
    problems: list[str] = []
    assert read_sizes(paths, problems.append).tolist() == [[3, 5], [0, 0], [0, 0], [0, 0]]
    for problem, part in zip(problems, ("no image '", "is empty", "is not an image"), strict=True):
        assert part in problem
    with pytest.raises(ImageError, match=r"text\.png"):
        read_size(paths[3])
    assert read_sizes([], problems.append).shape == (0, 2)


def test_an_image_that_is_too_large_to_be_honest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (50, 30)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with refuses(ImageError, "x.png", "1,500 pixels"):
        read_size(tmp_path / "x.png")
