import numpy as np
import pytest
import torch
from helpers.properties import examples
from hypothesis import example, given
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from vision.data.transforms.crops import Box
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.geometry import Geometry, fit_size, plain_geometry, sample_geometry
from vision.data.transforms.rng import SampleRng

SIZES = st.tuples(st.integers(1, 900), st.integers(1, 900))


@st.composite
def geometries(draw: st.DrawFn, maximum: int = 40) -> Geometry:
    height, width = draw(st.integers(4, maximum)), draw(st.integers(4, maximum))
    top, left = draw(st.integers(0, height - 2)), draw(st.integers(0, width - 2))
    window = Box(top, left, draw(st.integers(2, height - top)), draw(st.integers(2, width - left)))
    size = (draw(st.integers(2, maximum)), draw(st.integers(2, maximum)))
    return Geometry((height, width), window, size, draw(st.booleans()), size)


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        # 640 * (800 / 480) = 1066.67
        ((480, 640), 800, (800, 1067)),
        ((640, 480), 800, (1067, 800)),
        # 427 * (1333 / 640) = 889.4, so the short side decides: 640 * (800 / 427) = 1199.06
        ((427, 640), 800, (800, 1199)),
        # The long side decides: 1333 / 640 = 2.0828; 300 * 2.0828 = 624.8
        ((300, 640), 800, (625, 1333)),
        # 500 * (608 / 375) = 810.67; a half is rounded up: 5 * 0.5 = 2.5
        ((375, 500), 608, (608, 811)),
        ((4, 5), 2, (2, 3)),
        # A line of pixels does not vanish.
        ((1, 10_000), 800, (1, 1333)),
    ],
)
def test_sizes_are_mmcv_s(
    size: tuple[int, int], short_side: int, expected: tuple[int, int]
) -> None:
    assert fit_size(size, short_side=short_side, long_side=1333) == expected


@given(SIZES, st.integers(100, 900))
def test_a_fitted_image_keeps_its_ratio_and_its_limits(
    size: tuple[int, int], short_side: int
) -> None:
    fitted = fit_size(size, short_side=short_side, long_side=1333)
    assert min(fitted) <= short_side
    assert max(fitted) <= 1333
    assert min(fitted) == short_side or max(fitted) == 1333 or max(size) / min(size) > 1.4
    scale = max(fitted) / max(size)
    assert abs(min(fitted) - scale * min(size)) <= 1 + 0.5 * min(size) / max(size)


@given(geometries())
@examples()
def test_pixels_and_points_move_together(geometry: Geometry) -> None:
    """The pixel of a mask's result is the one whose square holds the centre, mapped back."""
    number = np.arange(geometry.window.height * geometry.window.width)
    mask = number.reshape(geometry.window.height, geometry.window.width)
    result = geometry.mask(mask)
    assert result.shape == geometry.size
    for row in range(geometry.size[0]):
        for column in range(0, geometry.size[1], 7):
            source_row, source_column = divmod(int(result[row, column]), geometry.window.width)
            top_left = np.array([source_column, source_row]) + geometry.window[1::-1]
            corners = geometry.points(np.stack([top_left, top_left + 1]))
            centre = np.array([column, row]) + 0.5
            assert (corners.min(axis=0) - 1e-9 <= centre).all()
            assert (centre <= corners.max(axis=0) + 1e-9).all()


@given(geometries())
@examples()
def test_boxes_are_around_their_mapped_corners(geometry: Geometry) -> None:
    boxes = np.random.default_rng(0).uniform(0, 40, (5, 2, 2))
    boxes = np.concatenate([boxes.min(axis=1), boxes.max(axis=1)], axis=1)
    mapped = geometry.boxes(boxes)
    first, last = geometry.points(boxes[:, :2]), geometry.points(boxes[:, 2:])
    np.testing.assert_allclose(mapped[:, :2], np.minimum(first, last))
    np.testing.assert_allclose(mapped[:, 2:], np.maximum(first, last))
    assert geometry.boxes(np.zeros((0, 4))).shape == (0, 4)


