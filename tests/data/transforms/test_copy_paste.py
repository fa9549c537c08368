import numpy as np
import torch

from vision.annotations.panoptic import Segments
from vision.data.transforms.copy_paste import SegmentedImage, choose_segments, paste_segments
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segment_map import SegmentMap

THINGS = np.array([True, False, False, False, False])
FILL = (9, 8, 7)


def make(ids: list[list[int]], labels: list[int], grey: int) -> SegmentedImage:
    count = len(labels)
    segments = Segments(np.arange(1, count + 1), np.array(labels), np.zeros(count, dtype=bool))
    image = torch.full((3, len(ids), len(ids[0])), grey, dtype=torch.uint8)
    return SegmentedImage(image, SegmentMap(np.array(ids, dtype=np.uint16), segments))


def test_things_always_crowds_never_and_stuff_by_a_uniform_number() -> None:
    torch.manual_seed(0)
    segments = Segments(
        np.arange(1, 7), np.array([0, 1, 2, 3, 4, 0]), np.array([False] * 5 + [True])
    )
    rng = SampleRng()
    drawn = np.array([choose_segments(segments, THINGS, rng) for _ in range(3000)])
    assert drawn[:, 0].all()
    assert not drawn[:, 5].any()
    # 0 to 5 first ones of 5 segments: each is among them half of the time, and without the thing
    # each number from 0 to 4 is as frequent.
    np.testing.assert_allclose(drawn[:, 1:5].mean(axis=0), 0.5, atol=0.03)
    counts = np.bincount(drawn[:, 1:5].sum(axis=1), minlength=5) / len(drawn)
    np.testing.assert_allclose(counts, 0.2, atol=0.03)
    nothing = Segments(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))
    assert len(choose_segments(nothing, THINGS, rng)) == 0


def test_pixels_and_ids_go_together() -> None:
    base = make([[1, 1], [2, 0]], [1, 0], 50)
    other = make([[0, 1, 2], [3, 3, 2], [0, 0, 1]], [0, 2, 3], 200)
    chosen = np.array([False, True, True])
    pasted = paste_segments(base, other, chosen, FILL)
    # As large as the base and what is pasted reach, not as the other image.
    assert pasted.segmented.ids.tolist() == [[1, 1, 4], [5, 5, 4]]
    assert pasted.image[0].tolist() == [[50, 50, 200], [200, 200, 200]]
    assert pasted.segmented.segments.labels.tolist() == [1, 0, 0, 2, 3]
    assert pasted.segmented.segments.ids.tolist() == [1, 2, 3, 4, 5]
    assert base.image.unique().tolist() == [50]
    lower = paste_segments(base, other, np.array([True, False, False]), FILL)
    assert lower.segmented.ids.tolist() == [[1, 3, 0], [2, 0, 0], [0, 0, 3]]
    assert lower.image[:, 2, 0].tolist() == [9, 8, 7]
    assert lower.image[:, 1, 1].tolist() == [50, 50, 50]


def test_nothing_chosen_changes_nothing() -> None:
    base, other = make([[1, 0]], [1], 50), make([[1, 1]], [0], 200)
    assert paste_segments(base, other, np.array([False]), FILL) is base
