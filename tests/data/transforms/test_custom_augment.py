import numpy as np
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.data.transforms.custom_augment import CustomAugment, moved_objects, uncovered_ignored
from vision.data.transforms.objects import MappedObjects
from vision.errors import ConfigError

SIZE = (20, 30)


class Plain(CustomAugment):
    def image(self, image: Tensor) -> Tensor:
        return image

    def pair(self, image: Tensor, mask: np.ndarray) -> tuple[Tensor, np.ndarray]:
        return image, mask

    def planes(self, image: Tensor, planes: np.ndarray) -> tuple[Tensor, np.ndarray]:
        return image, planes

    def objects(
        self, image: Tensor, objects: MappedObjects, *, min_visible: float
    ) -> tuple[Tensor, MappedObjects]:
        return image, objects


def test_a_result_keeps_type_and_size() -> None:
    augment, image = Plain("augment.transform"), torch.zeros(3, 4, 5, dtype=torch.uint8)
    torch.testing.assert_close(augment.checked(image + 1, image), image + 1)
    with refuses(ConfigError, "augment.transform", "float32", "uint8", "Normalize"):
        augment.checked(image / 255, image)
    with refuses(ConfigError, "3 x 4 x 5", "3 x 2 x 5", "keeps the size"):
        augment.checked(image[:, :2], image)
    with refuses(ConfigError, "NoneType", "(3, H, W)"):
        augment.checked(None, image)


def test_what_a_transform_uncovers_is_ignored_unless_it_is_filled_with_a_class() -> None:
    mask = np.array([[0, 1, 2, 0, 2, 255]], dtype=np.uint8)
    covered = np.array([[1, 1, 1, 0, 2, 255]], dtype=np.uint8)  # fills of 0, 2 and 255
    assert uncovered_ignored(mask, covered).tolist() == [[0, 1, 2, IGNORED, 2, IGNORED]]


def blocks(*corners: tuple[int, int, int, int]) -> np.ndarray:
    masks = np.zeros((len(corners), *SIZE), dtype=bool)
    for mask, (x1, y1, x2, y2) in zip(masks, corners, strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


def objects_of(masks: np.ndarray, boxes: list[list[float]]) -> MappedObjects:
    return MappedObjects(
        boxes=torch.tensor(boxes),
        labels=torch.arange(len(boxes)),
        crowd=torch.arange(len(boxes)) == 1,
        areas=torch.from_numpy(masks.sum(axis=(1, 2))).float(),
        masks=torch.from_numpy(masks),
    )


def test_boxes_are_as_tight_as_the_masks_that_moved() -> None:
    before = objects_of(blocks((2, 2, 8, 6), (10, 3, 14, 9)), [[1.6, 2, 8, 6.3], [10, 3, 14, 9]])
    # The first shrinks within a box that is too large, as a turned one; the second stays.
    masks = blocks((4, 3, 7, 6), (10, 3, 14, 9))
    after = moved_objects(
        before,
        boxes=np.array([[1.0, 2.4, 7.4, 9.0], [10, 3, 14, 9]]),
        places=np.array([0, 1]),
        masks=masks,
        size=SIZE,
        min_visible=1,
    )
    torch.testing.assert_close(
        after.boxes, torch.tensor([[4.0, 2.4, 7.4, 6.0], [10.0, 3.0, 14.0, 9.0]])
    )
    torch.testing.assert_close(after.areas, torch.tensor([24 * 9 / 24, 24.0]))
    assert after.crowd.tolist() == [False, True]


def test_what_leaves_the_image_is_dropped() -> None:
    before = objects_of(
        blocks((2, 2, 8, 6), (10, 3, 14, 9), (20, 3, 24, 9)),
        [[2, 2, 8, 6], [10, 3, 14, 9], [20, 3, 24, 9]],
    )
    after = moved_objects(
        before,
        boxes=np.array([[-4.0, 2, 0.5, 6], [28, 3, 33, 9], [20, 3, 24, 9]]),
        places=np.array([0, 1, 2]),
        masks=blocks((0, 2, 1, 6), (28, 3, 30, 9), (0, 0, 0, 0)),
        size=SIZE,
        min_visible=1.5,
    )
    assert after.labels.tolist() == [1]
    assert after.crowd.tolist() == [True]
    torch.testing.assert_close(after.boxes, torch.tensor([[28.0, 3.0, 30.0, 9.0]]))


def test_without_masks_an_area_changes_with_its_box() -> None:
    before = objects_of(blocks((2, 2, 8, 6)), [[2, 2, 8, 6]])._replace(masks=None)
    after = moved_objects(
        before,
        boxes=np.array([[-3.0, 2, 3, 6]]),
        places=np.array([0]),
        masks=None,
        size=SIZE,
        min_visible=1,
    )
    torch.testing.assert_close(after.boxes, torch.tensor([[0.0, 2.0, 3.0, 6.0]]))
    torch.testing.assert_close(after.areas, torch.tensor([12.0]))
    assert after.masks is None
