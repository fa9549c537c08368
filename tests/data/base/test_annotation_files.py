import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_boxes import write_image

from vision.data.base.annotation_files import AnnotationFiles, Reading
from vision.data.index.builder import IndexBuilder
from vision.errors import DataError


class Points(AnnotationFiles):
    """A dataset whose images are named by the number of their objects; one below 0 is a problem."""

    class_names = ("point",)
    category_ids = np.array([1])
    splits = ("train", "val")

    def read_split(
        self, split: str, report: Callable[[str], Any], report_image: Callable[[str], Any]
    ) -> Reading:
        builder = IndexBuilder(self.root, self.class_names, [1])
        for path in sorted(self.root.glob(f"{split}/*.png")):
            count = int(path.stem)
            if count < 0:
                report(f"'{path}': {count} objects.")
            count = max(count, 0)
            boxes = np.tile([1.0, 1, 5, 5], (count, 1))
            builder.add(str(path), (20, 30), labels=np.zeros(count, dtype=int), boxes=boxes)
        if not len(builder.build()):
            raise DataError(f"'{split}' has no images.")
        return Reading(builder.build(), {"degenerate": 7}, 0)

    def split_problems(self, split: str) -> list[str]:
        return ["train is reported once."] if split == "train" else []


def write(root: Path, *names: str) -> Path:
    for name in names:
        write_image(root / f"{name}.png", size=(20, 30))
    return root


def test_the_first_problem_ends_a_run_and_a_check_lists_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write(tmp_path, "train/2", "train/-1", "train/-3", "val/1")
    data = Points(root=root, num_workers=0)
    with refuses(DataError, "-1 objects", "check-dataset"):
        data.setup("fit")
    assert list(data.problems()) == [
        f"'{root}/train/-1.png': -1 objects.",
        f"'{root}/train/-3.png': -3 objects.",
        "train is reported once.",
    ]
    assert data.summary()["train"]["objects"] == 2
    with caplog.at_level(logging.WARNING):
        data.setup("validate")
    assert data.dropped["val"] == {"degenerate": 7}
    assert "val: dropped 7 degenerate objects" in caplog.text


def test_a_split_without_images_and_a_folder_to_predict(tmp_path: Path) -> None:
    root = write(tmp_path / "data", "val/1")
    new = write(tmp_path / "new", "x/9")
    data = Points(root=root, predict_root=new, num_workers=0)
    assert list(data.problems()) == ["'train' has no images."]
    assert data.predict_split == "predict"
    assert data.predict_dataset[0]["path"] == str(new / "x" / "9.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there are no images"):
        Points(root=root, predict_root=tmp_path / "empty").setup("predict")
