from pathlib import Path

import numpy as np
from helpers.refusals import refuses
from helpers.tiny_segmentation_sets import cells, write_ade20k, write_mask

from vision.data.datasets.ade20k import ADE20K
from vision.data.files.finding import PathList
from vision.data.index.segmentation import SegmentationIndex
from vision.errors import DataError


def test_a_check_goes_on_and_lists_everything(tmp_path: Path) -> None:
    write_ade20k(tmp_path)
    masks = tmp_path / "annotations"
    (masks / "training" / "ADE_train_00000001.png").rename(masks / "training" / "alone.png")
    write_mask(masks / "training" / "ADE_train_00000002.png", cells([200], 0))
    (masks / "validation" / "ADE_val_00000001.png").write_bytes(b"")
    data = ADE20K(root=tmp_path, num_workers=0)
    problems = [*data.problems()]
    for part in (
        "ADE_train_00000001.jpg' has no mask",
        "alone.png' has no image",
        "ADE_train_00000002.png' has the value 200",
        "ADE_val_00000001.png' is no PNG file",
    ):
        assert sum(part in problem for problem in problems) == 1, (part, problems)
    assert len(problems) == 4
    assert data.summary()["train"]["images"] == 1
    # A run is as strict after a check as before.
    with refuses(DataError, "2 files", "train"):
        ADE20K(root=tmp_path, num_workers=0).setup("fit")


def test_masks_in_a_format_of_their_own(tmp_path: Path) -> None:
    class Doubled(ADE20K):
        """Its files hold half of the values."""

        @staticmethod
        def read_mask(path: str) -> np.ndarray:
            return ADE20K.read_mask(path) * 2

    write_ade20k(tmp_path, rows=[*"abcd"])
    for folder in (tmp_path / "annotations").iterdir():
        for path in folder.iterdir():
            write_mask(path, cells([1, 2], 0))
    data = Doubled(root=tmp_path, num_workers=0)
    data.setup("fit")
    assert {*data.train_dataset.example(0)[1].unique().tolist()} == {1, 3}
    assert [*data.problems()] == []


def test_the_reader_stays_with_a_part_of_an_index() -> None:
    index = SegmentationIndex(
        images=PathList("ab"), masks=PathList("cd"), read_mask=ADE20K.read_mask
    )
    assert index.take(np.array([1])).read_mask is ADE20K.read_mask
