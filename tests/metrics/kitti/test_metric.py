"""An epoch of predictions is evaluated as the text that would be written of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vision.annotations.kitti import CLASSES, parse_objects, write_objects
from vision.contracts.detection3d import Boxes3DPrediction, Boxes3DTruth
from vision.errors import ConfigError
from vision.metrics import processes
from vision.metrics.kitti.evaluation import evaluate_objects
from vision.metrics.kitti.metric import KittiEvaluator
from vision.metrics.kitti.objects import check_kitti_names, found_objects, true_objects
from vision.ops.boxes3d import from_kitti, observation_angle

NAMES = ["Pedestrian", "Car", "Cyclist"]
LABEL = """\
Car 0.30 1 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59
DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10
Van 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57
Cyclist 0.15 2 0.01 676.60 163.95 688.98 203.93 1.86 0.60 2.02 4.59 1.32 45.84 -1.55
"""


def truth_of(text: str) -> Boxes3DTruth:
    """What a datamodule makes of a label, in float32."""
    objects = parse_objects(text, "label", scored=False)
    numbers = np.concatenate(
        [objects.sizes, objects.locations, objects.rotation[:, None]], axis=1
    ).astype(np.float32)
    names = [CLASSES[index] for index in objects.classes]
    return {
        "boxes3d": from_kitti(torch.from_numpy(numbers)),
        "boxes": torch.from_numpy(objects.boxes).float(),
        "alpha": torch.from_numpy(objects.alpha).float(),
        "labels": torch.tensor([NAMES.index(name) if name in NAMES else -1 for name in names]),
        "names": names,
        "truncation": torch.from_numpy(objects.truncation).float(),
        "occlusion": torch.from_numpy(objects.occlusion).long(),
    }


def test_annotations_have_the_numbers_of_the_text() -> None:
    """A truncation of 0.3 is moderate, which that of float32 is not."""
    objects, expected = true_objects(truth_of(LABEL)), parse_objects(LABEL, "label", scored=False)
    for mine, theirs in zip(objects, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert objects.truncation[0] == 0.3 < torch.tensor(0.3).double()


def random_predictions(count: int, seed: int) -> Boxes3DPrediction:
    """Cars around those of the label, and others."""
    generator = torch.Generator().manual_seed(seed)
    truth = truth_of(LABEL)
    chosen = torch.randint(0, len(truth["names"]), (count,), generator=generator)
    boxes3d = truth["boxes3d"][chosen] + 0.1 * torch.randn(count, 7, generator=generator)
    boxes = truth["boxes"][chosen] + torch.randn(count, 4, generator=generator)
    return {
        "boxes3d": boxes3d,
        "boxes": boxes,
        "alpha": observation_angle(boxes3d),
        "labels": torch.randint(0, 3, (count,), generator=generator),
        "scores": torch.rand(count, generator=generator).sort(descending=True).values,
    }


@pytest.mark.parametrize("decimals", [2, 4])
def test_predictions_are_rounded_as_their_text(decimals: int) -> None:
    found = found_objects(random_predictions(200, 0), NAMES, decimals=decimals)
    text = write_objects(found, decimals=decimals)
    for mine, theirs in zip(found, parse_objects(text, "found", scored=True), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_epoch_is_evaluated_once_as_its_text() -> None:
    evaluator = KittiEvaluator()
    truth, predictions = truth_of(LABEL), [random_predictions(40, seed) for seed in range(5)]
    for _ in range(2):
        for number, one in enumerate(predictions):
            evaluator.update(number, one, truth, NAMES)
    assert len(evaluator) == 5
    scores = evaluator.compute(NAMES)
    texts = [write_objects(found_objects(p, NAMES, decimals=2), decimals=2) for p in predictions]
    expected = evaluate_objects(
        [parse_objects(LABEL, "label", scored=False)] * 5,
        [parse_objects(text, "found", scored=True) for text in texts],
        ["Car", "Pedestrian", "Cyclist"],
    )
    assert scores.classes == ("Car", "Pedestrian", "Cyclist")
    np.testing.assert_array_equal(scores.curves, expected.curves)
    assert scores.ap["R40"][1, 2, 0, 1] > 0, "cars are found on the ground"
    evaluator.reset()
    assert len(evaluator) == 0


def test_processes_count_each_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predictions = truth_of(LABEL), [random_predictions(40, seed) for seed in range(3)]
    whole, first, second = (KittiEvaluator() for _ in range(3))
    # The sampler has filled up the share of the second process.
    for evaluator, numbers in ((whole, (0, 1, 2)), (first, (0, 2)), (second, (1, 0))):
        for number in numbers:
            evaluator.update(number, predictions[number], truth, NAMES)
    expected = whole.compute(NAMES)
    monkeypatch.setattr(processes, "gather_shares", lambda own: [first._images, second._images])
    for evaluator in (first, second):
        scores = evaluator.compute(NAMES)
        assert scores.images == 3
        np.testing.assert_array_equal(scores.curves, expected.curves)


def test_scalars_name_overlaps_and_further_classes() -> None:
    evaluator = KittiEvaluator()
    evaluator.update(0, random_predictions(9, 0), truth_of(LABEL), NAMES)
    numbers = evaluator.compute(["cyclist", "car", "boat"]).scalars()
    own = {name for name in numbers if not name.endswith("_Cyclist")}
    assert own == {
        *("AP_2D", "AOS", "AP_BEV", "AP_BEV_50", "AP_3D", "AP_3D_50", "AP_3D_easy", "AP_3D_hard")
    }
    assert {"AP_3D_25_Cyclist", "AP_BEV_25_Cyclist"} <= {*numbers}
    assert len(numbers) == 2 * len(own)
    scores = evaluator.compute(["Car"])
    assert numbers["AP_3D_50"] == scores.ap["R40"][1, 3, 0, 1]
    assert numbers["AP_BEV"] == scores.ap["R40"][0, 2, 0, 1]
    assert np.isnan(scores.scalars()["AP_3D_easy"]), "no car is easy"


def test_the_text_has_names_for_its_classes_alone(tmp_path: Path) -> None:
    check_kitti_names(["car", "Pedestrian"])
    with pytest.raises(ConfigError, match=r"'Boat'.*class_names"):
        check_kitti_names(["Car", "Boat"])
    found = found_objects(random_predictions(3, 0), ["Boat"] * 3, decimals=2)
    assert {CLASSES[index] for index in found.classes} == {"Misc"}
    with pytest.raises(ConfigError, match="decimals"):
        KittiEvaluator(decimals=-1)
