import random

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.refusals import refuses
from helpers.tiny_masks import class_map
from torch import Tensor
from torchvision.transforms import v2

from vision.contracts.segmentation import IGNORED
from vision.data.transforms.callable_augment import CallableAugment
from vision.data.transforms.classification import TrainTransform
from vision.data.transforms.objects import MappedObjects
from vision.data.transforms.options import Augment
from vision.errors import ConfigError

SIZE = (40, 56)
IMAGE = torch.from_numpy(texture(*SIZE)).permute(2, 0, 1).contiguous()


def augment(transform: object) -> CallableAugment:
    return CallableAugment(transform, option="augment.transform")


def some_objects() -> MappedObjects:
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0, 5:15, 4:20] = True
    masks[1, 20:36, 30:50] = True
    boxes = torch.tensor([[4.0, 5.0, 20.0, 15.0], [30.0, 20.0, 50.0, 36.0]])
    return MappedObjects(
        boxes=boxes,
        labels=torch.tensor([2, 1]),
        crowd=torch.tensor([False, True]),
        areas=torch.tensor([160.0, 320.0]),
        masks=masks,
    )


def test_a_function_gets_the_image_alone() -> None:
    def invert(image: Tensor) -> Tensor:
        assert type(image) is Tensor
        return 255 - image

    objects, mask = some_objects(), class_map(size=SIZE)
    torch.testing.assert_close(augment(invert).image(IMAGE), 255 - IMAGE)
    changed, same = augment(invert).objects(IMAGE, objects, min_visible=1)
    assert same is objects
    torch.testing.assert_close(changed, 255 - IMAGE)
    assert augment(invert).pair(IMAGE, mask)[1] is mask


def test_a_flip_of_torchvision_moves_boxes_and_masks() -> None:
    objects = some_objects()
    changed, moved = augment(v2.RandomHorizontalFlip(1)).objects(IMAGE, objects, min_visible=1)
    torch.testing.assert_close(changed, IMAGE.flip(2))
    assert type(changed) is Tensor
    torch.testing.assert_close(
        moved.boxes, torch.tensor([[36.0, 5.0, 52.0, 15.0], [6.0, 20.0, 26.0, 36.0]])
    )
    assert moved.masks is not None
    assert objects.masks is not None
    torch.testing.assert_close(moved.masks, objects.masks.flip(2))
    assert moved.labels.tolist() == [2, 1]
    assert moved.crowd.tolist() == [False, True]


@pytest.mark.parametrize("sanitize", [False, True])
def test_a_box_that_torchvision_moves_out_is_dropped(sanitize: bool) -> None:
    # Half a turn around (28, 36): rows 5 to 15 come to lie below the image, 20 to 36 at its end.
    turn = v2.RandomAffine(degrees=(180, 180), center=[28, 36])
    steps = [turn, *([v2.SanitizeBoundingBoxes()] if sanitize else [])]
    _, moved = augment(v2.Compose(steps)).objects(IMAGE, some_objects(), min_visible=1)
    assert moved.labels.tolist() == [1]
    assert moved.crowd.tolist() == [True]
    torch.testing.assert_close(moved.boxes, torch.tensor([[6.0, 36.0, 26.0, 40.0]]), atol=1, rtol=0)
    torch.testing.assert_close(moved.areas, torch.tensor([80.0]), atol=20, rtol=0)


def test_uncovered_pixels_of_a_mask_are_ignored() -> None:
    mask = class_map(size=SIZE, ignored=False)
    turn = v2.RandomAffine(degrees=(30, 30))
    changed, turned = augment(turn).pair(IMAGE, mask)
    covered = v2.functional.affine(
        torch.ones(1, *SIZE), angle=30, translate=[0, 0], scale=1, shear=[0.0]
    )[0].numpy()
    assert (turned[covered == 0] == IGNORED).all()
    assert set(np.unique(turned[covered == 1])) <= {0, 1, 2}
    assert turned.dtype == np.uint8
    assert changed.shape == IMAGE.shape


def test_generators_of_python_and_numpy_are_seeded_for_each_sample() -> None:
    def noisy(image: Tensor) -> Tensor:
        noise = random.randrange(100) + np.random.randint(100) + int(torch.randint(50, ()))
        return torch.full_like(image, noise)

    def draw(seed: int) -> int:
        torch.manual_seed(seed)
        return int(augment(noisy).image(IMAGE)[0, 0, 0])

    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(8)}) > 4
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_what_cannot_be_called_is_refused() -> None:
    with refuses(ConfigError, "augment.transform='package.flip'", "class_path"):
        TrainTransform(8, Augment(transform="package.flip"))
    with refuses(ConfigError, "augment.transform", "float32", "uint8"):
        TrainTransform(8, Augment(transform=v2.ToDtype(torch.float32, scale=True)))(IMAGE)
