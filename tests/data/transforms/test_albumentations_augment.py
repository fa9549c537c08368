import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.refusals import refuses
from helpers.tiny_masks import class_map
from torch.utils.data import DataLoader

from vision.contracts.segmentation import IGNORED
from vision.data import COCO, Augment, DetectionAugment, ImageFolder
from vision.data.base.images import ImageData
from vision.data.index.detection import Objects
from vision.data.transforms.albumentations_augment import AlbumentationsAugment
from vision.data.transforms.classification import TrainTransform
from vision.data.transforms.detection import DetectionTrainTransform
from vision.data.transforms.objects import MappedObjects
from vision.data.transforms.segmentation import SegmentationTrainTransform
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.errors import ConfigError

A = pytest.importorskip("albumentations")

SIZE = (40, 56)
IMAGE = torch.from_numpy(texture(*SIZE)).permute(2, 0, 1).contiguous()
# Draws from both of albumentations' generators, and from a distribution.
NOISY = [
    {"name": "RandomBrightnessContrast", "p": 0.8},
    {"name": "OneOf", "p": 0.9, "transforms": [{"name": "GaussNoise"}, {"name": "Blur"}]},
    {"name": "CoarseDropout", "p": 0.7},
]
TURN = [{"name": "Affine", "rotate": [30, 30], "p": 1}]


def some_objects(*, masks: bool = True) -> MappedObjects:
    planes = torch.zeros(3, *SIZE, dtype=torch.bool)
    planes[0, 5:15, 4:20] = True
    rows, columns = torch.arange(SIZE[0])[:, None] + 0.5, torch.arange(SIZE[1]) + 0.5
    planes[1] = ((rows - 28) / 8) ** 2 + ((columns - 40) / 10) ** 2 < 1  # an ellipse
    planes[2, 0:4, 0:4] = True
    boxes = torch.tensor([[4.0, 5.0, 20.0, 15.0], [30.0, 20.0, 50.0, 36.0], [0.0, 0.0, 4.0, 4.0]])
    return MappedObjects(
        boxes=boxes,
        labels=torch.tensor([2, 1, 0]),
        crowd=torch.tensor([False, True, False]),
        areas=planes.sum(dim=(1, 2)).float(),
        masks=planes if masks else None,
    )


def box_of(mask: torch.Tensor) -> torch.Tensor:
    rows, columns = mask.any(dim=1).nonzero(), mask.any(dim=0).nonzero()
    corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return torch.tensor([float(corner) for corner in corners])


def test_it_does_what_albumentations_does() -> None:
    flipped = AlbumentationsAugment([{"name": "HorizontalFlip", "p": 1}]).image(IMAGE)
    torch.testing.assert_close(flipped, IMAGE.flip(2))
    inverted = AlbumentationsAugment(A.Compose([A.InvertImg(p=1)])).image(IMAGE)
    torch.testing.assert_close(inverted, 255 - IMAGE)
    never = AlbumentationsAugment(A.Compose([A.InvertImg(p=1)], p=0)).image(IMAGE)
    torch.testing.assert_close(never, IMAGE)


def test_colours_leave_objects_and_masks_as_they_are() -> None:
    augment, objects = (
        AlbumentationsAugment(A.Compose([A.InvertImg(p=1)]), boxes=True),
        some_objects(),
    )
    changed, same = augment.objects(IMAGE, objects, min_visible=1)
    assert same is objects
    torch.testing.assert_close(changed, 255 - IMAGE)
    mask = class_map(size=SIZE)
    assert augment.pair(IMAGE, mask)[1] is mask


@pytest.mark.parametrize("masks", [True, False])
def test_a_flip_moves_everything_by_the_same_map(masks: bool) -> None:
    augment = AlbumentationsAugment([{"name": "HorizontalFlip", "p": 1}], boxes=True)
    objects = some_objects(masks=masks)
    changed, moved = augment.objects(IMAGE, objects, min_visible=1)
    torch.testing.assert_close(changed, IMAGE.flip(2))
    x1, y1, x2, y2 = objects.boxes.unbind(dim=1)
    torch.testing.assert_close(moved.boxes, torch.stack([56 - x2, y1, 56 - x1, y2], dim=1))
    assert (moved.labels.tolist(), moved.crowd.tolist()) == ([2, 1, 0], [False, True, False])
    torch.testing.assert_close(moved.areas, objects.areas)
    if objects.masks is None:
        assert moved.masks is None
    else:
        torch.testing.assert_close(moved.masks, objects.masks.flip(2))


