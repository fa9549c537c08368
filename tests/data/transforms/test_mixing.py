import pickle

import numpy as np
import pytest
import torch
from helpers.properties import examples
from helpers.refusals import refuses
from helpers.white_objects import COUNT, TRIANGLE, WhiteObjects, drawn
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, binary_erosion, find_objects, label

from vision.data.transforms.detection import DetectionTrainTransform, TransformedImage
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.mixing import make_train_transform
from vision.data.transforms.objects import mask_extent
from vision.errors import ConfigError

PLAIN = {"fill": (0, 0, 0), "short_sides": (48,), "long_side": 100}
JITTER = {"jitter": (0.5, 2.0), "jitter_size": 61}
CROP = {"crop": "detr", "crop_sides": (40, 60), "crop_size": (30, 50)}
MOSAIC = {"mosaic": 1.0, "mosaic_size": 65, "mosaic_scale": (0.4, 1.6)}
MIXED = {
    "mosaic": MOSAIC,
    "mixup": {"mixup": 1.0},
    "copy_paste": {"copy_paste": 1.0},
    "mosaic and mixup": {**MOSAIC, "mosaic": 0.8, "mixup": 0.8},
    "copy_paste and jitter": {"copy_paste": 1.0, **JITTER},
    "copy_paste and mixup": {"copy_paste": 0.8, "mixup": 0.6, **CROP},
}
SIDE = st.integers(33, 90)
MIN_VISIBLE = 2
BLOCK = np.ones((3, 3), dtype=bool)


def scenes(seed: int = 0) -> WhiteObjects:
    sizes = np.random.default_rng(seed).integers(33, 90, (5, 2)).tolist()
    return WhiteObjects([(height, width) for height, width in sizes])


def equal(first: TransformedImage, second: TransformedImage) -> bool:
    assert first.objects is not None
    assert second.objects is not None
    same = all(torch.equal(a, b) for a, b in zip(first.objects, second.objects, strict=True))
    return same and torch.equal(first.image, second.image)


@pytest.mark.parametrize("options", MIXED.values(), ids=MIXED)
@examples(10)
@given(
    st.lists(st.tuples(SIDE, SIDE), min_size=5, max_size=5),
    st.integers(0, 4),
    st.integers(0, 2**32 - 1),
)
def test_what_is_seen_of_an_object_is_its_mask_and_its_box(
    options: dict, sizes: list[tuple[int, int]], place: int, seed: int
) -> None:
    """What is drawn does not depend on pixels: in turn each object is the only white thing."""
    images = WhiteObjects(sizes)
    augment = DetectionAugment(**{**PLAIN, **options}, min_visible=MIN_VISIBLE)
    black = drawn(augment, images.source(-1), place, seed)
    assert not black.image.any()
    assert black.original_size == sizes[place]
    objects = black.objects
    assert objects is not None
    assert objects.masks is not None
    assert objects.masks.shape[1:] == black.image.shape[1:]
    assert objects.crowd.tolist() == [number in images.crowds for number in objects.labels.tolist()]
    for row, (box, mask) in enumerate(zip(objects.boxes, objects.masks.numpy(), strict=True)):
        # The tip of a triangle is narrower than a pixel.
        away = 3 if objects.labels[row] == TRIANGLE else 1
        assert (box - torch.from_numpy(mask_extent(mask))).abs().max() <= away
        sides = box[2:] - box[:2]
        assert sides.min() >= MIN_VISIBLE
        assert abs(objects.areas[row] - mask.sum()) <= sides.sum() + 4
    for number in range(COUNT):
        white = drawn(augment, images.source(number), place, seed).image[0].numpy() > 63
        mask = objects.masks[objects.labels == number].any(dim=0).numpy()
        # Pixels that are half covered go to either side.
        assert not (binary_erosion(mask, BLOCK) & ~white).any()
        for part in find_objects(label(white & ~binary_dilation(mask, BLOCK))[0]):
            # Only what is too narrow is seen without being listed.
            assert min(edge.stop - edge.start for edge in part) <= MIN_VISIBLE + 1


