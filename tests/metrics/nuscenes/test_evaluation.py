"""nuScenes' average precision, errors and score: by hand, by loops, and what must not matter."""

import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from helpers.nuscenes import random_drive, random_results
from helpers.nuscenes_loops import scores_by_loops

from vision.annotations.nuscenes import read_nuscenes
from vision.annotations.nuscenes_names import ATTRIBUTES, CLASSES
from vision.annotations.nuscenes_results import read_results
from vision.metrics.nuscenes.boxes import EvaluatedBoxes, annotated_boxes, found_boxes
from vision.metrics.nuscenes.evaluation import average_precision, evaluate_boxes
from vision.metrics.nuscenes.table import ERRORS, NuScenesScores

CAR, BARRIER, CONE = (CLASSES.index(name) for name in ("car", "barrier", "traffic_cone"))
PARKED, MOVING = (ATTRIBUTES.index(name) for name in ("vehicle.parked", "vehicle.moving"))


def boxes(*places: float, label: int = CAR, **values: object) -> EvaluatedBoxes:
    """Boxes of one key frame along x, the first the most certain."""
    count = len(places)
    columns = {
        "samples": np.zeros(count, dtype=np.int64),
        "labels": np.full(count, label),
        "attributes": np.full(count, PARKED),
        "scores": 0.9 - 0.1 * np.arange(count),
        "centres": np.array([[place, 0, 0] for place in places], dtype=float).reshape(count, 3),
        "sizes": np.full((count, 3), 2.0),
        "yaws": np.zeros(count),
        "velocities": np.zeros((count, 2)),
    }
    for name, value in values.items():
        columns[name] = np.array(value, dtype=columns[name].dtype)
    return EvaluatedBoxes(**columns)


def errors_of(objects: EvaluatedBoxes, found: EvaluatedBoxes) -> list[float | None]:
    row = evaluate_boxes(objects, found, 1).rows()[int(objects.labels[0])]
    return [row[error] for error in ERRORS]


