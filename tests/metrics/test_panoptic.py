from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from helpers.random_panoptic import CATEGORIES, THINGS, Scene, Side, random_scene, scores_of, side

Pixels = set[tuple[int, int]]


def pixels_of(side: Side) -> dict[int, Pixels]:
    found: dict[int, Pixels] = {}
    for row, values in enumerate(side.ids.tolist()):
        for column, value in enumerate(values):
            found.setdefault(value, set()).add((row, column))
    return found


class Slow:
    """PQ, SQ and RQ per category, word by word from the paper."""

    def __init__(self, scenes: list[Scene]) -> None:
        self.iou_sum = [0.0] * CATEGORIES
        self.counts = {kind: [0] * CATEGORIES for kind in ("TP", "FP", "FN")}
        self.rules: Counter[str] = Counter()  # how often each applied
        for truth, found in scenes:
            hits = self.count_found(truth, found)
            for other, label, crowd in rows_of(truth):
                self.rules["missed crowd"] += crowd
                self.counts["FN"][label] += not crowd and other not in hits

    def count_found(self, truth: Side, found: Side) -> set[int]:
        """Count the predicted segments of an image; returns the matched ones of the truth."""
        true_pixels, found_pixels, hits = pixels_of(truth), pixels_of(found), set()
        void = true_pixels.get(0, set())
        for identity, label, _ in rows_of(found):
            pixels, matched = found_pixels[identity], False
            for other in [one for one, of, crowd in rows_of(truth) if of == label and not crowd]:
                both = (pixels - void) & true_pixels[other]
                iou = Fraction(len(both), len((pixels - void) | true_pixels[other]))
                self.rules["half"] += iou == Fraction(1, 2)
                if iou > Fraction(1, 2):
                    matched = True
                    hits.add(other)
                    self.iou_sum[label] += float(iou)
            crowds = [
                true_pixels[one] for one, of, crowd in rows_of(truth) if crowd and of == label
            ]
            unclear = len(pixels & void.union(*crowds)) / len(pixels) > 0.5
            self.counts["TP"][label] += matched
            self.counts["FP"][label] += not matched and not unclear
            if not matched and unclear:
                self.rules["void" if len(pixels & void) / len(pixels) > 0.5 else "crowd"] += 1
        return hits

    def scores(self) -> np.ndarray:
        """PQ, SQ and RQ, `(3, K)`; NaN where there are none."""
        scores = np.full((3, CATEGORIES), np.nan)
        for k in range(CATEGORIES):
            positive = self.counts["TP"][k]
            weight = positive + self.counts["FP"][k] / 2 + self.counts["FN"][k] / 2
            if weight:
                mean = self.iou_sum[k] / positive if positive else 0.0
                scores[:, k] = self.iou_sum[k] / weight, mean, positive / weight
        return scores


def rows_of(side: Side) -> list[tuple[int, int, bool]]:
    """Id, category and crowd of each segment."""
    return list(zip(*(part.tolist() for part in side.segments), strict=True))


def test_it_is_the_definition() -> None:
    scenes = [random_scene(seed) for seed in range(60)]
    for part in (scenes, *([one] for one in scenes[:10])):
        ours = scores_of(part)
        expected = Slow(part).scores()
        np.testing.assert_allclose([ours.pq, ours.sq, ours.rq], expected, rtol=0, atol=1e-12)
    slow = Slow(scenes)
    expected = slow.scores()
    assert min(slow.rules[name] for name in ("half", "void", "crowd", "missed crowd")) > 0
    means = scores_of(scenes).groups()
    for group, chosen in {
        "all": slice(None),
        "things": slice(THINGS),
        "stuff": slice(THINGS, None),
    }.items():
        np.testing.assert_allclose(
            [means[group][name] for name in ("PQ", "SQ", "RQ")],
            expected[:, chosen].mean(1),
            rtol=0,
            atol=1e-12,
        )
        assert means[group]["categories"] == expected[0, chosen].size


