import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.errors import ConfigError
from vision.export.canvas import on_canvas, put_on_canvas, usual_canvas

MEAN = (0.5, 0.25, 1.0)


def test_a_canvas_holds_images_of_either_orientation() -> None:
    assert usual_canvas({"short_side": 800, "long_side": 1333}) == (1344, 1344)
    assert usual_canvas({"long_side": 64}) == (64, 64)
    for options in (None, {"short_side": 800}, {"long_side": None}):
        with refuses(ConfigError, "--canvas", "HEIGHT", "WIDTH"):
            usual_canvas(options)


def test_images_keep_their_pixels_and_get_the_mean_colour() -> None:
    images = torch.randint(0, 256, (2, 3, 4, 6), dtype=torch.uint8)
    padded = put_on_canvas(images, (8, 8), MEAN)
    assert torch.equal(padded[:, :, :4, :6], images)
    assert padded.dtype == torch.uint8
    assert padded[0, :, 7, 7].tolist() == padded[1, :, 0, 6].tolist() == [128, 64, 255]
    assert torch.equal(put_on_canvas(images, (4, 6), MEAN), images)
    with refuses(ConfigError, "4", "6 pixels", "8", "5"):
        put_on_canvas(images, (8, 5), MEAN)


def test_a_program_of_one_image_takes_several() -> None:
    shapes = []

    def run(images: Tensor) -> dict[str, Tensor]:
        shapes.append(tuple(images.shape))
        return {"first": images[:, 0, 0, 0], "count": torch.tensor([1])}

    images = torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1).repeat(1, 3, 4, 5)
    found = on_canvas(run, (8, 8), MEAN)(images)
    assert shapes == [(1, 3, 8, 8)] * 3
    assert found["first"].tolist() == [0, 1, 2]
    assert found["count"].tolist() == [1, 1, 1]
