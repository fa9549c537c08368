from pathlib import Path

import numpy
import pytest
import torch
from helpers.tiny_task import tiny_task
from PIL import Image

from vision.errors import ImageError
from vision.export.verify import real_images, verified_shapes, verify, worst
from vision.export.whole import whole_model


def test_a_wrong_program_is_caught() -> None:
    graph = whole_model(tiny_task())

    def run(images: torch.Tensor, error: float) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return {"scores": graph(images)[0] + error * (len(images) > 1)}

    shapes = verified_shapes((32, 32), 2, ("batch", "size"))
    assert [batch for batch, _ in shapes] == [2, 3, 1]
    assert shapes[1][1] != shapes[0][1]
    good = verify(lambda x: run(x, 0.0), graph, shapes=shapes, tolerance=1e-4)
    assert [case.inputs for case in good] == ["random", "real"] * 3
    assert all(case.passed for case in good)
    bad = verify(lambda x: run(x, 0.01), graph, shapes=shapes, tolerance=1e-4)
    assert [case.passed for case in bad] == [False] * 4 + [True] * 2
    assert worst(bad)[0].absolute == pytest.approx(0.01, rel=1e-3)


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
