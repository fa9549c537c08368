"""What all results share: files, numbers, and packages that may be absent."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from PIL import Image
from pycocotools import mask as mask_tools

from vision.errors import ConfigError, DataError, MissingPackageError
from vision.predict.results import (
    category_of,
    encode_mask,
    import_optional,
    name_of,
    save_picture,
    to_picture,
)


def test_pictures_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 6), (10, 20, 30))
    path = save_picture(picture, tmp_path / "a" / "b.png")
    with Image.open(path) as read:
        assert read.getpixel((0, 0)) == (10, 20, 30)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"End it in \.jpg"):
        save_picture(picture, tmp_path / "a" / "b.xyz")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        save_picture(picture, tmp_path / "file" / "b.png")
    assert path.read_bytes() == before
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b.png"]


def test_masks_are_packed_as_cocos(tmp_path: Path) -> None:
    mask = torch.rand(9, 13) > 0.5
    packed = json.loads(json.dumps(encode_mask(mask)))
    assert packed["size"] == [9, 13]
    assert np.array_equal(mask_tools.decode(packed), mask.numpy())


def test_numbers_and_names_of_classes() -> None:
    assert category_of(2, None) == 2
    assert category_of(2, [1, 5, 90]) == 90
    with refuses(ConfigError, "class", "3", "number"):
        category_of(3, [1, 5, 90])
    assert (name_of(("a",), 0), name_of(("a",), 1)) == ("a", "1")


def test_a_missing_package_says_what_to_install() -> None:
    assert import_optional("json", extra="x") is json
    with refuses(MissingPackageError, "install", "[video]"):
        import_optional("no_such_package", extra="video")


def test_a_picture_is_the_image() -> None:
    image = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    assert np.array_equal(np.asarray(to_picture(image)), image.permute(1, 2, 0).numpy())
