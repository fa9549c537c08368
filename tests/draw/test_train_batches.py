"""Pictures of training batches."""

import numpy as np
import pytest
import torch
from helpers.tiny_detection import random_target
from helpers.tiny_monocular import CAMERA, ORIGINAL, tiny_target

from vision.draw.classification_cells import train_cells as classification_cells
from vision.draw.depth import color_depth, depth_span
from vision.draw.depth_cells import train_cells as depth_cells
from vision.draw.detection_cells import train_cells as detection_cells
from vision.draw.normals import color_normals
from vision.draw.normals_cells import train_cells as normals_cells
from vision.draw.panoptic_cells import train_cells as panoptic_cells
from vision.draw.segmentation import class_palette, overlay_mask
from vision.draw.segmentation_cells import train_cells as segmentation_cells
from vision.draw.train_batches import TrainBatch, draw_train_batch, fit_map
from vision.kinds import KINDS
from vision.task_parts import find_part

NAMES = ["cat", "dog", "eel"]
GREY = torch.full((3, 300, 400), 90, dtype=torch.uint8)


@pytest.mark.parametrize("kind", list(KINDS))
def test_nothing_is_drawn_without_targets(kind: str) -> None:
    cells = find_part(kind, "train_cells")
    assert draw_train_batch(cells, TrainBatch([GREY], {}, NAMES)) is None


def test_labels_are_named_and_mixed_ones_have_shares() -> None:
    images = [GREY, GREY]
    plain = TrainBatch(images, {"label": torch.tensor([2, 0])}, NAMES)
    assert [text for _, text in classification_cells(plain)] == ["eel", "cat"]
    shares = torch.tensor([[0.25, 0.75, 0.0], [0.0, 1.0, 0.0]])
    mixed = TrainBatch(images, {"label": shares}, NAMES)
    assert [text for _, text in classification_cells(mixed)] == ["dog 75% + cat 25%", "dog"]


def test_the_grid_is_bounded() -> None:
    images = [torch.zeros(3, 900, 1200, dtype=torch.uint8)] * 20
    shown = TrainBatch(images, {"label": torch.zeros(20, dtype=torch.int64)}, NAMES)
    picture = draw_train_batch(classification_cells, shown)
    assert picture is not None
    assert max(picture.size) < 4 * 340
    assert len(np.unique(np.asarray(picture)[:, :, 0])) > 2  # images and letters


def test_boxes_and_masks_are_where_the_objects_are() -> None:
    target = random_target(2, 1, (300, 400))
    ((picture, text),) = detection_cells(TrainBatch([GREY], {"target": [target]}, NAMES))
    assert text == "400 x 300 pixels"
    empty = random_target(0, 1, (300, 400))
    ((blank, _),) = detection_cells(TrainBatch([GREY], {"target": [empty]}, NAMES))
    changed = (picture != blank).any(dim=0).float()
    middle = (target["boxes"][0, :2] + target["boxes"][0, 2:]) / 2
    height, width = picture.shape[1:]
    # The line above the picture is as high as the picture is higher than the image.
    scale = width / 400
    head = height - 300 * scale
    assert changed[int(head + middle[1] * scale), int(middle[0] * scale)] == 1
    assert changed.mean() < 0.9


def test_large_images_are_drawn_small_with_their_boxes() -> None:
    large = torch.full((3, 1200, 1600), 90, dtype=torch.uint8)
    small_target, target = random_target(2, 1, (300, 400)), random_target(2, 1, (1200, 1600))
    ((ours, _),) = detection_cells(TrainBatch([large], {"target": [target]}, NAMES))
    assert max(ours.shape[1:]) <= 512
    ((theirs, _),) = detection_cells(TrainBatch([GREY], {"target": [small_target]}, NAMES))
    ours, theirs = (
        torch.nn.functional.interpolate(p[None].float(), (60, 80)) for p in (ours, theirs)
    )
    assert (ours - theirs).abs().mean() < 12


def test_masks_have_the_colours_of_the_data_and_name_their_classes() -> None:
    mask = torch.full((1, 320, 420), 255)
    mask[0, :100], mask[0, 100:120] = 2, 0
    palette = np.array([[1, 2, 3], [4, 5, 6], [250, 0, 0]], np.uint8)
    own = TrainBatch([GREY], {"mask": mask}, NAMES, palette)
    ((picture, text),) = segmentation_cells(own)
    assert text == "eel, cat"
    expected = overlay_mask(GREY, mask[0, :300, :400], palette)
    assert torch.equal(picture, expected)
    ((picture, _),) = segmentation_cells(TrainBatch([GREY], {"mask": mask}, NAMES))
    expected = overlay_mask(GREY, mask[0, :300, :400], class_palette(3))
    assert torch.equal(picture, expected)
    ignored = TrainBatch([GREY], {"mask": torch.full((1, 300, 400), 255)}, NAMES)
    assert segmentation_cells(ignored)[0][1] == "all ignored"