def test_all_that_is_found_exactly_scores_one() -> None:
    parts = [boxes(0, 10, 20, label=label) for label in range(10)]
    objects = EvaluatedBoxes(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    scores = evaluate_boxes(objects, objects, 1)
    np.testing.assert_allclose(scores.ap, 1)
    assert scores.mean_errors == pytest.approx(dict.fromkeys(ERRORS, 0), abs=1e-12)
    assert scores.nds == pytest.approx(1)
    assert scores.objects.tolist() == [3] * 10


def test_nothing_found_scores_zero() -> None:
    scores = evaluate_boxes(boxes(0, 10), boxes(), 1)
    assert scores.mean_ap == scores.nds == 0
    assert scores.mean_errors == dict.fromkeys(ERRORS, 1)
    assert np.isnan(scores.errors).sum() == 5


def test_precision_is_read_between_detections() -> None:
    # The more certain detection is false. Precision rises from 0 to 1/2 at recall 1/2.
    scores = evaluate_boxes(boxes(0, 50), boxes(90, 1.5), 1)
    by_hand = sum(k / 100 - 0.1 for k in range(11, 51)) / 90 / 0.9
    assert scores.ap[CAR].tolist() == pytest.approx([0, 0, by_hand, by_hand])
    assert scores.mean_ap == pytest.approx(by_hand / 20)
    np.testing.assert_allclose(scores.precision[CAR, 2, :51], np.arange(51) / 100, atol=1e-15)
    assert not scores.precision[CAR, 2, 51:].any()


def test_precision_up_to_a_tenth_does_not_count() -> None:
    assert average_precision(np.full(101, 0.1)) == 0
    assert average_precision(np.full(101, 0.55)) == pytest.approx(0.5)
    low = np.zeros(101)
    low[:11] = 1
    assert average_precision(low) == 0


def test_an_object_is_found_nearer_than_the_distance_and_once() -> None:
    scores = evaluate_boxes(boxes(0), boxes(2.0, 1.0), 1)
    # At 2 m the first is not near enough. At 4 m it is, and the second is too late: it halves the
    # precision at the last recall.
    whole = 1 - 0.5 / 0.9 / 90
    assert scores.ap[CAR].tolist() == pytest.approx([0, 0, _after_a_false_one(), whole])
    # A detection takes the nearest object that is left.
    assert evaluate_boxes(boxes(0, 1), boxes(0.6, 0.7), 1).ap[CAR, 1] == pytest.approx(1)
    # The last of equal scores comes first.
    ties = boxes(9.0, 0.0, scores=[0.5, 0.5])
    assert evaluate_boxes(boxes(0), ties, 1).ap[CAR, 0] == pytest.approx(whole)


def _after_a_false_one() -> float:
    # One recall, 0 and then 1, and precision 0, then 1/2.
    return sum(max(k / 200 - 0.1, 0) for k in range(11, 101)) / 90 / 0.9


@pytest.mark.parametrize(
    ("label", "change", "expected"),
    [
        (CAR, {"centres": [[0, 1.5, 9]]}, [1.5, 0, 0, 0, 0]),
        (CAR, {"sizes": [[2, 2, 1]]}, [0, 0.5, 0, 0, 0]),
        (CAR, {"sizes": [[1, 2, 4]]}, [0, 1 - 4 / 12, 0, 0, 0]),
        (CAR, {"yaws": [math.pi]}, [0, 0, math.pi, 0, 0]),
        (CAR, {"yaws": [-3 * math.pi / 2]}, [0, 0, math.pi / 2, 0, 0]),
        (CAR, {"velocities": [[3, 4]]}, [0, 0, 0, 5, 0]),
        (CAR, {"velocities": [[math.nan, 4]]}, [0, 0, 0, 1, 0]),
        (CAR, {"attributes": [MOVING]}, [0, 0, 0, 0, 1]),
        (BARRIER, {"yaws": [math.pi]}, [0, 0, 0, None, None]),
        (BARRIER, {"yaws": [1.8]}, [0, 0, math.pi - 1.8, None, None]),
        (CONE, {"yaws": [1.8], "velocities": [[9, 9]]}, [0, 0, None, None, None]),
    ],
)
def test_errors_of_one_match(
    label: int, change: dict[str, object], expected: list[float | None]
) -> None:
    found = errors_of(boxes(0, label=label), boxes(0, label=label, **change))
    assert found == [one if one is None else pytest.approx(one, abs=1e-12) for one in expected]


def test_errors_are_means_of_all_more_certain_matches() -> None:
    # Running means of 0 and 1.2 are 0, then 0.6; the score falls linearly from recall 1/2 to 1.
    ate = errors_of(boxes(0, 50), boxes(0, 51.2))[0]
    assert ate == pytest.approx(sum(max(k - 50, 0) / 50 * 0.6 for k in range(11, 101)) / 90)


def test_unknown_velocities_and_attributes_are_left_out() -> None:
    objects = boxes(0, 50, velocities=[[math.nan] * 2, [1, 0]], attributes=[-1, PARKED])
    found = boxes(0, 50, attributes=[PARKED, MOVING])
    _, _, _, ave, aae = errors_of(objects, found)
    # 0 before the first that is known, then 1.
    by_hand = sum(max(k - 50, 0) / 50 for k in range(11, 101)) / 90
    assert (ave, aae) == (pytest.approx(by_hand), pytest.approx(by_hand))


def test_below_a_tenth_of_the_objects_errors_are_one() -> None:
    objects = boxes(*range(0, 200, 10))
    assert errors_of(objects, boxes(0, 10)) == [1] * 5
    assert errors_of(objects, boxes(0, 10, 20)) == [pytest.approx(0)] * 5


def test_the_score_is_half_precision_half_errors() -> None:
    ap, errors = np.full((10, 4), 0.4), np.tile([0.2, 0.4, 1.5, 2.0, 0.6], (10, 1))
    scores = NuScenesScores(ap, errors, np.zeros((10, 4, 101)), np.ones(10, dtype=np.int64), 1)
    assert scores.nds == pytest.approx((5 * 0.4 + 0.8 + 0.6 + 0 + 0 + 0.4) / 10)
    lines = scores.table().splitlines()
    assert lines[-1] == "NDS 0.3800"
    means = [0.4, 0.4, 0.4, 0.4, 0.4, 0.2, 0.4, 1.5, 2.0, 0.6]
    assert lines[-2].split() == ["mean", "10", *(f"{mean:.4f}" for mean in means)]
    assert len(lines) == 13
    assert json.loads(json.dumps(scores.to_json())) == scores.to_json()


def _scene(folder: Path, seed: int) -> tuple[EvaluatedBoxes, EvaluatedBoxes]:
    rng = np.random.default_rng(seed)
    tables = random_drive(rng, scenes=2, samples=8, objects=30)
    results = folder / "results.json"
    results.write_text(json.dumps(random_results(rng, tables)))
    read = read_nuscenes(tables.write(folder / "v1.0-mini"))
    samples = {token.decode(): place for place, token in enumerate(read.samples.tolist())}
    found = read_results(results, samples, read.other_samples)
    return annotated_boxes(read), found_boxes(read, found)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[EvaluatedBoxes, EvaluatedBoxes]:
    return _scene(tmp_path_factory.mktemp("drive"), 1)


def _equal(a: NuScenesScores, b: NuScenesScores) -> None:
    for field in fields(a):
        np.testing.assert_allclose(getattr(a, field.name), getattr(b, field.name), atol=1e-9)


def test_random_scenes_score_as_by_loops(
    scene: tuple[EvaluatedBoxes, EvaluatedBoxes], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = evaluate_boxes(*scene, 16)
    assert (scores.objects > 0).sum() >= 8
    assert scores.mean_ap > 0.05
    ap, errors = scores_by_loops(*scene)
    np.testing.assert_allclose(scores.ap, ap, atol=1e-12)
    np.testing.assert_allclose(scores.errors, errors, atol=1e-12)
    # In however many blocks pairs are made.
    monkeypatch.setattr("vision.metrics.nuscenes.matching.MAX_PAIRS", 7)
    _equal(evaluate_boxes(*scene, 16), scores)


def test_place_and_direction_of_the_map_do_not_matter(
    scene: tuple[EvaluatedBoxes, EvaluatedBoxes],
) -> None:
    turn = np.array([[np.cos(2), -np.sin(2), 0], [np.sin(2), np.cos(2), 0], [0, 0, 1]])
    moved = [
        one._replace(
            centres=one.centres @ turn.T + [30, -20, 5],
            yaws=one.yaws + 2,
            velocities=one.velocities @ turn[:2, :2].T,
        )
        for one in scene
    ]
    _equal(evaluate_boxes(*moved, 16), evaluate_boxes(*scene, 16))


def test_names_of_key_frames_and_scale_of_scores_do_not_matter(
    scene: tuple[EvaluatedBoxes, EvaluatedBoxes],
) -> None:
    expected = evaluate_boxes(*scene, 16)
    renamed = [one._replace(samples=100 - one.samples) for one in scene]
    _equal(evaluate_boxes(*renamed, 16), expected)
    objects, found = scene
    # Errors between two scores follow them linearly; precision only their order.
    _equal(evaluate_boxes(objects, found._replace(scores=3 * found.scores), 16), expected)
    squared = evaluate_boxes(objects, found._replace(scores=found.scores**2), 16)
    np.testing.assert_array_equal(squared.ap, expected.ap)


def test_a_less_certain_false_detection_does_not_raise_precision(
    scene: tuple[EvaluatedBoxes, EvaluatedBoxes],
) -> None:
    objects, found = scene
    far = found._replace(centres=found.centres + 1000, scores=found.scores * 0 + 0.01)
    more = EvaluatedBoxes(*(np.concatenate(pair) for pair in zip(found, far, strict=True)))
    a, b = evaluate_boxes(objects, more, 16), evaluate_boxes(objects, found, 16)
    assert (a.ap <= b.ap).all()
    swapped = EvaluatedBoxes(*(np.concatenate(pair) for pair in zip(far, found, strict=True)))
    swapped = swapped._replace(scores=1 - swapped.scores)
    assert evaluate_boxes(objects, swapped, 16).mean_ap < b.mean_ap
