"""KITTI's evaluation against a plain loop over random scenes, and cases by hand."""

import time

import numpy as np
import pytest
from helpers.kitti import plain_curve, random_scene
from helpers.refusals import refuses

from vision.annotations.kitti import NO_ORIENTATION, KittiObjects, parse_objects
from vision.errors import ConfigError
from vision.metrics.kitti.evaluation import CLASSES, MIN_OVERLAPS, evaluate_objects
from vision.metrics.kitti.table import METRICS, KittiScores

CAR = "Car 0.00 0 0.00 100 100 200 200 1.5 1.6 4 0 1.6 20 0.0"
FAR = "Car 0.00 0 0.00 300 100 400 200 1.5 1.6 4 9 1.6 20 0.0"


def labels(*lines: str) -> KittiObjects:
    return parse_objects("\n".join(lines), "the test", scored=False)


def detections(*lines: str) -> KittiObjects:
    return parse_objects("\n".join(lines), "the test", scored=True)


def evaluate(truth: list[str], found: list[str], name: str = "Car") -> KittiScores:
    return evaluate_objects([labels(*truth)], [detections(*found)], [name])


def best(scores: KittiScores, metric: str = "2d") -> float:
    """Best precision at any recall, of easy objects; one threshold for each that is found."""
    return float(scores.curves[0, METRICS.index(metric), 0, 0, 0])


@pytest.mark.parametrize("seed", range(6))
def test_curves_are_those_of_the_plain_loop(seed: int) -> None:
    truth, found = random_scene(seed)
    scores = evaluate_objects(truth, found)
    reached = 0
    for k, name in enumerate(CLASSES):
        for metric in ("2d", "bev", "3d"):
            for number in (0, 1):
                least = MIN_OVERLAPS[metric][number][k]
                level = (seed + k + number) % 3
                precision, orientation, objects = plain_curve(
                    truth, found, name=name, level=level, metric=metric, least=least
                )
                assert scores.objects[k, level] == objects
                curves = scores.curves[number, :, k, level]
                np.testing.assert_allclose(curves[METRICS.index(metric)], precision, atol=1e-12)
                if metric == "2d":
                    np.testing.assert_allclose(
                        curves[METRICS.index("aos")], orientation, atol=1e-12
                    )
                reached += precision.any()
    assert reached > 14  # of 18: where nothing is found, nothing is compared


def test_all_found_is_one_and_nothing_found_is_zero() -> None:
    images = [labels(CAR)] * 41
    found = [detections(f"{CAR} {i / 41}") for i in range(41)]
    for means in evaluate_objects(images, found, ["Car"]).ap.values():
        assert means.ravel().tolist() == [1] * 24
    for means in evaluate_objects(images, [detections()] * 41, ["Car"]).ap.values():
        assert means.ravel().tolist() == [0] * 24


def test_half_of_the_objects_reach_half_of_the_recalls() -> None:
    found = [detections(f"{CAR} {i / 40}" if i < 20 else "") for i in range(40)]
    scores = evaluate_objects([labels(CAR)] * 40, found, ["Car"])
    # Thresholds stand for recalls 0, 1/40, ..., 19/40, as the benchmark samples.
    assert scores.ap["R40"][0, 0, 0, 0] == pytest.approx(19 / 40)
    assert scores.ap["R11"][0, 0, 0, 0] == pytest.approx(5 / 11)
    assert scores.objects.tolist() == [[40, 40, 40]]


def test_a_second_detection_of_an_object_is_false() -> None:
    assert best(evaluate([CAR], [f"{CAR} 0.9", f"{CAR} 0.9"])) == 0.5
    assert best(evaluate([CAR], [f"{CAR} 0.9", f"{CAR} 0.8"])) == 1


def test_the_overlap_must_be_larger() -> None:
    half = "Pedestrian 0 0 0 100 100 200 200 1.5 1 1 0 1.6 20 0"
    found = "Pedestrian 0 0 0 100 100 200 150 1.5 1 1 0 1.6 20 0 0.9"
    scores = evaluate([half], [found], "Pedestrian")
    assert best(scores) == 0
    assert best(scores, "3d") == 1


@pytest.mark.parametrize(
    "neutral",
    [
        FAR.replace("Car", "Van"),
        FAR.replace("0.00 0 0.00", "0.00 2 0.00"),  # harder than easy
        FAR.replace("0.00 0 0.00", "0.20 0 0.00"),
        FAR.replace("100 400 200", "100 400 140"),  # not above 40 pixels
    ],
)
def test_neutral_objects_are_neither_missed_nor_do_they_make_false(neutral: str) -> None:
    scores = evaluate([CAR, neutral], [f"{CAR} 0.9", f"{neutral.replace('Van', 'Car')} 0.95"])
    assert best(scores) == 1
    assert scores.objects[0, 0] == 1


