"""A check's findings as lines and as plain values."""

from collections.abc import Iterator
from typing import Any

from vision.data.check.report import check_dataset


class Broken:
    """A dataset of five samples with a problem of two lines and a remark."""

    unit = "clouds"

    def problems(self, progress: Any, remarks: list[str]) -> Iterator[str]:
        progress(2, 5)
        yield "one\ntwo"
        progress(5, 5)
        remarks.append("no rain")

    def summary(self) -> dict[str, Any]:
        return {
            "train": {"images": 1234, "classes": {"a": 1, "b": 3}},
            "val": {"images": 1, "empty_images": 1, "dropped": {"tiny": 2}},
            "many": {"images": 0, "classes": {str(k): k for k in range(21)}},
        }


def test_problems_are_shown_and_kept_in_one_line_each() -> None:
    shown: list[str] = []
    progress: list[tuple[int, int]] = []
    report = check_dataset(Broken(), shown.append, lambda *done: progress.append(done))
    assert shown == report.problems == ["one two"]
    assert progress == [(2, 5), (5, 5)]
    assert [*report.lines()] == [
        "train: 1,234 clouds",
        "  b 3, a 1",
        "val: 1 cloud, 1 empty image, 2 tiny dropped",
        "many: 0 clouds",
        "  21 classes, 1 of them absent; from 20 20 to 0 0",
        "note: no rain",
        "decoded 5 clouds: 1 problem.",
    ]
    assert report.to_json() == {
        "problems": ["one two"],
        "remarks": ["no rain"],
        "images_decoded": 5,
        "splits": Broken().summary(),
    }
