"""Pictures of detections: what is drawn is read back from the pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from PIL import Image
from torch import Tensor

from vision.draw.detection import DetectionExample, draw_detections, draw_examples
from vision.draw.figure import class_color, save_png
from vision.errors import ConfigError

NAMES = ["cat", "dog", "a class with a name that is really far too long"]


def prediction(*found: tuple, masks: Tensor | None = None) -> dict:
    """`found` are (box, label, score)."""
    result = {
        "boxes": torch.tensor([box for box, _, _ in found], dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor([label for _, label, _ in found], dtype=torch.int64),
        "scores": torch.tensor([score for _, _, score in found], dtype=torch.float32),
    }
    return result if masks is None else {**result, "masks": masks}


def target(*objects: tuple, crowd: bool = False) -> dict:
    """`objects` are (box, label)."""
    count = len(objects)
    return {
        "boxes": torch.tensor([box for box, _ in objects], dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor([label for _, label in objects], dtype=torch.int64),
        "iscrowd": torch.full((count,), crowd),
        "area": torch.zeros(count),
        "image_id": torch.tensor(7),
    }


def grey(height: int, width: int) -> Tensor:
    return torch.full((3, height, width), 90, dtype=torch.uint8)


def is_color(picture: Tensor, color: tuple[int, int, int]) -> np.ndarray:
    return (picture.permute(1, 2, 0).numpy() == np.array(color)).all(axis=2)


def test_a_box_is_drawn_where_it_is() -> None:
    image = grey(600, 800)
    drawn = draw_detections(image, prediction(((100, 200, 400, 500), 1, 0.9)), class_names=NAMES)
    assert drawn.shape == image.shape
    assert drawn.dtype == torch.uint8
    line = is_color(drawn, class_color(1))
    rows, columns = np.flatnonzero(line.any(axis=1)), np.flatnonzero(line.any(axis=0))
    assert (columns[0], columns[-1]) == (100, 399)
    assert rows[-1] == 499
    assert line[450, 100]
    assert not line[450, 150]  # the box is empty inside
    assert (image == 90).all()  # the image itself is unchanged


def test_masks_are_tinted_and_outlined() -> None:
    masks = torch.zeros(1, 600, 800, dtype=torch.bool)
    masks[0, 250:450, 150:350] = True
    found = prediction(((100, 200, 400, 500), 0, 0.9), masks=masks)
    drawn = draw_detections(grey(600, 800), found, class_names=NAMES)
    expected = 90 + (np.array(class_color(0)) - 90) * 0.45
    np.testing.assert_allclose(drawn[:, 350, 250].numpy(), expected, atol=1)
    assert is_color(drawn, class_color(0))[250:450, 150].all()
    assert (drawn[:, 470, 120] == 90).all()


def test_objects_below_the_threshold_are_left_out() -> None:
    box = (100, 200, 400, 500)
    found = prediction((box, 0, 0.29))
    assert (draw_detections(grey(600, 800), found, class_names=NAMES) == 90).all()
    drawn = draw_detections(grey(600, 800), found, class_names=NAMES, threshold=0.2)
    assert not (drawn == 90).all()


def test_small_images_are_enlarged_and_the_target_is_beside_the_prediction() -> None:
    image = grey(96, 128)
    truth, found = target(((10, 20, 50, 60), 0)), prediction(((10, 20, 50, 60), 1, 0.8))
    drawn = draw_detections(image, found, truth, class_names=NAMES)
    height, width = drawn.shape[1:]
    assert width == 2 * 512 + 8
    assert 384 < height < 450
    assert is_color(drawn, class_color(0))[:, :512].any()
    assert not is_color(drawn, class_color(0))[:, 520:].any()
    assert is_color(drawn, class_color(1))[:, 520:].any()
    assert not is_color(drawn, class_color(1))[:, :512].any()
    # At four times the size: the right edge of the box ends before 4 x 50.
    right = np.flatnonzero(is_color(drawn, class_color(0))[-384 + 200])[-1]
    assert right == 199
    alone = draw_detections(image, found, class_names=NAMES)
    assert alone.shape == (3, 384, 512)


@pytest.mark.parametrize("side", [64, 300, 1500])
def test_names_lie_within_the_picture_and_do_not_hide_each_other(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = []
    from vision.draw import detection

    draw_tag = detection.draw_tag

    def record(*arguments, **options):
        places.append(draw_tag(*arguments, **options))
        return places[-1]

    monkeypatch.setattr(detection, "draw_tag", record)
    low, high = 0.02 * side, 0.9 * side
    found = prediction(
        ((low, low, high, high), 2, 0.9),
        ((low, low, high, high), 0, 0.8),
        ((low, low, high, high), 1, 0.7),
        ((high, high, side, side), 2, 0.6),
    )
    drawn = draw_detections(grey(side, side), found, class_names=NAMES)
    assert len(places) == 4
    shape = drawn.shape[1:]
    taken = np.zeros(shape, int)
    for x1, y1, x2, y2 in places:
        assert 0 <= x1 < x2 <= shape[1]
        assert 0 <= y1 < y2 <= shape[0]
        assert y2 - y1 >= 14
        taken[y1:y2, x1:x2] += 1
    assert taken.max() == 1


def test_crowds_are_grey() -> None:
    drawn = draw_detections(
        grey(600, 800), None, target(((9, 90, 400, 500), 0), crowd=True), class_names=NAMES
    )
    assert is_color(drawn, (128, 128, 128)).any()
    assert not is_color(drawn, class_color(0)).any()


def test_an_image_without_objects_is_drawn_as_it_is() -> None:
    drawn = draw_detections(grey(600, 800), prediction(), target(), class_names=NAMES)
    assert (drawn[:, -600:, :800] == 90).all()
    assert (drawn[:, -600:, -800:] == 90).all()


def test_a_grid_has_a_cell_for_each_example(tmp_path: Path) -> None:
    found = prediction(((10, 20, 50, 60), 1, 0.8))
    examples = [
        DetectionExample(f"example {i}", grey(96 + 8 * i, 128), found, target() if i else None)
        for i in range(3)
    ]
    figure = draw_examples(examples, NAMES, columns=2)
    titles = [axis.get_title() for axis in figure.axes if axis.images]
    assert titles == ["example 0", "example 1", "example 2"]
    with Image.open(save_png(figure, tmp_path / "a.png")) as picture:
        assert min(picture.size) > 300


def test_what_cannot_be_drawn_is_said() -> None:
    found = prediction(((0, 0, 5, 5), 3, 0.9))
    with pytest.raises(ConfigError, match="class index 3 has no name: 3 names"):
        draw_detections(grey(64, 64), found, class_names=NAMES)
    with pytest.raises(ConfigError, match="float32"):
        draw_detections(torch.zeros(3, 9, 9), found, class_names=NAMES)
    with refuses(ConfigError, "neither", "prediction", "target"):
        draw_detections(grey(64, 64), None, class_names=NAMES)
    with pytest.raises(ConfigError, match="no images"):
        draw_examples([], NAMES)
