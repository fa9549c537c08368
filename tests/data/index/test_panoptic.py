import pickle
from pathlib import Path

import numpy as np
from helpers.refusals import refuses
from helpers.tiny_segments import colours, scene, write_pixels

from vision.annotations.panoptic import Segments
from vision.data.files.finding import PathList
from vision.data.index.panoptic import PanopticIndex, SegmentTable
from vision.errors import DataError, ImageError

SCENES = [scene(seed) for seed in range(3)]
TABLE = SegmentTable(
    starts=np.cumsum([0, *(len(segments.ids) for _, segments in SCENES)]),
    ids=np.concatenate([segments.ids for _, segments in SCENES]).astype(np.int32),
    labels=np.concatenate([segments.labels for _, segments in SCENES]).astype(np.int32),
    crowd=np.concatenate([segments.crowd for _, segments in SCENES]),
)


def index(folder: Path, **more: object) -> PanopticIndex:
    for number, (ids, _) in enumerate(SCENES):
        write_pixels(folder / f"{number}.png", colours(ids))
    return PanopticIndex(
        images=PathList(f"{folder}/{n}.jpg" for n in range(3)),
        masks=PathList(f"{folder}/{n}.png" for n in range(3)),
        names=PathList("abc"),
        sizes=np.array([[40, 56], [0, 0], [40, 56]], dtype=np.int32),
        **{"table": TABLE, **more},
    )


def test_parts_and_copies_have_the_same_segments(tmp_path: Path) -> None:
    whole = index(tmp_path)
    for places, part in (
        ([0, 1, 2], pickle.loads(pickle.dumps(whole))),
        ([2, 0], whole.take(np.array([2, 0]))),
        ([], whole.take(np.zeros(0, dtype=np.int64))),
    ):
        assert len(part) == len(places)
        for own, place in enumerate(places):
            ids, segments, name = part.segments(own)
            np.testing.assert_array_equal(ids, SCENES[place][0])
            for found, expected in zip(segments, SCENES[place][1], strict=True):
                np.testing.assert_array_equal(found, expected)
            assert name == f"{tmp_path}/{place}.png"
            assert part.names[own] == "abc"[place]


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    found = index(tmp_path)
    write_pixels(tmp_path / "0.png", colours(SCENES[0][0][:, :-1]))
    with refuses(ImageError, "0.png", "40 x 55", "image a", "40 x 56"):
        found.segments(0)
    write_pixels(tmp_path / "1.png", colours(SCENES[1][0][:30]))  # whose size is not stated
    found.segments(1)
    write_pixels(tmp_path / "2.png", colours(np.full((40, 56), 77, dtype=np.int32)))
    with refuses(DataError, "2.png", "77", "image c", "segments_info"):
        found.segments(2)
    with refuses(DataError, "no segments", "0.jpg"):
        PanopticIndex(images=found.images).segments(0)
    with refuses(DataError, "3 images", "2 masks"):
        PanopticIndex(images=found.images, masks=found.masks[:2])


def test_a_hidden_segment_is_an_error_unless_it_may_be(tmp_path: Path) -> None:
    ids, segments = SCENES[0]
    covered = np.where(ids == segments.ids[1], segments.ids[0], ids)
    strict, lenient = index(tmp_path), index(tmp_path, hidden=True)
    write_pixels(tmp_path / "0.png", colours(covered))
    with refuses(DataError, "0.png", segments.ids[1], "image a", "no pixel"):
        strict.segments(0)
    seen = np.arange(len(segments.ids)) != 1
    np.testing.assert_array_equal(lenient.segments(0).segments.ids, segments.ids[seen])


def test_segments_may_follow_from_the_ids(tmp_path: Path) -> None:
    def find(ids: np.ndarray) -> Segments:
        found = np.unique(ids[ids > 0])
        return Segments(found, found % 3, found < 0)

    derived = index(tmp_path, table=None, find_segments=find)
    np.testing.assert_array_equal(
        derived.segments(1).segments.labels, np.unique(SCENES[1][0])[1:] % 3
    )
