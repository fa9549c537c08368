from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from vision.errors import ImageError
from vision.export.photographs import real_images


def test_images_come_from_a_file_or_a_folder(tmp_path: Path) -> None:
    red = numpy.zeros((10, 10, 3), dtype=numpy.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tmp_path / "red.png")
    for source in (tmp_path, tmp_path / "red.png"):
        images = real_images((32, 40), 2, source)
        assert images.shape == (2, 3, 32, 40)
        assert images.dtype == torch.uint8
        assert (images[:, 0] == 200).all()
        assert (images[:, 1:] == 0).all()
    photograph = real_images((32, 32), 2)
    assert photograph.float().std() > 20
    assert torch.equal(photograph[1], photograph[0].flip(-1))


def test_absent_and_broken_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="neither an image"):
        real_images((32, 32), 1, tmp_path)
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(ImageError, match=r"a\.png"):
        real_images((32, 32), 1, tmp_path)