@pytest.mark.parametrize("options", MIXED.values(), ids=MIXED)
def test_the_seed_alone_decides(options: dict) -> None:
    images, augment = scenes(), DetectionAugment(**{**PLAIN, **options})
    first = [drawn(augment, images.source(1), 1, seed) for seed in range(6)]
    again = [drawn(augment, images.source(1), 1, seed) for seed in range(6)]
    assert all(map(equal, first, again))
    assert not any(equal(first[0], other) for other in first[1:])
    transform = pickle.loads(
        pickle.dumps(make_train_transform(augment, masks=True, antialias=True))
    )
    torch.manual_seed(3)
    assert equal(transform.draw(1, images.source(1)), first[3])


@pytest.mark.parametrize("options", MIXED.values(), ids=MIXED)
def test_boxes_without_masks_are_those_with_masks_or_larger(options: dict) -> None:
    """Without masks a cut box is clipped: it holds what is seen, and may hold more."""
    if "copy_paste" in options:
        with refuses(ConfigError, "copy_paste", "needs masks", "only boxes", "data.masks"):
            make_train_transform(DetectionAugment(**options), masks=False, antialias=True)
        return
    images = scenes(1)
    augment = DetectionAugment(**{**PLAIN, **options}, min_visible=0)
    for seed in range(8):
        with_masks = drawn(augment, images.source(-1), 3, seed).objects
        bare = drawn(augment, images.source(-1), 3, seed, masks=False).objects
        assert with_masks is not None
        assert bare is not None
        assert bare.masks is None
        assert bare.labels.tolist() == with_masks.labels.tolist()
        flat = (with_masks.boxes[:, 2:] <= with_masks.boxes[:, :2]).any(dim=1)
        assert (flat | (bare.boxes[:, :2] <= with_masks.boxes[:, :2] + 1e-3).all(dim=1)).all()
        assert (flat | (bare.boxes[:, 2:] >= with_masks.boxes[:, 2:] - 1e-3).all(dim=1)).all()


def test_by_the_probabilities_images_are_mixed_or_not() -> None:
    images = scenes(2)
    plain = DetectionAugment(**PLAIN)
    assert type(make_train_transform(plain, masks=True, antialias=True)) is DetectionTrainTransform
    own = {3, 4}  # the labels of image 3
    counts = {"mosaic": 0, "mixup": 0, "copy_paste": 0}
    for name in counts:
        augment = DetectionAugment(**PLAIN, **{name: 0.5}, mosaic_size=40)
        for seed in range(60):
            result = drawn(augment, images.source(-1), 3, seed)
            assert result.objects is not None
            others = set(result.objects.labels.tolist()) - own
            counts[name] += result.image.shape[1:] == (40, 40) if name == "mosaic" else bool(others)
    # Some partners have no objects, and of those to paste from half of the time none is chosen.
    assert 20 <= counts["mosaic"] <= 40
    assert 12 <= counts["mixup"] <= 36
    assert 6 <= counts["copy_paste"] <= 26


def test_a_split_of_one_image_is_mixed_with_itself() -> None:
    images = scenes(3)
    source = images.source(1)._replace(partners=lambda place: range(1, 2))
    for options in MIXED.values():
        objects = drawn(DetectionAugment(**{**PLAIN, **options}), source, 1, 5).objects
        assert objects is not None
        assert {*objects.labels.tolist()} <= {0, 1}


def test_partners_are_all_others_alike() -> None:
    images = scenes(4)
    opened = []

    def read(place: int):
        opened.append(place)
        return images.source(-1).open(place)

    source = images.source(-1)._replace(open=read)
    augment = DetectionAugment(**PLAIN, mixup=1.0)
    for seed in range(200):
        drawn(augment, source, 2, seed)
    assert opened[::2] == [2] * 200
    shares = np.bincount(opened[1::2], minlength=5) / 200
    np.testing.assert_allclose(shares, [0.25, 0.25, 0, 0.25, 0.25], atol=0.1)


def test_a_quarter_that_is_not_seen_is_not_read() -> None:
    images = scenes(5)
    counts = []
    for seed in range(30):
        opened = []

        def read(place: int, opened: list[int] = opened):
            opened.append(place)
            return images.source(-1).open(place)

        augment = DetectionAugment(**PLAIN, mosaic=1.0, mosaic_size=40, mosaic_scale=(2.0, 2.0))
        drawn(augment, images.source(-1)._replace(open=read), 0, seed)
        counts.append(len(opened))
    assert min(counts) < 4
    assert min(counts) >= 1
