"""What the page to try a model shows of each kind of result."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.tiny_points import room
from helpers.tiny_predict import tiny_model
from helpers.tiny_volumes import LPS, write_nifti

from vision.draw.figure import class_color
from vision.kinds import KINDS
from vision.ops.nifti import read_header
from vision.predict.classification import ClassificationResult
from vision.predict.demo_view import MAX_SHOWN, View
from vision.predict.detection import DetectionResult
from vision.predict.points import PointResult
from vision.predict.segmentation import SegmentationResult
from vision.predict.volumes import VolumeResult
from vision.task_parts import find_part

PIXELS = texture(20, 30)
IMAGE = torch.from_numpy(PIXELS).permute(2, 0, 1).contiguous()
ESCAPED = "&lt;b&gt;cat&lt;/b&gt;"
NAMES = ("<b>cat</b>", "dog", "eel")
COMMON = {"path": "a.png", "index": 0, "image": IMAGE, "names": NAMES}


def classification() -> ClassificationResult:
    return ClassificationResult(label=0, scores=torch.tensor([0.7, 0.1, 0.2]), **COMMON)


def detection(scores: tuple[float, ...] = (0.9, 0.5, 0.2)) -> DetectionResult:
    count = len(scores)
    masks = torch.zeros(count, 20, 30, dtype=torch.bool)
    masks[:, 2:8, 3:9] = True
    return DetectionResult(
        boxes=torch.tensor([[3.0, 2.0, 9.0, 8.04]]).repeat(count, 1),
        labels=torch.arange(count) % 2,
        scores=torch.tensor(scores),
        masks=masks,
        **COMMON,
    )


def segmentation() -> SegmentationResult:
    labels = torch.zeros(20, 30, dtype=torch.int64)
    labels[:, 15:] = 1
    labels[:5, 15:] = 2
    palette = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    return SegmentationResult(mask=labels, palette=palette, **COMMON)


def find_view(kind: str, classes: int) -> View:
    return find_part(kind, "demo_view")(classes)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.demo_view])
def test_what_a_model_gives_is_shown_at_both_ends_of_the_sliders(kind: str, tmp_path: Path) -> None:
    view: View = find_view(kind, 8)
    asked = view.options(view.number.value) if view.number else {}
    source: object = PIXELS
    if ".nii" in view.suffixes:
        source = write_nifti(tmp_path / "a.nii", np.random.default_rng(0).random((8, 9, 8, 2)))
    elif ".ply" in view.suffixes:
        source = tmp_path / "a.npy"
        np.save(source, room(0))
    result = tiny_model(kind).predict_image(source, threshold=0.0, **asked)
    assert view.controls[0] == view.control
    ends = [(control.low, control.value, control.high) for control in view.controls]
    assert all(low <= value <= high for low, value, high in ends)
    for values in zip(*ends, strict=True):
        setting = view.setting(values)
        assert min(view.draw(result, setting).size) >= 20
        assert all(len(row) == len(view.headings) for row in view.rows(result, setting))
        assert view.summary(result, setting).startswith("<h3>")


def test_the_likeliest_classes() -> None:
    view = find_view("classification", 3)
    assert view.rows(classification(), 2) == [["<b>cat</b>", 0.7], ["eel", 0.2]]
    summary = view.summary(classification(), 2)
    assert summary.startswith(f"<h3>{ESCAPED}</h3>")
    assert summary.count('class="share"') == 2
    assert "70.0%" in summary
    assert "<b>cat" not in summary


def test_few_classes_have_a_short_slider() -> None:
    assert find_view("classification", 1).control.value == 1
    assert find_view("classification", 3).control.high == 3
    assert find_view("classification", 1000).control.high == 10


def test_objects_from_the_threshold_on() -> None:
    view = find_view("detection", 3)
    rows = view.rows(detection(), 0.5)
    assert [row[:2] for row in rows] == [["<b>cat</b>", 0.9], ["dog", 0.5]]
    assert rows[0][2:] == [3.0, 2.0, 9.0, 8.0]
    chosen = view.chosen(detection(), 0.6)
    assert (len(chosen.boxes), len(chosen.masks), len(chosen)) == (1, 1, 1)
    assert view.summary(detection(), 0.1).startswith("<h3>3 objects</h3>")
    assert f"{ESCAPED} 2" in view.summary(detection(), 0.1)
    enlarged = detection(()).plot()
    drawn = [np.asarray(view.draw(detection(), setting)) for setting in (0.95, 0.5)]
    assert np.array_equal(drawn[0], enlarged)
    assert not np.array_equal(drawn[1], enlarged)


def test_an_empty_picture_says_whether_more_is_to_be_had() -> None:
    view = find_view("detection", 3)
    assert "3 have lower scores" in view.summary(detection(), 0.95)
    assert "lower" not in view.summary(detection(()), 0.5)
    assert view.summary(detection((0.9,)), 0.5).startswith("<h3>1 object</h3>")


def test_a_legend_of_few_of_many_classes() -> None:
    view = find_view("detection", 99)
    many = detection(tuple(np.linspace(0.9, 0.5, 40).tolist()))
    many.labels = torch.arange(40)
    assert view.summary(many, 0.1).count("<li>") == MAX_SHOWN


def test_classes_of_pixels_by_their_share() -> None:
    view = find_view("segmentation", 3)
    rows = view.rows(segmentation(), 0.5)
    assert rows == [["<b>cat</b>", 0.5], ["dog", 0.375], ["eel", 0.125]]
    summary = view.summary(segmentation(), 0.5)
    assert "<h3>3 classes</h3>" in summary
    assert ESCAPED in summary
    assert "rgb(0,255,0)" in summary
    plain, covered = (np.asarray(view.draw(segmentation(), s)) for s in (0.0, 1.0))
    assert tuple(covered[10, 5]) == (255, 0, 0)
    assert tuple(plain[10, 5]) == tuple(PIXELS[10, 5])


def test_colours_are_those_of_the_drawing() -> None:
    summary = find_view("detection", 3).summary(detection((0.9,)), 0.5)
    red, green, blue = (int(part) for part in class_color(0))
    assert f"rgb({red},{green},{blue})" in summary


def test_planes_of_a_volume_go_where_the_table_says_a_region_is(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", np.zeros((11, 21, 5), np.float32), LPS)
    mask = torch.zeros(11, 21, 5, dtype=torch.uint8)
    mask[1, 5, 4] = 1
    result = VolumeResult(
        path=str(path),
        index=0,
        image=torch.zeros(1, 11, 21, 5),
        names=("background", "<b>"),
        subject="a",
        header=read_header(path),
        mask=mask,
        label_values=(0, 1),
    )
    view = find_view("volumes", 2)
    # The first two axes grow to the left and to the back, the sliders to the right and the front.
    ((name, ml, *places),) = view.rows(result, view.setting((0, 0, 0)))
    assert (name, ml, places) == ("<b>", 0.001, [90.0, 75.0, 100.0])
    drawn = [np.asarray(view.draw(result, view.setting(at))) for at in (places, (10, 75, 0))]
    coloured = [(picture == class_color(1)).all(-1).sum() for picture in drawn]
    # The outline is in all three planes, or in the coronal one; the legend has the colour too.
    assert coloured[0] > coloured[1]
    assert view.summary(result, (0, 0, 0)).startswith("<h3>1 region</h3>")
    assert "&lt;b&gt; 0.00 ml" in view.summary(result, (0, 0, 0))


def test_classes_of_points_by_their_share() -> None:
    result = PointResult(
        image=torch.rand(3, 8),
        path="a.ply",
        index=0,
        names=NAMES,
        colors=None,
        labels=torch.tensor([1, 1, 1, 1, 0, 0, 1, 1]),
        scores=torch.linspace(0.3, 1.0, 8),
        palette=np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8),
    )
    view = find_view("points", 3)
    (dog, cat) = view.rows(result, -60.0)
    assert dog == ["dog", 0.75, 6, pytest.approx((0.3 + 0.4 + 0.5 + 0.6 + 0.9 + 1.0) / 6, abs=1e-3)]
    assert cat[:3] == ["<b>cat</b>", 0.25, 2]
    summary = view.summary(result, -60.0)
    assert summary.startswith("<h3>2 classes</h3>")
    assert ESCAPED in summary
    assert "rgb(0,255,0)" in summary
    ends = [np.asarray(view.draw(result, setting)) for setting in (-60.0, 120.0)]
    assert not np.array_equal(*ends)