def test_segments_have_the_colours_of_their_classes_and_void_is_striped() -> None:
    mask = torch.zeros(1, 320, 520, dtype=torch.int32)
    mask[0, 10:210, 10:210], mask[0, 10:210, 240:390] = 1, 16_777_215
    segments = [
        {"id": 1, "category_id": 2, "isthing": True, "iscrowd": False},
        {"id": 16_777_215, "category_id": 0, "isthing": True, "iscrowd": True},
        {"id": 7, "category_id": 1, "isthing": False, "iscrowd": False},
    ]
    palette = np.array([[0, 255, 0], [0, 0, 255], [250, 0, 0]], np.uint8)
    large = torch.full((3, 300, 500), 90, dtype=torch.uint8)
    batch = {"mask": mask, "segments": [segments]}
    ((picture, text),) = panoptic_cells(TrainBatch([large], batch, NAMES, palette))
    assert text == "2 segments, 1 crowd"  # one of which no pixel is left in this crop
    factor = picture.shape[1] // 300
    red, crowd = picture[:, 180 * factor, 110 * factor], picture[:, 180 * factor, 300 * factor]
    assert red[0] > red[1] + 50
    assert crowd.max() - crowd.min() < 10
    blank = picture[:, 250 * factor :, :].float()
    assert blank.std() > 10


@pytest.mark.parametrize("kind", list(KINDS))
def test_one_image_makes_a_picture(kind: str) -> None:
    boxes3d = tiny_target(torch.tensor([[1.0, 1, 9, 4, 2, 2, 0]]), torch.tensor([1]), (300, 400))
    batch = {
        "label": torch.tensor([[0.0, 1.0, 0.0]] if kind == "multilabel" else [1]),
        "target": [boxes3d if kind == "detection3d" else random_target(1, 0, (300, 400))],
        "camera": CAMERA[None],
        "camera_size": torch.tensor([ORIGINAL]),
        "mask": torch.zeros(1, 300, 400, dtype=torch.int64),
        "segments": [[]],
        "depth": torch.ones(1, 300, 400),
        "normals": torch.ones(1, 3, 300, 400),
    }
    if kind == "volumes":
        batch = {
            "volume": torch.rand(1, 2, 16, 20, 12),
            "mask": torch.zeros(1, 16, 20, 12, dtype=torch.uint8),
            "affine": torch.eye(4)[None],
            "size": torch.tensor([[16, 20, 12]]),
        }
    if kind == "points":
        batch = {
            "coords": 9 * torch.rand(50, 3),
            "colors": torch.randint(0, 256, (50, 3), dtype=torch.uint8),
            "label": torch.zeros(50, dtype=torch.int64),
            "counts": torch.tensor([50]),
        }
    picture = draw_train_batch(find_part(kind, "train_cells"), TrainBatch([GREY], batch, NAMES))
    assert picture is not None
    assert picture.mode == "RGB"


def test_depth_lies_beside_its_image_with_its_range() -> None:
    depth = torch.zeros(1, 320, 520)
    depth[0, :150, :500] = 2
    depth[0, 150:, 250:500] = 4
    depth[0, 300:] = 9  # of the padding
    large = torch.full((3, 300, 500), 90, dtype=torch.uint8)
    ((picture, text),) = depth_cells(TrainBatch([large], {"depth": depth}, ()))
    assert text == "2 to 4 m, 75%"
    width = picture.shape[2] // 2
    assert (picture[:, :, :width] == 90).all()
    drawn = picture[:, :, width:]
    expected = color_depth(fit_map(depth[0, :300, :500], drawn), depth_span(depth[0, :300, :500]))
    assert torch.equal(drawn[:, : drawn.shape[1] // 2], expected[:, : drawn.shape[1] // 2])
    ((_, text),) = depth_cells(TrainBatch([large], {"depth": torch.zeros(1, 300, 500)}, ()))
    assert text == "no depth"


def test_normals_lie_beside_their_image() -> None:
    normals = torch.zeros(1, 3, 300, 400)
    normals[0, 2, :, :100] = -1
    ((picture, text),) = normals_cells(TrainBatch([GREY], {"normals": normals}, ()))
    assert text == "25% of the pixels"
    width = picture.shape[2] // 2
    assert torch.equal(
        picture[:, :, width:], color_normals(fit_map(normals[0], picture[:, :, :width]))
    )
    ((_, text),) = normals_cells(TrainBatch([GREY], {"normals": 0 * normals}, ()))
    assert text == "no normal"
    assert (
        normals_cells(TrainBatch([GREY], {}, ())) == depth_cells(TrainBatch([GREY], {}, ())) == []
    )