def test_it_is_torchmetrics_without_crowds() -> None:
    # torchmetrics takes void pixels of the prediction out of unions too, the definition does not.
    from torchmetrics.detection import PanopticQuality

    scenes = [random_scene(seed, crowds=False, void_found=False) for seed in range(12)]
    judge = PanopticQuality(
        things=set(range(THINGS)),
        stuffs=set(range(THINGS, CATEGORIES)),
        return_sq_and_rq=True,
        return_per_class=True,
    )
    for truth, found in scenes:
        judge.update(as_colours(found), as_colours(truth))
    ours = scores_of(scenes)
    expected = judge.compute().numpy()  # (K, 3), by the order of the categories
    np.testing.assert_allclose(np.stack([ours.pq, ours.sq, ours.rq], 1), expected, atol=1e-12)


def as_colours(side: Side) -> torch.Tensor:
    """Category and instance of each pixel, int `(1, H, W, 2)`; 99 is an unknown category."""
    colours = np.zeros((*side.ids.shape, 2), np.int64)
    colours[..., 0] = 99
    for identity, label, _ in rows_of(side):
        colours[side.ids == identity] = label, identity if label < THINGS else 0
    return torch.from_numpy(colours)[None]


def stripes(*parts: tuple[int, int]) -> np.ndarray:
    """A row of pixels: `(id, length)` for each part."""
    return np.concatenate([np.full(length, identity) for identity, length in parts])[None]


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        # An IoU of exactly one half is no match.
        (stripes((1, 2), (2, 8)), stripes((1, 1), (2, 9)), (8 / 9, 1, 1, 1)),
        # Void pixels are in no union: 4 of 4.
        (stripes((1, 4), (0, 6)), stripes((1, 10)), (1, 1, 0, 0)),
        # Exactly half on void is a false positive, more is not.
        (stripes((0, 2), (1, 8)), stripes((3, 4), (1, 6)), (6 / 8, 1, 1, 0)),
        (stripes((0, 3), (1, 7)), stripes((3, 5), (1, 5)), (5 / 7, 1, 0, 0)),
        # The crowd 9 is of the category of 3, but not of the category of 4.
        (stripes((9, 3), (1, 7)), stripes((3, 5), (1, 5)), (5 / 7, 1, 0, 0)),
        (stripes((9, 3), (1, 7)), stripes((4, 5), (1, 5)), (5 / 7, 1, 1, 0)),
        # A crowd alone counts nothing.
        (stripes((9, 10)), stripes((0, 10)), (0, 0, 0, 0)),
    ],
)
def test_hand_cases(
    truth: np.ndarray, found: np.ndarray, expected: tuple[float, int, int, int]
) -> None:
    labels = {1: 0, 2: 0, 3: 0, 4: 1, 9: 0}
    scores = scores_of([Scene(side(truth, labels, {9}), side(found, labels))])
    total = (
        scores.iou_sum.sum(),
        scores.true_positives.sum(),
        scores.false_positives.sum(),
        scores.false_negatives.sum(),
    )
    assert total == pytest.approx(expected, abs=1e-15)


def test_crowds_of_a_category_count_together() -> None:
    labels = {1: 0, 2: 0, 3: 1, 5: 0}
    truth = side(stripes((1, 2), (2, 2), (3, 2)), labels, {1, 2})
    found = side(stripes((5, 6)), labels)
    assert scores_of([Scene(truth, found)]).false_positives.sum() == 0


def test_a_category_that_is_nowhere_is_in_no_mean() -> None:
    labels = {1: 0, 2: THINGS}
    one = side(stripes((1, 3), (2, 4)), labels)
    scores = scores_of([Scene(one, one)])
    written = scores.to_json()
    assert written["all"] == {"PQ": 1.0, "SQ": 1.0, "RQ": 1.0, "categories": 2}
    assert [row["PQ"] for row in written["per_class"]] == [1.0, None, None, 1.0, None]
    alone = scores_of([Scene(side(stripes((1, 3)), {1: 0}), side(stripes((1, 3)), {1: 0}))])
    assert alone.to_json()["stuff"] == {"PQ": None, "SQ": None, "RQ": None, "categories": 0}
    assert alone.table().splitlines()[-1].split() == ["stuff", "-", "-", "-", "0"]
    assert [line.split()[0] for line in alone.category_table().splitlines()[:2]] == [
        "name",
        "class",
    ]
