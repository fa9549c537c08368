"""Image and segments stay together: images are painted so that their colours say what they show."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_segments import THINGS, paint, scene
from scipy.ndimage import maximum_filter, minimum_filter

from vision.annotations.panoptic import Segments
from vision.data.transforms.panoptic import (
    TRIES,
    DecodedSegments,
    PanopticEvalTransform,
    PanopticTrainTransform,
    SegmentSource,
    evaluated_size,
    sample_geometry,
)
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segment_map import SegmentMap
from vision.errors import ConfigError

IS_THING = np.isin(np.arange(4), THINGS)
FILL = (7, 255, 128)
# Of paint: the step of a class in red, and void.
STEP, VOID_RED = 60, 240
PLAIN = {"crop": (44, 60), "photometric": False, "fill": FILL}


def load(place: int) -> DecodedSegments:
    ids, segments = scene(place)
    image = torch.from_numpy(paint(ids, segments)).permute(2, 0, 1)
    return DecodedSegments(image, SegmentMap(ids, segments))


def source(length: int = 6, read: Callable[[int], DecodedSegments] = load) -> SegmentSource:
    return SegmentSource(length, read, IS_THING)


def inner(ids: np.ndarray, radius: int) -> np.ndarray:
    """Pixels with only their own segment within a radius: what bilinear resampling leaves."""
    low, high = (each(ids, 2 * radius + 1) for each in (minimum_filter, maximum_filter))
    same = low == high
    same[:radius], same[-radius:], same[:, :radius], same[:, -radius:] = False, False, False, False
    return same


@pytest.mark.parametrize("copy_paste", [False, True])
def test_colours_say_that_image_and_segments_have_one_geometry(copy_paste: bool) -> None:
    scale = (0.5, 2.0)
    transform = PanopticTrainTransform(
        PanopticAugment(**PLAIN, scale=scale, copy_paste=copy_paste), antialias=False
    )
    things, pasted = 0, 0
    for seed in range(25):
        torch.manual_seed(seed)
        result = transform.draw(seed % 6, source())
        ids, segments = result.segmented
        assert ids.shape == result.image.shape[1:]
        assert all(mine <= most for mine, most in zip(ids.shape, PLAIN["crop"], strict=True))
        assert {*np.unique(ids).tolist()} - {0} == {*segments.ids.tolist()}
        stuff = segments.labels[~IS_THING[segments.labels]]
        assert len({*stuff.tolist()}) == len(stuff)
        red, green, _ = result.image.numpy().astype(int)
        inside = inner(ids, math.ceil(scale[1]) + 1)
        void = inside & (ids == 0)
        assert np.isin(red[void], (VOID_RED, FILL[0])).all()
        for one, label in zip(segments.ids, segments.labels, strict=True):
            own = inside & (ids == one)
            # Stuff that joins pasted stuff may have been interpolated with what that covers.
            exact = (red[own] == STEP * label).sum()
            assert exact >= (0.9 if copy_paste and not IS_THING[label] else 1) * own.sum()
            if IS_THING[label] and own.any():
                assert len(np.unique(green[own])) == 1
                things += 1
        pasted += len(segments.ids) > 7  # the most that one image has
    assert things > 40
    assert (pasted > 5) is copy_paste


def test_mirrored_pixels_are_those_of_the_file_backwards() -> None:
    whole = {"crop": (40, 56), "scale": (1.0, 1.0), "copy_paste": False, "photometric": False}
    original, (ids, segments) = load(2).image, scene(2)
    for flip in (0.0, 1.0):
        transform = PanopticTrainTransform(PanopticAugment(**whole, hflip=flip))
        result = transform.draw(2, source())
        expected = ids[:, ::-1] if flip else ids
        assert torch.equal(result.image, original.flip(2) if flip else original)
        own = np.concatenate([[0], segments.ids])
        # Numbered in the order of the file, without those that it covers: there are none.
        np.testing.assert_array_equal(own[result.segmented.ids], expected)
        assert result.original_size == (40, 56)


def test_the_scale_is_relative_to_fitting_the_crop() -> None:
    augment = PanopticAugment(crop=(64, 64))
    torch.manual_seed(0)
    small = sample_geometry((32, 128), augment, SampleRng(), (0.5, 0.5))
    assert (small.size, small.window) == ((8, 32), (0, 0, 32, 128))
    large = sample_geometry((32, 128), augment, SampleRng(), (4.0, 4.0))
    assert large.size == (64, 64)
    assert (large.window.height, large.window.width) == (32, 32)
    tiny = sample_geometry((1, 4000), augment, SampleRng(), (0.5, 0.5))
    assert tiny.size == (1, 32)


def test_the_other_image_has_half_the_scale_and_is_never_the_same() -> None:
    sizes = []

    def read(place: int) -> DecodedSegments:
        made = load(place)
        sizes.append(place)
        return made

    transform = PanopticTrainTransform(
        PanopticAugment(crop=(40, 56), scale=(1.0, 1.0), photometric=False, hflip=0, fill=FILL)
    )
    torch.manual_seed(3)
    result = transform.draw(1, source(2, read))
    assert sizes == [1, 0]
    # Pasted pixels lie within the upper left quarter.
    original = load(1).image
    changed = (result.image != original).any(dim=0).numpy()
    assert changed.any()
    assert not changed[20:].any()
    assert not changed[:, 28:].any()


def test_images_with_too_few_labelled_pixels_are_replaced() -> None:
    read = []

    def some_empty(place: int) -> DecodedSegments:
        read.append(place)
        made = load(place)
        if place == 5:
            return made
        nothing = Segments(*(part[:0] for part in made.segmented.segments))
        return made._replace(segmented=SegmentMap(np.zeros_like(made.segmented.ids), nothing))

    options = {"crop": (40, 56), "scale": (1.0, 1.0), "copy_paste": False}
    torch.manual_seed(0)
    result = PanopticTrainTransform(PanopticAugment(**options)).draw(0, source(6, some_empty))
    assert result.place == read[-1] == 5
    assert 1 < len(read) <= TRIES
    read.clear()
    wanting = PanopticTrainTransform(PanopticAugment(**options, min_labelled=1.0))
    assert wanting.draw(5, source(6, some_empty)) is not None
    assert len(read) == TRIES
    # 4,096 pixels of 321 x 321, a quarter of each side, are the default share.
    assert PanopticAugment().min_labelled == pytest.approx(4096 / 321**2, abs=0.001)


@pytest.mark.parametrize("option", ["albumentations", "transform"])
def test_own_augmentations_move_segments_with_their_pixels(option: str) -> None:
    from torchvision.transforms import v2

    pytest.importorskip("albumentations")
    own = {
        "albumentations": [{"name": "Affine", "rotate": 90, "fit_output": False, "p": 1.0}],
        "transform": v2.RandomAffine(degrees=(90, 90)),
    }[option]
    options = {"crop": (40, 56), "scale": (1.0, 1.0), "photometric": False, "copy_paste": False}
    transform = PanopticTrainTransform(
        PanopticAugment(**options, hflip=0, **{option: own}), antialias=False
    )
    many = np.arange(40 * 56).reshape(40, 56) // 4 + 250  # more than a byte holds
    segments = Segments(np.unique(many), np.zeros(560, int), np.zeros(560, bool))
    pixels = np.stack([many % 256, many // 256, many * 0 + 255]).astype(np.uint8)
    given = DecodedSegments(torch.from_numpy(pixels), SegmentMap(many, segments))
    result = transform.draw(0, source(1, lambda place: given))
    ids, found = result.segmented
    low, high, inside = result.image.numpy().astype(int)
    assert (ids > 0).mean() > 0.5
    assert (ids == 0).any()  # uncovered corners
    # The image shows the number of each segment, where it was not interpolated.
    values = low + 256 * high
    shown = [np.unique(values[(ids == one) & (inside == 255)]) for one in found.ids]
    single = [int(one[0]) for one in shown if len(one) == 1]
    assert len(single) > 100
    assert len({*single}) == len(single)


def test_randomness_is_that_of_the_seeded_generator() -> None:
    transform = PanopticTrainTransform(PanopticAugment(crop=(44, 60)))
    drawn = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        drawn.append(transform.draw(3, source()))
    one, same, other = drawn
    assert torch.equal(one.image, same.image)
    np.testing.assert_array_equal(one.segmented.ids, same.segmented.ids)
    assert one.image.shape != other.image.shape or not torch.equal(one.image, other.image)


@pytest.mark.parametrize(
    ("size", "long_side", "canvas", "expected"),
    [
        ((480, 640), 1281, (1281, 1281), (961, 1281)),
        ((640, 480), 1281, (1281, 1281), (1281, 961)),
        ((1024, 2048), 2049, (1025, 2049), (1024, 2049)),
        ((2048, 1024), 2049, (1025, 2049), (1025, 512)),
        ((30, 50), None, None, (30, 50)),
        ((30, 50), None, (60, 25), (15, 25)),
        ((1, 5000), 100, None, (1, 100)),
    ],
)
def test_sizes_in_evaluation(
    size: tuple[int, int],
    long_side: int | None,
    canvas: tuple[int, int] | None,
    expected: tuple[int, int],
) -> None:
    assert evaluated_size(size, long_side, canvas) == expected


def test_evaluation_resizes_images_and_leaves_segments() -> None:
    transform = PanopticEvalTransform(long_side=28, canvas=(30, 30))
    result = transform.draw(4, source())
    assert (result.image.shape, result.place) == ((3, 20, 28), 4)
    np.testing.assert_array_equal(result.segmented.ids, scene(4)[0])
    assert PanopticEvalTransform(**transform.options).options == transform.options
    unchanged = PanopticEvalTransform(long_side=None, canvas=None).draw(4, source())
    assert torch.equal(unchanged.image, load(4).image)
    for wrong in ({"long_side": 0}, {"canvas": (0, 4)}, {"antialias": "no"}):
        with refuses(ConfigError, *wrong):
            PanopticEvalTransform(**wrong)
