"""Random boxes in Pascal VOC's form, and the evaluation of its development kit as plain loops."""

from typing import Any, NamedTuple

import numpy as np

Box = tuple[int, int, int, int]


class VocObject(NamedTuple):
    """An object: its box has the first and the last pixel, from 1 on."""

    image: str
    name: str
    box: Box
    difficult: bool


class VocAnswer(NamedTuple):
    """A detection."""

    image: str
    name: str
    score: float
    box: Box


CLASSES = ("cat", "big_cat", "dog", "unseen")
SIDE = 60


def random_voc(seed: int, images: int = 6) -> tuple[list[str], list[VocObject], list[VocAnswer]]:
    """Names of images, objects and detections; overlaps lie at and around a half, scores tie."""
    draw = np.random.default_rng(seed)
    names = [f"{number:06d}" for number in (draw.permutation(90)[:images] + 1).tolist()]
    objects, answers = [], []
    for image in names:
        for _ in range(int(draw.integers(0, 6))):
            name = str(draw.choice(CLASSES[:3]))
            objects.append(VocObject(image, name, random_box(draw), bool(draw.random() < 0.3)))
        here = [one for one in objects if one.image == image]
        for _ in range(int(draw.integers(0, 10))):
            name, box = str(draw.choice(CLASSES)), random_box(draw)
            if here and draw.random() < 0.8:
                like = here[int(draw.integers(len(here)))]
                name, box = like.name, moved(draw, like.box)
            score = float(draw.choice([0.25, 0.5, round(float(draw.random()), 3)]))
            answers.append(VocAnswer(image, name, score, box))
    return names, objects, answers


def random_box(draw: np.random.Generator) -> Box:
    left, top = draw.integers(1, SIDE - 20, 2).tolist()
    width, height = draw.integers(1, 20, 2).tolist()
    return left, top, left + width, top + height


def moved(draw: np.random.Generator, box: Box) -> Box:
    """The same, or half of it, or shifted by up to three pixels."""
    left, top, right, bottom = box
    if draw.random() < 0.2:
        return left, top, left + (right - left + 1) // 2 - 1 + (right == left), bottom
    across, down = (int(x) for x in draw.integers(0, 4, 2))
    return left + across, top + down, right + across, bottom + down


def devkit(objects: list[VocObject], answers: list[VocAnswer], name: str) -> tuple[float, float]:
    """AP at 11 recalls and as an area of a class, step by step."""
    remaining: dict[str, list[list[Any]]] = {}
    total = 0
    for one in objects:
        if one.name == name:
            remaining.setdefault(one.image, []).append([one.box, one.difficult, False])
            total += not one.difficult
    own = sorted((one for one in answers if one.name == name), key=lambda one: -one.score)
    right, wrong = [], []
    for answer in own:
        best, found = -np.inf, None
        for entry in remaining.get(answer.image, []):
            overlap = inclusive_iou(answer.box, entry[0])
            if overlap > best:
                best, found = overlap, entry
        hit = miss = 0
        if best >= 0.5:
            assert found is not None
            if not found[1]:
                hit, miss = int(not found[2]), int(found[2])
                found[2] = True
        else:
            miss = 1
        right.append(hit)
        wrong.append(miss)
    return average(right, wrong, total) if total else (float("nan"), float("nan"))


def average(right: list[int], wrong: list[int], total: int) -> tuple[float, float]:
    """AP at 11 recalls and as an area, of detections by falling score."""
    hits, misses = np.cumsum(right), np.cumsum(wrong)
    recall = hits / total
    precision = hits / np.maximum(hits + misses, np.finfo(np.float64).eps)
    eleven = 0.0
    for level in np.arange(0.0, 1.1, 0.1):
        eleven += (max(precision[recall >= level], default=0.0)) / 11
    steps, heights = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for i in range(len(heights) - 2, -1, -1):
        heights[i] = max(heights[i], heights[i + 1])
    area = sum(
        (steps[i] - steps[i - 1]) * heights[i]
        for i in range(1, len(steps))
        if steps[i] != steps[i - 1]
    )
    return eleven, float(area)


def inclusive_iou(a: Box, b: Box) -> float:
    """Overlap of boxes that include their last pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(x[2] - x[0] + 1) * (x[3] - x[1] + 1) for x in (a, b)]
    return width * height / (sum(areas) - width * height)