@given(st.integers(2, 30), st.integers(2, 30))
@examples()
def test_mirroring_twice_changes_nothing(height: int, width: int) -> None:
    size = (height, width)
    flip = Geometry(size, Box(0, 0, *size), size, True, size)
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    torch.testing.assert_close(flip.resize(flip.resize(image)), image)
    assert not torch.equal(flip.resize(image), image) or torch.equal(image, image.flip(2))
    mask = image[0].numpy() > 128
    np.testing.assert_array_equal(flip.mask(flip.mask(mask)), mask)
    boxes = np.array([[0.25, 0.5, 1.5, 2.0]])
    np.testing.assert_allclose(flip.boxes(flip.boxes(boxes)), boxes)
    np.testing.assert_allclose(flip.points(flip.points(boxes[:, :2])), boxes[:, :2])


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("size", [(30, 44), (75, 61)])
def test_resizing_and_mirroring_are_torchvision_s(flip: bool, size: tuple[int, int]) -> None:
    image = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8).permute(2, 0, 1)
    boxes = torch.tensor([[3.0, 4.0, 30.5, 40.25], [0.0, 0.0, 64.0, 48.0]])
    theirs = v2.Compose([v2.Resize(size), v2.RandomHorizontalFlip(float(flip))])(
        {
            "image": tv_tensors.Image(image),
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(48, 64)),
        }
    )
    geometry = Geometry((48, 64), Box(0, 0, 48, 64), size, flip, size)
    # A mean of bytes is rounded to the neighbouring one where the order of the sum differs.
    difference = geometry.resize(geometry.crop(image)).int() - theirs["image"].int()
    assert difference.abs().max() <= 1
    np.testing.assert_allclose(geometry.boxes(boxes.numpy()), theirs["boxes"], rtol=1e-5)


@pytest.mark.parametrize("size", [(31, 47), (96, 41), (61, 130), (200, 260), (97, 131)])
def test_without_antialiasing_pixels_are_those_of_mmcv(size: tuple[int, int]) -> None:
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(0).integers(0, 256, (97, 131, 3), dtype=np.uint8)
    theirs = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR)
    geometry = Geometry((97, 131), Box(0, 0, 97, 131), size, False, size)
    ours = geometry.resize(torch.from_numpy(pixels).permute(2, 0, 1), antialias=False)
    assert np.abs(theirs.astype(int) - ours.permute(1, 2, 0).numpy()).max() <= 1


def test_without_antialiasing_a_pixel_lies_between_its_four_neighbours() -> None:
    # Of four pixels one is kept: the centre of the new one is at 1.5, between 10 and 50.
    row = torch.tensor([0, 10, 50, 200], dtype=torch.uint8).repeat(3, 1, 1)
    geometry = Geometry((1, 4), Box(0, 0, 1, 4), (1, 1), False, (1, 1))
    assert geometry.resize(row, antialias=False).flatten().tolist() == [30, 30, 30]
    assert geometry.resize(row).flatten().tolist() != [30, 30, 30]


def test_evaluation_resizes_the_whole_image() -> None:
    geometry = plain_geometry((480, 640), short_side=800, long_side=1333)
    assert geometry == Geometry((480, 640), Box(0, 0, 480, 640), (800, 1067), False, (800, 1067))
    assert not geometry.crops


def test_padding_is_at_the_right_and_at_the_bottom() -> None:
    geometry = Geometry((4, 4), Box(0, 0, 4, 4), (4, 4), False, (6, 5))
    padded = geometry.pad(torch.full((3, 4, 4), 9, dtype=torch.uint8), (1, 2, 3))
    assert padded.shape == (3, 6, 5)
    assert (padded[:, :4, :4] == 9).all()
    assert (padded[:, 4:] == torch.tensor([1, 2, 3])[:, None, None]).all()
    assert (padded[:, :, 4:] == torch.tensor([1, 2, 3])[:, None, None]).all()


@given(SIZES, st.integers(0, 1000), st.sampled_from(["none", "detr", "jitter"]))
@example((386, 1), 193, "jitter")  # scaled by a fifth, the width would round to nothing
@example((1, 900), 0, "jitter")
@examples()
def test_what_is_drawn_lies_in_the_image_and_keeps_its_ratio(
    size: tuple[int, int], seed: int, kind: str
) -> None:
    options = {"jitter": (0.1, 2.0)} if kind == "jitter" else {"crop": kind}
    augment = DetectionAugment(short_sides=(480, 512, 800), jitter_size=256, **options)
    torch.manual_seed(seed)
    geometry = sample_geometry(size, augment, SampleRng())
    window = geometry.window
    assert 0 <= window.top < window.bottom <= size[0]
    assert 0 <= window.left < window.left + window.width <= size[1]
    if kind == "jitter":
        assert geometry.canvas == (256, 256)
        assert max(geometry.size) <= 256
    else:
        assert geometry.canvas == geometry.size
        assert max(geometry.size) <= 1333
        assert min(geometry.size) in (480, 512, 800) or max(geometry.size) == 1333
    # Both axes have one scale, up to the rounding of the window and of the size.
    scale_x, scale_y = geometry.scale
    slack = 1 / min(window.height, window.width) + 1 / min(geometry.size)
    assert abs(scale_x / scale_y - 1) <= 2 * slack