def test_turned_boxes_fit_their_masks_and_what_leaves_is_dropped() -> None:
    augment = AlbumentationsAugment(TURN, boxes=True)
    changed, moved = augment.objects(IMAGE, some_objects(), min_visible=1)
    assert changed.shape == IMAGE.shape
    assert moved.labels.tolist() == [2, 1]  # the corner is turned out of the image
    assert moved.crowd.tolist() == [False, True]
    assert moved.masks is not None
    for box, mask in zip(moved.boxes, moved.masks, strict=True):
        torch.testing.assert_close(box, box_of(mask), atol=1, rtol=0)
    torch.testing.assert_close(moved.areas, moved.masks.sum(dim=(1, 2)).float())
    # Without its mask, only the turned box of the ellipse can be enclosed.
    _, loose = augment.objects(IMAGE, some_objects(masks=False), min_visible=1)
    extents = [(moved.boxes[1, 2:] - moved.boxes[1, :2]).prod() for moved in (loose, moved)]
    assert extents[0] > 1.3 * extents[1]


def test_images_without_objects() -> None:
    nothing = some_objects()
    empty = MappedObjects(*(None if part is None else part[:0] for part in nothing))
    for objects in (empty, empty._replace(masks=None)):
        _, moved = AlbumentationsAugment(TURN, boxes=True).objects(IMAGE, objects, min_visible=1)
        assert moved.boxes.shape == (0, 4)
        assert (moved.masks is None) == (objects.masks is None)


@pytest.mark.parametrize("fill_mask", [0, 255, 2])
def test_uncovered_pixels_of_a_mask_are_ignored_or_have_the_class_that_fills_them(
    fill_mask: int,
) -> None:
    mask = class_map(size=SIZE, ignored=False)
    rows = [{**TURN[0], "fill_mask": fill_mask}]
    _, turned = AlbumentationsAugment(rows).pair(IMAGE, mask)
    corner = {0: IGNORED, 255: IGNORED, 2: 2}[fill_mask]
    assert turned[0, 0] == turned[-1, -1] == corner
    assert set(np.unique(turned)) == {0, 1, 2, corner}  # nearest: no class in between


def test_ignored_pixels_stay_ignored() -> None:
    mask = class_map(size=SIZE)
    _, flipped = AlbumentationsAugment([{"name": "HorizontalFlip", "p": 1}]).pair(IMAGE, mask)
    np.testing.assert_array_equal(flipped, mask[:, ::-1])


def test_objects_and_masks_may_turn_on_their_side() -> None:
    turn = AlbumentationsAugment([{"name": "Transpose", "p": 1}], boxes=True)
    objects = some_objects()
    changed, moved = turn.objects(IMAGE, objects, min_visible=1)
    torch.testing.assert_close(changed, IMAGE.transpose(1, 2))
    torch.testing.assert_close(moved.boxes, objects.boxes[:, [1, 0, 3, 2]])
    assert objects.masks is not None
    torch.testing.assert_close(moved.masks, objects.masks.transpose(1, 2))
    mask = class_map(size=SIZE)
    turned = AlbumentationsAugment([{"name": "Transpose", "p": 1}]).pair(IMAGE, mask)[1]
    np.testing.assert_array_equal(turned, mask.T)


def test_the_size_is_kept() -> None:
    crop = [{"name": "RandomCrop", "height": 20, "width": 30}]
    with refuses(ConfigError, "augment.albumentations", "3 x 40 x 56", "3 x 20 x 30"):
        AlbumentationsAugment(crop).image(IMAGE)
    larger = [{"name": "RandomCrop", "height": 400, "width": 30}]
    with refuses(ConfigError, "augment.albumentations failed", "40 x 56", "CropSizeError"):
        AlbumentationsAugment(larger).image(IMAGE)


# Random numbers


