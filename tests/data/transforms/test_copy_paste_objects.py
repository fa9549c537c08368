import numpy as np
import pytest
import torch
from helpers.refusals import refuses

from vision.data.index.detection import Objects
from vision.data.transforms.annotated import AnnotatedImage
from vision.data.transforms.copy_paste_objects import choose_objects, paste_objects
from vision.data.transforms.objects import MappedObjects
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.seen_objects import seen_objects
from vision.errors import ConfigError


def grey(value: int, height: int, width: int) -> torch.Tensor:
    return torch.full((3, height, width), value, dtype=torch.uint8)


def blocks(size: tuple[int, int], boxes: list[list[float]], label: int = 0) -> MappedObjects:
    """Rectangles; the masks are those of the rounded boxes."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, box in zip(masks, boxes, strict=True):
        x1, y1, x2, y2 = map(round, box)
        mask[y1:y2, x1:x2] = True
    return MappedObjects(
        boxes=torch.tensor(boxes).reshape(-1, 4),
        labels=torch.arange(label, label + len(boxes)),
        crowd=torch.zeros(len(boxes), dtype=torch.bool),
        areas=2.0 * masks.sum(dim=(1, 2)),
        masks=masks,
    )


def test_what_is_covered_is_cut_or_removed() -> None:
    """By hand: a block over four others."""
    base = blocks(
        (6, 8),
        [[0.3, 0.2, 4, 2], [3, 3, 5, 5], [6, 0, 8, 1], [2.4, 1, 5, 3]],
    )
    pasted = blocks((6, 8), [[2, 1, 6, 5]], label=9)
    image, objects = paste_objects(grey(10, 6, 8), base, grey(90, 6, 8), pasted, min_visible=1)
    expected = np.full((6, 8), 10)
    expected[1:5, 2:6] = 90
    assert image[0].tolist() == expected.tolist()
    # The first keeps its corner, the second and the fourth are covered whole, the third is not.
    assert objects.labels.tolist() == [0, 2, 9]
    assert objects.masks is not None
    assert objects.masks[0].nonzero().tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1]]
    torch.testing.assert_close(
        objects.boxes, torch.tensor([[0.3, 0.2, 4.0, 2.0], [6, 0, 8, 1], [2, 1, 6, 5]])
    )
    assert objects.areas.tolist() == [16 * 6 / 8, 4, 32]
    lower = blocks((6, 8), [[0, 1, 8, 6]])
    _, objects = paste_objects(grey(10, 6, 8), base, grey(90, 6, 8), lower, min_visible=0.5)
    torch.testing.assert_close(objects.boxes[0], torch.tensor([0.3, 0.2, 4.0, 1.0]))
    _, objects = paste_objects(grey(10, 6, 8), base, grey(90, 6, 8), lower, min_visible=1)
    assert objects.labels.tolist() == [2, 0]  # 0.8 pixels are left of the first


def test_an_image_of_another_size_is_cut_off() -> None:
    base, other = blocks((4, 4), [[0, 0, 1, 1]]), blocks((3, 9), [[1, 2, 6, 3], [5, 0, 9, 2]], 7)
    image, objects = paste_objects(grey(10, 4, 4), base, grey(90, 3, 9), other, min_visible=1)
    assert image[0].tolist() == [[10] * 4, [10] * 4, [10, 90, 90, 90], [10] * 4]
    assert objects.labels.tolist() == [0, 7]
    assert objects.boxes[1].tolist() == [1, 2, 4, 3]
    assert objects.areas[1].item() == 2 * 3
    assert objects.masks is not None
    assert objects.masks.shape == (2, 4, 4)


def test_nothing_to_paste_changes_nothing() -> None:
    image, base = grey(10, 4, 4), blocks((4, 4), [[0, 0, 2, 2]])
    same, objects = paste_objects(image, base, grey(90, 4, 4), blocks((4, 4), []), min_visible=1)
    assert same is image
    assert objects is base


def annotated(crowd: list[bool], *, masks: bool = True) -> AnnotatedImage:
    count = len(crowd)
    objects = Objects(
        boxes=np.arange(4.0 * count, dtype=np.float32).reshape(count, 4),
        labels=np.arange(count, dtype=np.int32),
        crowd=np.array(crowd, dtype=bool),
        areas=np.arange(count, dtype=np.float32),
        rows=range(50, 50 + count),
    )
    outlines = [[np.full((3, 2), float(i))] for i in range(count)] if masks else None
    return AnnotatedImage(grey(0, 4, 4), objects, outlines)


def test_a_random_part_is_chosen_and_never_a_crowd() -> None:
    torch.manual_seed(0)
    drawn = np.zeros((2000, 4), dtype=bool)
    for row in drawn:
        _, objects, outlines = choose_objects(annotated([False, False, True, False]), SampleRng())
        row[objects.labels] = True
        assert outlines is not None
        assert [int(part[0][0, 0]) for part in outlines] == objects.labels.tolist()
        assert objects.areas.tolist() == objects.labels.tolist()
        assert objects.boxes[:, 0].tolist() == (4 * objects.labels).tolist()
    assert not drawn[:, 2].any()
    np.testing.assert_allclose(drawn[:, [0, 1, 3]].mean(axis=0), 0.5, atol=0.04)
    counts = np.bincount(drawn.sum(axis=1), minlength=4) / len(drawn)
    np.testing.assert_allclose(counts, 0.25, atol=0.04)


def test_objects_without_masks_are_refused() -> None:
    with refuses(ConfigError, "augment.copy_paste", "masks"):
        choose_objects(annotated([False], masks=False), SampleRng())
    assert not len(choose_objects(annotated([], masks=False), SampleRng()).objects.labels)
    bare = blocks((4, 4), [[0, 0, 2, 2]])._replace(masks=None)
    with pytest.raises(ValueError, match="without masks"):
        seen_objects(bare, np.zeros((1, 4, 4), dtype=bool), min_visible=1)
