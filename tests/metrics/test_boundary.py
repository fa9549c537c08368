import numpy as np
import pytest
import torch
from helpers.properties import examples
from helpers.random_labels import random_maps
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.metrics import boundary
from vision.metrics.boundary import boundary_distance, boundary_labels, inner_pixels


def by_definition(labels: np.ndarray, distance: int) -> np.ndarray:
    """Whether a window around each pixel lies in the image and has one label."""
    height, width = labels.shape
    inner = np.zeros(labels.shape, bool)
    for y in range(distance, height - distance):
        for x in range(distance, width - distance):
            window = labels[y - distance : y + distance + 1, x - distance : x + distance + 1]
            inner[y, x] = (window == labels[y, x]).all()
    return inner


def authors_boundary(mask: np.ndarray, ratio: float = 0.02) -> np.ndarray:
    """The boundary region of a mask: `mask_to_boundary` as the authors describe it."""
    cv2 = pytest.importorskip("cv2")
    diagonal = np.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)
    steps = max(1, round(ratio * diagonal))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=steps)[1:-1, 1:-1]
    return mask & (eroded == 0)


@pytest.mark.parametrize(
    ("size", "distance"),
    [((1, 1), 1), ((48, 64), 2), ((512, 683), 17), ((1024, 2048), 46), ((8192, 8192), 232)],
)
def test_the_distance_is_a_fiftieth_of_the_diagonal(size: tuple[int, int], distance: int) -> None:
    assert boundary_distance(*size) == distance


@examples(60)
@given(
    seed=st.integers(0, 1 << 30),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    distance=st.integers(1, 6),
    block=st.integers(1, 30),
)
def test_inner_pixels_are_those_of_the_definition(
    seed: int, size: tuple[int, int], distance: int, block: int
) -> None:
    [maps] = random_maps(seed, 4, sizes=[size], block=block, right=0.97)
    for labels in maps:
        found = inner_pixels(labels.to(torch.uint8), distance)
        assert found.numpy().tolist() == by_definition(labels.numpy(), distance).tolist()


def test_many_maps_and_strips_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    [one] = random_maps(1, 3, sizes=[(90, 71)], block=23, right=1.0)
    maps = torch.stack([one.predicted, one.target]).to(torch.uint8)
    apart = torch.stack([inner_pixels(labels, 3) for labels in maps])
    assert apart.any()
    assert torch.equal(inner_pixels(maps, 3), apart)
    sizes, one_label = [], boundary._one_label

    def noted(strip: Tensor, distance: int) -> Tensor:
        sizes.append(strip.shape[1:])
        return one_label(strip, distance)

    monkeypatch.setattr(boundary, "_one_label", noted)
    monkeypatch.setattr(boundary, "_STRIP", 71 * 10)
    assert torch.equal(inner_pixels(maps, 3), apart)
    assert sizes == [(10 + 6, 71)] * 8 + [(4 + 6, 71)]


@pytest.mark.parametrize("size", [(60, 80), (200, 130), (131, 400)])
def test_regions_are_those_of_the_authors_masks(size: tuple[int, int]) -> None:
    [maps] = random_maps(5, 6, sizes=[size], block=30, ignored=0.3, right=0.999)
    ignored = maps.target == IGNORED
    assert ignored.any()
    regions = boundary_labels(*(labels.to(torch.uint8) for labels in maps))
    for region, labels in zip(regions, maps, strict=True):
        whole = labels.masked_fill(ignored, IGNORED).numpy()
        for k in range(6):
            expected = authors_boundary(whole == k)
            assert np.array_equal(region.numpy() == k, expected)
            assert expected.sum() <= (whole == k).sum()
        assert (region.numpy()[ignored.numpy()] == IGNORED).all()
