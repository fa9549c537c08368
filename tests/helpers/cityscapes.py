"""Random instance ids and detections, and the benchmark of Cityscapes' scripts as plain loops."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from pycocotools import mask as mask_tools

SIZE = (48, 80)
EVALUATED = {
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
VOID = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)


class Found(NamedTuple):
    """A detection."""

    label: int
    score: float
    mask: np.ndarray


class Scene(NamedTuple):
    """An image: the values of its annotation and its detections."""

    name: str
    ids: np.ndarray
    found: list[Found]


def random_scenes(seed: int, images: int = 4) -> list[Scene]:
    """Objects of three classes, large and small, groups, void, and detections like them."""
    draw = np.random.default_rng(seed)
    scenes = []
    for number in range(images):
        ids = np.full(SIZE, 7)
        for place in range(int(draw.integers(2, 9))):
            label = int(draw.choice([24, 26, 33]))
            value = draw.choice([label, 1000 * label + place, 1000 * label + place, 4, 29])
            ids[rectangle(draw)] = int(value)
        shapes = [(int(value), ids == value) for value in np.unique(ids)]
        found = [random_found(draw, shapes) for _ in range(int(draw.integers(0, 14)))]
        scenes.append(Scene(f"town_{seed:06d}_{number:06d}", ids.astype(np.uint16), found))
    return scenes


def random_found(draw: np.random.Generator, shapes: Sequence[tuple[int, np.ndarray]]) -> Found:
    """Like a segment, a part of it, anywhere, or empty; scores tie."""
    label, mask = int(draw.choice([24, 26, 33, 28, 7])), np.zeros(SIZE, dtype=bool)
    mask[rectangle(draw)] = True
    if draw.random() < 0.8:
        value, shape = shapes[int(draw.integers(len(shapes)))]
        mask = np.roll(shape, draw.integers(-2, 3, 2), axis=(0, 1))
        mask &= draw.random(SIZE) < draw.choice([1.0, 0.8, 0.6])
        label = value // 1000 if value >= 1000 else value
    if draw.random() < 0.05:
        mask[:] = False
    return Found(label, float(draw.choice([0.25, 0.5, round(float(draw.random()), 3)])), mask)


def rectangle(draw: np.random.Generator) -> tuple[slice, slice]:
    top, left = (int(draw.integers(0, side - 6)) for side in SIZE)
    height, width = (int(x) for x in draw.integers(5, 26, 2))
    return slice(top, top + height), slice(left, left + width)


def write_scenes(folder: Path, scenes: Sequence[Scene]) -> None:
    """`gtFine`, text files with masks in `text`, and the same in `found.json`."""
    results: list[dict[str, Any]] = []
    for scene in scenes:
        city = scene.name.partition("_")[0]
        truth = folder / "gtFine" / city / f"{scene.name}_gtFine_instanceIds.png"
        truth.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.ids).save(truth)
        lines = []
        (folder / "text" / "masks").mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(scene.found):
            name = f"masks/{scene.name}_{number}.png"
            Image.fromarray(one.mask.astype(np.uint8) * 255).save(folder / "text" / name)
            lines.append(f"{name} {one.label} {one.score}\n")
            runs = mask_tools.encode(np.asfortranarray(one.mask.astype(np.uint8)))
            results.append(
                {
                    "image_id": scene.name,
                    "category_id": one.label,
                    "score": one.score,
                    "segmentation": {"size": [*SIZE], "counts": runs["counts"].decode()},
                }
            )
        (folder / "text" / f"{scene.name}_leftImg8bit.txt").write_text("".join(lines))
    (folder / "found.json").write_text(json.dumps(results))


def scripts(scenes: Sequence[Scene]) -> dict[str, list[float]]:
    """Average precision of each class at ten overlaps, step by step."""
    return {
        name: [one_overlap(scenes, label, overlap) for overlap in np.arange(0.5, 1.0, 0.05)]
        for name, label in EVALUATED.items()
    }


def one_overlap(scenes: Sequence[Scene], label: int, overlap: float) -> float:
    """Average precision of a class at an overlap."""
    judged: list[tuple[float, bool]] = []
    total, any_found = 0, False
    for scene in scenes:
        values = [int(x) for x in np.unique(scene.ids) if x == label or x // 1000 == label]
        objects = [x for x in values if x >= 1000 and (scene.ids == x).sum() >= 100]
        found = [one for one in scene.found if one.label == label and one.mask.any()]
        total += len(objects)
        any_found |= bool(found)
        for value in objects:
            hits = [one.score for one in found if iou(one.mask, scene.ids == value) > overlap]
            judged += [(score, place == 0) for place, score in enumerate(sorted(hits)[::-1])]
        for one in found:
            if any(iou(one.mask, scene.ids == value) > overlap for value in values):
                continue
            ignored = sum(int((one.mask & (scene.ids == value)).sum()) for value in VOID)
            for value in values:
                shared = int((one.mask & (scene.ids == value)).sum())
                ignored += shared * (value < 1000)
                ignored += shared * bool((scene.ids == value).sum() < 100)
            if ignored / one.mask.sum() <= overlap:
                judged.append((one.score, False))
    if not total:
        return float("nan")
    return area(judged, total) if any_found and judged else 0.0


def area(judged: list[tuple[float, bool]], total: int) -> float:
    """The sum of precisions, each over half of the steps of recall at its sides."""
    points = []
    for threshold in sorted({score for score, _ in judged}):
        kept = [right for score, right in judged if score >= threshold]
        points.append((sum(kept) / len(kept), sum(kept) / total))
    points.append((1.0, 0.0))
    recalls = [points[0][1], *(recall for _, recall in points), 0.0]
    return sum(
        precision * (recalls[place] - recalls[place + 2]) / 2
        for place, (precision, _) in enumerate(points)
    )


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())
