import numpy as np
import torch

from vision.data.transforms.mosaic import QUARTERS, Mosaic, make_tile, paste_tiles, sample_mosaic
from vision.data.transforms.objects import MappedObjects
from vision.data.transforms.rng import SampleRng

FILL = (7, 8, 9)


def layout_of(side: int, scale: float, centre: tuple[float, float]) -> Mosaic:
    """The canvas in the middle of the square, and the centre of the images on the canvas."""
    edge = side / 2 - scale * side, side / 2 + scale * side
    shared = tuple(edge[0] + scale * place for place in centre)
    return Mosaic(side, scale, (edge, edge), shared)  # type: ignore[arg-type]


def full(grey: int, size: tuple[int, int], label: int) -> tuple[torch.Tensor, MappedObjects]:
    """An image of one colour with one object that fills it."""
    height, width = size
    objects = MappedObjects(
        boxes=torch.tensor([[0.0, 0.0, width, height]]),
        labels=torch.tensor([label]),
        crowd=torch.tensor([False]),
        areas=torch.tensor([float(height * width)]),
        masks=torch.ones(1, height, width, dtype=torch.bool),
    )
    return torch.full((3, height, width), grey, dtype=torch.uint8), objects


def test_four_images_meet_at_the_centre() -> None:
    """By hand: a square of 8 that shows all of its canvas of 16 at half the size."""
    layout = layout_of(8, 0.5, (6, 10))  # the centre is at (3, 5) of the square
    sizes = [(8, 8), (8, 4), (4, 8), (2, 2)]
    tiles = []
    for number, (quarter, size) in enumerate(zip(QUARTERS, sizes, strict=True)):
        tile = make_tile(layout, *quarter, size, flip=False)
        assert tile is not None
        tiles.append((tile, *full(10 * (number + 1), tile.geometry.size, number)))
    image, objects = paste_tiles(layout, tiles, FILL, masks=True)
    expected = np.array(
        [
            # 8 x 8 at 4 x 4, of which 3 rows; 8 x 4 at 4 x 2; 4 x 8 at 2 x 4; 2 x 2 at 4 x 4.
            [7, 10, 10, 10, 10, 20, 20, 7],
            [7, 10, 10, 10, 10, 20, 20, 7],
            [7, 10, 10, 10, 10, 20, 20, 7],
            [7, 30, 30, 30, 30, 40, 40, 40],
            [7, 30, 30, 30, 30, 40, 40, 40],
            [7, 7, 7, 7, 7, 40, 40, 40],
            [7, 7, 7, 7, 7, 40, 40, 40],
            [7, 7, 7, 7, 7, 7, 7, 7],
        ]
    )
    assert image[0].tolist() == expected.tolist()
    assert image[:, 0, 0].tolist() == [*FILL]
    assert objects.labels.tolist() == [0, 1, 2, 3]
    assert objects.boxes.tolist() == [[1, 0, 5, 3], [5, 0, 7, 3], [1, 3, 5, 5], [5, 3, 8, 7]]
    assert objects.masks is not None
    for number, mask in enumerate(objects.masks.numpy()):
        assert (mask == (expected == 10 * (number + 1))).all()
    # What the canvas cuts off is the part away from the centre.
    assert tiles[0][0].geometry.window == (2, 0, 6, 8)
    assert tiles[3][0].geometry.window == (0, 0, 2, 2)


def test_a_flipped_image_shows_its_other_side_at_the_centre() -> None:
    layout = layout_of(8, 1.0, (8, 8))
    plain = make_tile(layout, False, False, (8, 8), flip=False)
    turned = make_tile(layout, False, False, (8, 8), flip=True)
    assert plain is not None
    assert turned is not None
    # The square shows the lower right half of the upper left image, along each axis.
    assert plain.geometry.window == (4, 4, 4, 4)
    assert turned.geometry.window == (4, 0, 4, 4)
    assert plain.geometry.size == turned.geometry.size == (4, 4)
    assert turned.geometry.boxes(np.array([[0, 4, 1, 8]])).tolist() == [[3, 0, 4, 4]]


def test_what_lies_outside_of_the_square_is_no_tile() -> None:
    layout = layout_of(8, 2.0, (12, 12))  # the centre is beyond the lower right corner
    assert layout.centre == (12.0, 12.0)
    assert [layout.shows(*quarter) for quarter in QUARTERS] == [True, False, False, False]
    # The quarter is seen, but an image of 8 x 1 is too narrow to reach the square.
    assert make_tile(layout, False, False, (8, 1), flip=False) is None
    assert make_tile(layout, False, False, (8, 8), flip=False) is not None
    image, objects = paste_tiles(layout, [], FILL, masks=True)
    assert (image == torch.tensor(FILL).view(3, 1, 1)).all()
    assert objects.masks is not None
    assert objects.masks.shape == (0, 8, 8)
    assert objects.boxes.shape == (0, 4)


def test_layouts_are_drawn_as_published() -> None:
    """YOLOX: the centre between a half and one and a half sides, the shift of a tenth."""
    torch.manual_seed(0)
    layouts = [sample_mosaic(100, (0.1, 2.0), SampleRng()) for _ in range(2000)]
    scales = np.array([layout.scale for layout in layouts])
    edges = np.array([layout.edges for layout in layouts])
    centres = np.array([layout.centre for layout in layouts])
    np.testing.assert_allclose(
        [scales.min(), scales.max(), scales.mean()], [0.1, 2, 1.05], atol=0.03
    )
    np.testing.assert_allclose(edges[..., 1] - edges[..., 0], np.tile(200 * scales, (2, 1)).T)
    shifts = edges.mean(axis=2) - 50
    np.testing.assert_allclose([shifts.min(), shifts.max()], [-10, 10], atol=0.1)
    shares = (centres - edges[..., 0]) / scales[:, None] / 100
    np.testing.assert_allclose([shares.min(), shares.max()], [0.5, 1.5], atol=0.01)
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.1