def test_a_line_is_cut_off_and_not_squeezed() -> None:
    # 386 x 1 pixels at a scale of 0.2 would be 77 x 0.2.
    augment = DetectionAugment(jitter=(0.2, 0.2), jitter_size=386, hflip=0.0)
    torch.manual_seed(0)
    geometry = sample_geometry((386, 1), augment, SampleRng())
    assert (geometry.size, geometry.scale) == ((386, 1), (1.0, 1.0))
    smaller = DetectionAugment(jitter=(0.2, 0.2), jitter_size=100, hflip=0.0)
    geometry = sample_geometry((386, 1), smaller, SampleRng())
    assert (geometry.size, geometry.scale) == ((100, 1), (1.0, 1.0))
    assert geometry.window.height == 100
    # A whole image keeps its limit instead: of evaluation nothing is cut off.
    assert fit_size((5000, 1), short_side=800, long_side=1333) == (1333, 1)


def drawn(augment: DetectionAugment, size: tuple[int, int], count: int = 400) -> list[Geometry]:
    torch.manual_seed(0)
    return [sample_geometry(size, augment, SampleRng()) for _ in range(count)]


def test_short_sides_and_mirroring_are_drawn_evenly() -> None:
    found = drawn(DetectionAugment(short_sides=(480, 640, 800)), (480, 640))
    assert {geometry.size for geometry in found} == {(480, 640), (640, 853), (800, 1067)}
    assert 95 < sum(geometry.size[0] == 480 for geometry in found) < 175
    assert 160 < sum(geometry.flip for geometry in found) < 240
    assert not any(geometry.crops for geometry in found)


def test_the_crop_is_detr_s() -> None:
    """Of 480 x 640 at a short side of 400, 500 or 600: 384 to 600 pixels along each axis."""
    found = drawn(DetectionAugment(crop="detr"), (480, 640), 600)
    cropped = [geometry for geometry in found if geometry.crops]
    assert 0.4 < len(cropped) / len(found) < 0.55  # one that covers all of it is no crop
    shares = np.array([(g.window.height / 480, g.window.width / 640) for g in cropped])
    # Height: 384 of 600 rows at least, all of 400 or 500 at most; width: 384 of 800 columns.
    assert 0.63 < shares[:, 0].min() < 0.68
    assert shares[:, 0].max() == 1
    assert 0.47 < shares[:, 1].min() < 0.54
    tops = np.array([g.window.top for g in cropped if g.window.height < 480])
    assert tops.min() <= 3  # windows reach the upper border
    assert any(g.window.bottom == 480 and g.window.height < 480 for g in cropped)
    assert all(min(g.size) == 800 or max(g.size) == 1333 for g in found)


def test_the_crop_keeps_an_axis_that_is_short() -> None:
    found = drawn(DetectionAugment(crop="detr", crop_sides=(300,)), (100, 400), 100)
    cropped = [geometry for geometry in found if geometry.crops]
    assert {geometry.window.height for geometry in cropped} == {100}
    # 384 to 600 of 1200 columns
    assert 128 <= min(geometry.window.width for geometry in cropped) < 145
    assert 185 < max(geometry.window.width for geometry in cropped) <= 200


def test_jitter_scales_the_long_side_between_its_limits() -> None:
    found = drawn(DetectionAugment(jitter=(0.1, 2.0)), (480, 640), 600)
    assert {geometry.canvas for geometry in found} == {(1024, 1024)}
    scales = np.array([geometry.scale[0] * 640 / 1024 for geometry in found])
    assert 0.09 < scales.min() < 0.12
    assert 1.95 < scales.max() < 2.02
    assert abs(np.mean(scales) - 1.05) < 0.08
    small = [g for g in found if g.size[1] < 1024]
    assert all(g.window == Box(0, 0, 480, 640) for g in small)
    assert 0.4 < len(small) / len(found) < 0.55  # (1 - 0.1) / 1.9 of them
    large = [g for g in found if g.scale[0] * 640 > 1500]
    assert all(g.size == (1024, 1024) for g in large)
    assert len({g.window.left for g in large}) > 50


@pytest.mark.parametrize("flip", [False, True])
def test_a_mask_takes_the_pixel_under_each_centre(flip: bool) -> None:
    generator = np.random.default_rng(0)
    for _ in range(30):
        height, width, *size = generator.integers(1, 40, 4).tolist()
        geometry = Geometry(
            (50, 60), Box(3, 4, height, width), (size[0], size[1]), flip, (size[0], size[1])
        )
        mask = generator.random((height, width)) < 0.5
        rows, columns = (
            ((2 * np.arange(after) + 1) * before) // (2 * after)
            for before, after in ((height, size[0]), (width, size[1]))
        )
        expected = mask[rows[:, None], columns[::-1] if flip else columns]
        np.testing.assert_array_equal(geometry.mask(mask), expected)
