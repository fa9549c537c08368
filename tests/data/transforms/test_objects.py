import numpy as np
import pytest
import torch
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pycocotools import mask as coco
from torchvision import tv_tensors
from torchvision.transforms import v2

from vision.data.index.detection import Objects
from vision.data.index.segments import Outline
from vision.data.transforms.crops import Box
from vision.data.transforms.geometry import Geometry
from vision.data.transforms.objects import MappedObjects, map_objects
from vision.errors import DataError

SIZE = (32, 40)


def objects_of(boxes: np.ndarray, areas: np.ndarray | None = None) -> Objects:
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    count = len(boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    return Objects(
        boxes=boxes,
        labels=np.arange(count, dtype=np.int32),
        crowd=np.arange(count) % 2 == 1,
        areas=sides.prod(axis=1) if areas is None else np.asarray(areas, dtype=np.float32),
        rows=range(count),
    )


def box_of(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def run_lengths(mask: np.ndarray) -> Outline:
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))


def rectangle(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float64)


def masks_of(mapped: MappedObjects) -> np.ndarray:
    assert mapped.masks is not None
    assert mapped.masks.dtype == torch.bool
    return mapped.masks.numpy()


@st.composite
def geometries(draw: st.DrawFn, *, whole_numbers: bool = False) -> Geometry:
    height, width = draw(st.integers(4, SIZE[0])), draw(st.integers(4, SIZE[1]))
    top, left = draw(st.integers(0, SIZE[0] - height)), draw(st.integers(0, SIZE[1] - width))
    if whole_numbers:
        size = (height * draw(st.integers(1, 3)), width * draw(st.integers(1, 3)))
    else:
        size = (draw(st.integers(8, 70)), draw(st.integers(8, 70)))
    padding = draw(st.integers(0, 5))
    canvas = (size[0] + padding, size[1] + padding)
    return Geometry(SIZE, Box(top, left, height, width), size, draw(st.booleans()), canvas)


@st.composite
def blobs(draw: st.DrawFn) -> np.ndarray:
    """Any mask with pixels, in a part of the image."""
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    mask = np.zeros(SIZE, dtype=bool)
    y, x = generator.integers(0, [SIZE[0] - 3, SIZE[1] - 3])
    part = mask[y : y + generator.integers(3, 30), x : x + generator.integers(3, 30)]
    part[:] = generator.random(part.shape) < 0.3
    part[1, 1] = True
    return mask