def test_objects_of_other_classes_do_not_exist() -> None:
    other = FAR.replace("Car", "Truck")
    assert best(evaluate([CAR, other], [f"{CAR} 0.9", f"{FAR} 0.95"])) == 0.5


def test_a_low_detection_of_any_class_is_neutral() -> None:
    low = FAR.replace("100 400 200", "100 400 130")
    assert best(evaluate([CAR], [f"{CAR} 0.9", f"{low} 0.95"])) == 1
    # On the ground it takes the object, which is then neither found nor missed.
    other = CAR.replace("Car", "Tram").replace("200 200", "200 130")
    scores = evaluate([CAR, FAR], [f"{other} 0.9", f"{FAR} 0.9"])
    assert best(scores, "bev") == 1
    assert scores.curves[0, METRICS.index("bev"), 0, 0].tolist() == [1] + [0] * 40


def test_the_least_height_is_high_enough_for_a_detection_but_not_for_an_object() -> None:
    at_least = CAR.replace("200 200", "200 140")
    scores = evaluate([CAR.replace("200 200", "200 141")], [f"{at_least} 0.9"])
    assert best(scores) == 1
    assert evaluate([at_least], []).objects.tolist() == [[0, 1, 1]]


def test_regions_that_are_not_annotated_excuse_detections_in_the_image_alone() -> None:
    region = "DontCare -1 -1 -10 290 90 410 210 -1 -1 -1 -1000 -1000 -1000 -10"
    scores = evaluate([CAR, region], [f"{CAR} 0.9", f"{FAR} 0.95"])
    assert best(scores) == 1
    assert best(scores, "bev") == best(scores, "3d") == 0.5


def test_an_empty_box_is_false_without_a_warning() -> None:
    region = "DontCare -1 -1 -10 290 90 410 210 -1 -1 -1 -1000 -1000 -1000 -10"
    empty = "Car 0 0 0 350 100 350 200 0 0 0 0 1.6 20 0"
    with np.errstate(all="raise"):
        scores = evaluate([CAR, region], [f"{CAR} 0.9", f"{empty} 0.95"])
    assert best(scores) == best(scores, "3d") == 0.5


def test_orientation_lowers_the_similarity() -> None:
    turned = CAR.replace("0 0.00 100", f"0 {np.pi / 2} 100")
    scores = evaluate([CAR], [f"{turned} 0.9"])
    assert best(scores) == 1
    assert best(scores, "aos") == pytest.approx(0.5)


def test_without_orientations_there_is_no_similarity() -> None:
    without = CAR.replace("0 0.00 100", f"0 {NO_ORIENTATION} 100")
    scores = evaluate([CAR], [f"{without} 0.9"])
    assert np.isnan(best(scores, "aos"))
    assert best(scores) == 1
    assert scores.rows()[2]["metric"] == "aos"
    assert scores.rows()[2]["easy"] is None


def test_a_class_without_objects_has_no_score() -> None:
    scores = evaluate([CAR], [f"{CAR} 0.9"], "Cyclist")
    assert all(np.isnan(means).all() for means in scores.ap.values())
    assert "-" in scores.table().splitlines()[1]
    assert evaluate_objects([], []).objects.tolist() == [[0] * 3] * 3


def test_rows_have_each_overlap_once() -> None:
    scores = evaluate_objects([labels(CAR)], [detections(f"{CAR} 0.9")], ["Pedestrian", "Car"])
    rows = scores.rows()
    assert [(row["metric"], row["overlap"], row["recalls"]) for row in rows[12:]] == [
        (metric, overlap, recalls)
        for metric, overlaps in (
            ("2d", [0.7]),
            ("aos", [0.7]),
            ("bev", [0.7, 0.5]),
            ("3d", [0.7, 0.5]),
        )
        for overlap in overlaps
        for recalls in ("R40", "R11")
    ]
    assert {row["class"] for row in rows[:12]} == {"Pedestrian"}
    assert scores.to_json()["objects"]["Car"] == {"easy": 1, "moderate": 1, "hard": 1}


def test_an_unknown_class_is_refused() -> None:
    with refuses(ConfigError, "'Cars'", "Pedestrian", "Did you mean 'Car'"):
        evaluate_objects([], [], ["Cars"])


def test_the_images_of_kittis_validation_take_a_fraction_of_a_minute() -> None:
    truth, found = random_scene(1)
    times = 236  # 3,776 images; KITTI's validation has 3,769
    begin = time.process_time()
    scores = evaluate_objects(truth * times, found * times)
    assert time.process_time() - begin < 30
    assert scores.images == 3_776
    few = evaluate_objects(truth, found).objects
    assert (few > 0).all()
    assert (scores.objects == times * few).all()