def test_numbers_depend_on_the_generator_alone() -> None:
    first, second = AlbumentationsAugment(NOISY), AlbumentationsAugment(NOISY)

    def drawn(augment: AlbumentationsAugment, seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return augment.image(IMAGE)

    one = [drawn(first, seed) for seed in range(6)]
    torch.testing.assert_close([drawn(second, seed) for seed in reversed(range(6))], one[::-1])
    assert len({image.numpy().tobytes() for image in one}) == 6


def test_the_order_of_the_suites_own_numbers_is_as_without_it() -> None:
    never = A.Compose([A.InvertImg(p=1)], p=0)
    for albumentations in (None, never):
        torch.manual_seed(3)
        transform = SegmentationTrainTransform(
            SegmentationAugment(short_side=30, crop=(24, 24), albumentations=albumentations)
        )
        image, mask = transform.change(IMAGE, class_map(size=SIZE))
        if albumentations is None:
            expected = image, mask
    torch.testing.assert_close(image, expected[0])
    np.testing.assert_array_equal(mask, expected[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own")
    from PIL import Image

    for split, count in {"train": 6, "val": 1}.items():
        for name in ("cat", "dog"):
            for i in range(count):
                path = root / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(texture(40, 40, seed=i)).save(path)
    return root


def data_of(folder: Path, *, workers: int, seed: int = 0) -> ImageFolder:
    # Without the suite's own augmentation: what differs is albumentations'.
    augment = Augment(min_scale=1.0, hflip=0.0, albumentations=NOISY)
    data = ImageFolder(
        root=folder, image_size=24, augment=augment, batch_size=4, num_workers=workers, seed=seed
    )
    data.setup("fit")
    return data


def epoch_of(
    data: ImageData, epoch: int, loader: DataLoader[Any] | None = None
) -> dict[int, bytes]:
    loader = loader or data.train_dataloader()
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    return {
        int(index): image.numpy().tobytes()
        for batch in loader
        for index, image in zip(batch["index"], batch["image"], strict=True)
    }


def test_workers_and_epochs_differ_and_seeds_repeat(folder: Path) -> None:
    alone = data_of(folder, workers=0)
    expected = [epoch_of(alone, epoch) for epoch in (0, 1)]
    data = data_of(folder, workers=2)
    loader = data.train_dataloader()  # whose workers last for both epochs
    assert [epoch_of(data, epoch, loader) for epoch in (0, 1)] == expected
    first, second = expected
    assert sorted(first) == sorted(second) == list(range(12))
    assert all(first[index] != second[index] for index in first)
    assert epoch_of(data_of(folder, workers=0, seed=1), 0) != first


def test_a_transform_reaches_spawned_workers() -> None:
    transform = TrainTransform(24, Augment(albumentations=NOISY))
    copied = pickle.loads(pickle.dumps(transform))
    found = []
    for one in (transform, copied):
        torch.manual_seed(0)
        found.append(one(IMAGE))
    torch.testing.assert_close(*found)


def test_data_go_on_within_an_epoch(folder: Path) -> None:
    whole = [batch["image"] for batch in _epoch_two(data_of(folder, workers=0))]
    resumed = data_of(folder, workers=2)
    resumed.load_state_dict({"epoch": 2, "samples": 4, "batch": 4, "bad_images": []})
    torch.testing.assert_close(
        [batch["image"] for batch in resumed.train_dataloader()], whole[1:], rtol=0, atol=0
    )


def _epoch_two(data: ImageFolder) -> DataLoader[Any]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(2)  # type: ignore[attr-defined]
    return loader


def test_detection_applies_it_to_the_padded_image() -> None:
    objects = Objects(
        boxes=np.array([[4, 5, 20, 15]], dtype=np.float32),
        labels=np.array([1], dtype=np.int32),
        crowd=np.array([False]),
        areas=np.array([160], dtype=np.float32),
        rows=range(1),
    )
    outlines: Any = [[np.array([(4.0, 5.0), (20.0, 5.0), (20.0, 15.0), (4.0, 15.0)])]]
    flip = [{"name": "HorizontalFlip", "p": 1}]
    options: dict[str, Any] = {"jitter": (0.5, 0.5), "jitter_size": 56, "hflip": 0.0}
    found = [
        DetectionTrainTransform(DetectionAugment(**options, albumentations=rows)).apply(
            IMAGE, objects, outlines
        )
        for rows in (None, flip)
    ]
    plain, flipped = found
    torch.testing.assert_close(flipped.image, plain.image.flip(2))
    assert flipped.image.shape == (3, 56, 56)
    assert plain.objects is not None
    assert flipped.objects is not None
    torch.testing.assert_close(flipped.objects.masks, plain.objects.masks.flip(2))
    x1, y1, x2, y2 = plain.objects.boxes[0].tolist()
    torch.testing.assert_close(flipped.objects.boxes, torch.tensor([[56 - x2, y1, 56 - x1, y2]]))


def test_rows_come_from_the_options_of_a_dataset(tmp_path: Path) -> None:
    wrong = [{"name": "Blurr"}]
    with refuses(ConfigError, "augment.albumentations[0]", "'Blurr'"):
        COCO(root=tmp_path, augment=DetectionAugment(albumentations=wrong))