def transformed(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The mask of the result, pixel by pixel, by the map back to the pixels of the image."""
    result = np.zeros(geometry.canvas, dtype=bool)
    for row in range(geometry.size[0]):
        for column in range(geometry.size[1]):
            x = geometry.size[1] - 1 - column if geometry.flip else column
            source_y = int((row + 0.5) * geometry.window.height / geometry.size[0])
            source_x = int((x + 0.5) * geometry.window.width / geometry.size[1])
            result[row, column] = mask[
                geometry.window.top + source_y, geometry.window.left + source_x
            ]
    return result


@given(st.lists(blobs(), max_size=3), geometries(whole_numbers=True))
@examples(60)
def test_under_a_whole_number_map_boxes_and_masks_agree_exactly(
    masks: list[np.ndarray], geometry: Geometry
) -> None:
    boxes = np.array([box_of(mask) for mask in masks])
    objects = objects_of(boxes, np.array([mask.sum() for mask in masks]))
    mapped = map_objects(objects, [run_lengths(m) for m in masks], geometry, min_visible=1)
    references = [transformed(mask, geometry) for mask in masks]
    kept = [i for i, reference in enumerate(references) if reference.any()]
    assert mapped.labels.tolist() == kept
    assert mapped.crowd.tolist() == [i % 2 == 1 for i in kept]
    assert masks_of(mapped).shape == (len(kept), *geometry.canvas)
    for place, i in enumerate(kept):
        np.testing.assert_array_equal(masks_of(mapped)[place], references[i])
        np.testing.assert_allclose(mapped.boxes[place].numpy(), box_of(references[i]), atol=1e-4)
        np.testing.assert_allclose(mapped.areas[place].item(), references[i].sum(), rtol=1e-5)


@given(blobs(), geometries())
@examples(40)
def test_run_lengths_give_the_nearest_pixel(mask: np.ndarray, geometry: Geometry) -> None:
    mapped = map_objects(objects_of(box_of(mask)), [run_lengths(mask)], geometry)
    np.testing.assert_array_equal(masks_of(mapped)[0], transformed(mask, geometry))


CORNER = st.tuples(st.floats(0, 36), st.floats(0, 28))
SIDES = st.tuples(st.floats(1.5, 40), st.floats(1.5, 32))


def as_rectangle(corner: tuple[float, float], sides: tuple[float, float]) -> np.ndarray:
    x, y = np.round(corner, 2)
    return rectangle(x, y, min(x + sides[0], SIZE[1]), min(y + sides[1], SIZE[0]))


@given(CORNER, SIDES, geometries())
@examples(100)
def test_the_box_of_a_polygon_is_the_box_of_its_pixels(
    corner: tuple[float, float], sides: tuple[float, float], geometry: Geometry
) -> None:
    """Up to the rounding of the pixels, whether the window cuts the polygon or not."""
    polygon = as_rectangle(corner, sides)
    objects = objects_of(np.concatenate([polygon[0], polygon[2]]))
    mapped = map_objects(objects, [[polygon]], geometry, min_visible=1)
    expected = geometry.boxes(objects.boxes)[0].clip(0, geometry.size[::-1] * 2)
    if not len(mapped.boxes):
        assert (expected[2:] - expected[:2]).min() < 1.01
        return
    np.testing.assert_allclose(mapped.boxes[0].numpy(), expected, atol=1e-2)
    assert np.abs(box_of(masks_of(mapped)[0]) - expected).max() <= 1
    area = mapped.areas[0].item()
    box_area = (expected[2:] - expected[:2]).prod()
    assert abs(area - box_area) <= (expected[2:] - expected[:2]).sum() + 1


def grown(mask: np.ndarray) -> np.ndarray:
    """The mask with its neighbours."""
    around = np.pad(mask, 1)
    views = [
        around[y : y + mask.shape[0], x : x + mask.shape[1]] for y in range(3) for x in range(3)
    ]
    return np.logical_or.reduce(views)


def edges_of(polygons: list[np.ndarray], geometry: Geometry) -> np.ndarray:
    """The pixels that a border of polygons runs through, bool `(H, W)`."""
    crossed = np.zeros(geometry.size, bool)
    window, (height, width) = geometry.window, geometry.size
    share = np.linspace(0, 1, 1000)[:, None]
    for polygon in polygons:
        for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            points = start + share * (end - start) - (window.left, window.top)
            x, y = (points * (width / window.width, height / window.height)).T
            x = width - x if geometry.flip else x
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            crossed[y[inside].astype(int), x[inside].astype(int)] = True
    return crossed


@given(st.integers(0, 10_000), geometries())
# Two spikes that are thinner than the parts of the reference's pixels.
@example(2589, Geometry(SIZE, Box(0, 2, 20, 26), (25, 9), True, (25, 9)))
@example(2589, Geometry(SIZE, Box(0, 0, 7, 22), (20, 8), False, (20, 8)))
@examples(40)
def test_polygons_are_the_full_resolution_mask_up_to_their_border(
    seed: int, geometry: Geometry
) -> None:
    """The reference cuts and scales pixels: of the polygons drawn 16 times as large."""
    assume(max(geometry.scale) <= 3)
    generator = np.random.default_rng(seed)
    fine, parts = 16, 8
    polygons = [
        (generator.uniform(-0.2, 1.2, (generator.integers(3, 9), 2)) * SIZE[::-1]).clip(
            0, SIZE[::-1]
        )
        for _ in range(generator.integers(1, 3))
    ]
    flat = [(polygon * fine).ravel().tolist() for polygon in polygons]
    large = (SIZE[0] * fine, SIZE[1] * fine)
    full = coco.decode(coco.merge(coco.frPyObjects(flat, *large))).astype(bool)
    window = Box(*(fine * value for value in geometry.window))
    height, width = geometry.size
    in_parts = (parts * height, parts * width)
    reference = Geometry(large, window, in_parts, geometry.flip, in_parts).mask(
        full[window.top : window.bottom, window.left : window.left + window.width]
    )
    blocks = reference.reshape(height, parts, width, parts)
    border = grown(edges_of(polygons, geometry))
    covered = blocks.all(axis=(1, 3))
    points = np.concatenate(polygons)
    objects = objects_of(np.concatenate([points.min(axis=0), points.max(axis=0)]))
    mapped = map_objects(objects, [polygons], geometry)
    actual = masks_of(mapped)[0][:height, :width]
    assert (actual == covered)[~border].all()
    solid = covered & ~border
    if solid.any():
        box, inside = mapped.boxes[0].numpy(), box_of(solid)
        assert (box[:2] <= inside[:2] + 0.5).all()  # the reference is made of pixels
        assert (box[2:] >= inside[2:] - 0.5).all()


def test_an_object_that_is_cut_is_boxed_anew() -> None:
    """The lower left half of a square: its part at the right is lower than the square."""
    triangle = np.array([(0.0, 0.0), (20.0, 20.0), (0.0, 20.0)])
    geometry = Geometry(SIZE, Box(0, 10, 32, 30), (64, 60), False, (64, 60))
    mapped = map_objects(objects_of([0, 0, 20, 20], [200]), [[triangle]], geometry)
    np.testing.assert_allclose(mapped.boxes.numpy(), [[0, 20, 20, 40]], atol=1e-2)
    assert mapped.areas.item() == pytest.approx(200, abs=12)  # 10 * 10 / 2, scaled by 4
    box = map_objects(objects_of([0, 0, 20, 20], [200]), None, geometry)
    np.testing.assert_allclose(box.boxes.numpy(), [[0, 0, 20, 40]])  # nothing better is known
    assert box.areas.item() == 400  # half of the annotated area, scaled by 4


def test_an_object_that_is_not_cut_keeps_its_annotated_box_and_area() -> None:
    geometry = Geometry(SIZE, Box(0, 0, 30, 40), (60, 120), True, (60, 120))
    polygon = rectangle(10, 10, 20, 20)
    mapped = map_objects(objects_of([9.5, 10, 20.5, 20], [77]), [[polygon]], geometry)
    np.testing.assert_allclose(mapped.boxes.numpy(), [[120 - 61.5, 20, 120 - 28.5, 40]])
    assert mapped.areas.item() == 77 * 2 * 3


def test_what_is_left_of_a_thin_or_hidden_object_is_dropped() -> None:
    geometry = Geometry(SIZE, Box(0, 0, 32, 20), (32, 20), False, (32, 20))
    boxes = [[19.5, 0, 30, 9], [18.5, 0, 30, 9], [25, 0, 30, 9], [20, 0, 30, 9], [0, 30, 8, 30.5]]
    outlines = [[rectangle(*box)] for box in boxes]
    for given_outlines in (None, outlines):
        mapped = map_objects(objects_of(boxes), given_outlines, geometry, min_visible=1)
        assert mapped.labels.tolist() == [1]
        np.testing.assert_allclose(mapped.boxes.numpy(), [[18.5, 0, 20, 9]], atol=1e-2)
        everything = map_objects(objects_of(boxes), given_outlines, geometry)
        assert everything.labels.tolist() == [0, 1, 2, 3, 4]
    # A box may be seen where its object is not: here it is the upper right half of the box.
    triangle = np.array([(4.0, 0.0), (30.0, 0.0), (30.0, 26.0)])
    window = Geometry(SIZE, Box(16, 0, 16, 12), (16, 12), False, (16, 12))
    assert len(map_objects(objects_of([4, 0, 30, 26]), [[triangle]], window, min_visible=1)[0]) == 0
    assert len(map_objects(objects_of([4, 0, 30, 26]), None, window, min_visible=1)[0]) == 1


def test_an_object_without_outline_has_no_mask() -> None:
    geometry = Geometry(SIZE, Box(0, 0, *SIZE), SIZE, False, SIZE)
    objects = objects_of([[1, 1, 9, 9], [2, 2, 8, 8]])
    outlines: list[Outline] = [None, [rectangle(2, 2, 8, 8)]]
    mapped = map_objects(objects, outlines, geometry, min_visible=1)
    assert mapped.labels.tolist() == [1]
    everything = map_objects(objects, outlines, geometry)
    assert masks_of(everything).sum(axis=(1, 2)).tolist() == [0, 36]


@given(st.lists(st.tuples(CORNER, SIDES), max_size=4), geometries(), st.booleans())
@examples(60)
def test_types_and_limits_hold_for_any_objects(
    rectangles: list, geometry: Geometry, with_masks: bool
) -> None:
    polygons = [as_rectangle(*pair) for pair in rectangles]
    objects = objects_of(np.array([np.concatenate([p[0], p[2]]) for p in polygons]))
    outlines = [[polygon] for polygon in polygons] if with_masks else None
    mapped = map_objects(objects, outlines, geometry, min_visible=1)
    count = len(mapped.boxes)
    assert mapped.boxes.shape == (count, 4)
    assert mapped.boxes.dtype == mapped.areas.dtype == torch.float32
    assert mapped.labels.dtype == torch.int64
    assert mapped.crowd.dtype == torch.bool
    assert mapped.crowd.tolist() == [label % 2 == 1 for label in mapped.labels.tolist()]
    assert (mapped.boxes >= 0).all()
    assert (mapped.boxes <= torch.tensor(geometry.size[::-1] * 2)).all()
    assert (mapped.areas > 0).all()
    if with_masks:
        masks = masks_of(mapped)
        assert masks.shape == (count, *geometry.canvas)
        assert masks.any(axis=(1, 2)).all()
        assert not masks[:, geometry.size[0] :].any()
        assert not masks[:, :, geometry.size[1] :].any()
    else:
        assert mapped.masks is None


@given(st.lists(st.tuples(CORNER, SIDES), max_size=5), geometries())
@examples(60)
def test_boxes_alone_are_torchvision_s(rectangles: list, geometry: Geometry) -> None:
    polygons = [as_rectangle(*pair) for pair in rectangles]
    objects = objects_of(np.array([np.concatenate([p[0], p[2]]) for p in polygons]))
    window = geometry.window
    boxes = tv_tensors.BoundingBoxes(
        torch.from_numpy(objects.boxes), format="XYXY", canvas_size=SIZE
    )
    boxes = v2.functional.resized_crop(
        boxes, window.top, window.left, window.height, window.width, list(geometry.size)
    )
    if geometry.flip:
        boxes = v2.functional.horizontal_flip(boxes)
    expected = v2.functional.clamp_bounding_boxes(boxes).numpy()
    mapped = map_objects(objects, None, geometry)
    # An object out of sight may be a line at either end of its place.
    seen = ((expected[:, 2:] - expected[:, :2]) > 1e-3).all(axis=1)
    np.testing.assert_allclose(mapped.boxes.numpy()[seen], expected[seen], atol=2e-4)
    assert ((mapped.boxes[:, 2:] - mapped.boxes[:, :2]).numpy()[~seen].min(axis=1) < 2e-3).all()


def test_an_image_without_objects() -> None:
    geometry = Geometry(SIZE, Box(0, 0, *SIZE), (16, 20), True, (16, 24))
    mapped = map_objects(objects_of(np.zeros((0, 4))), [], geometry, min_visible=1)
    assert mapped.boxes.shape == (0, 4)
    assert masks_of(mapped).shape == (0, 16, 24)
    assert mapped.labels.dtype == torch.int64
    assert map_objects(objects_of(np.zeros((0, 4))), None, geometry).masks is None


def test_a_mask_of_another_size_is_named() -> None:
    geometry = Geometry(SIZE, Box(0, 0, *SIZE), SIZE, False, SIZE)
    mask = run_lengths(np.ones((40, 32)))
    with refuses(DataError, "40 x 32", "32 x 40"):
        map_objects(objects_of([0, 0, 30, 30]), [mask], geometry)
