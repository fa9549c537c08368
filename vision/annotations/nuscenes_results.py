"""nuScenes' format of detection results: a JSON object with `meta` and `results` by key frame.

Letters: D detections, F key frames.
"""

from collections.abc import Mapping
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco import problems_error
from vision.annotations.coco_tables import collector_paused
from vision.annotations.columns import finite
from vision.annotations.nuscenes_names import ATTRIBUTES, CLASSES
from vision.documents.json_stream import JsonStream, open_json
from vision.errors import DataError, listed, shown, suggest
from vision.wording import counted

MAX_PER_SAMPLE = 500
_FIELDS = (
    *("sample_token", "translation", "size", "rotation", "velocity"),
    *("detection_name", "detection_score", "attribute_name"),
)
# A quaternion with no larger number has no direction.
MIN_QUATERNION = 1e-6
_LABELS = {name: label for label, name in enumerate(CLASSES)}
# An empty text says that a detection has none.
_ATTRIBUTES = {"": -1} | {name: number for number, name in enumerate(ATTRIBUTES)}
_MAX_PROBLEMS = 100
_REMEDY = f"Expected of each detection: {', '.join(_FIELDS)}; positions in the map's frame."


class Detections(NamedTuple):
    """Detections of several key frames, in the order of the file. The frame is the map's.

    Attributes:
        samples: int64 `(D,)`, index of the key frame.
        labels: int64 `(D,)`, index in `CLASSES`.
        attributes: int64 `(D,)`, index in `ATTRIBUTES`; -1 for none.
        scores: float64 `(D,)`.
        centres: float64 `(D, 3)` in metres.
        sizes: float64 `(D, 3)`, width, length, height in metres.
        rotations: float64 `(D, 4)`, quaternions w, x, y, z.
        velocities: float64 `(D, 2)`, along x and y in metres per second; NaN if unknown.
    """

    samples: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    scores: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    rotations: np.ndarray
    velocities: np.ndarray


def read_results(path: Path, samples: Mapping[str, int], others: frozenset[str]) -> Detections:
    """Read a file of results.

    Args:
        path: The file.
        samples: Index of each of F key frames by its token; each has to be in the file.
        others: Tokens of key frames whose detections are passed over.

    Raises:
        DataError: The file is absent or not in nuScenes' format, lacks a key frame or has one that
            is not known, or a detection has a wrong field; the message has token and key.
    """
    parts: list[Detections] = [_converted([])]
    problems: list[str] = []
    seen: set[str] = set()
    with open_json(path, what="file of results") as stream, collector_paused():
        keys = set()
        for key in stream.entries():
            keys.add(key)
            if key != "results":
                stream.value()
                continue
            for token in stream.entries():
                if token in seen:
                    problems.append(f"key frame {shown(token)} occurs twice")
                seen.add(token)
                parts.append(_read_sample(stream, token, samples, others, problems))
                if len(problems) >= _MAX_PROBLEMS:
                    break
            if problems:
                raise problems_error(f"'{path}'", problems, _REMEDY)
        stream.finish()
    if absent := [key for key in ("meta", "results") if key not in keys]:
        raise DataError(
            f"'{path}' has no {' and no '.join(map(repr, absent))}. Expected nuScenes' results: an "
            "object with 'meta' and 'results', a list of detections for each key frame's token."
        )
    if missing := [token for token in samples if token not in seen]:
        raise DataError(
            f"'{path}' lacks {len(missing):,} of {counted(len(samples), 'key frames')}: "
            f"{listed(missing, maximum=3)}. One without detections has an empty list. Predict "
            "those too, or name the split of the file by --split."
        )
    return Detections(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _read_sample(
    stream: JsonStream,
    token: str,
    samples: Mapping[str, int],
    others: frozenset[str],
    problems: list[str],
) -> Detections:
    """The detections of one key frame; none if it is passed over or has problems."""
    boxes = stream.value()
    number = samples.get(token)
    if number is None:
        if token not in others:
            problems.append(f"{shown(token)} is the token of no key frame of these tables")
        return _converted([])
    where = f"key frame '{token}'"
    if not isinstance(boxes, list):
        problems.append(f"{where} has {shown(boxes)}, expected a list of detections")
        return _converted([])
    if len(boxes) > MAX_PER_SAMPLE:
        problems.append(
            f"{where} has {len(boxes):,} detections; {MAX_PER_SAMPLE} are allowed: keep those with "
            "the highest scores"
        )
        return _converted([])
    try:
        found = _converted(boxes)
        good = _all_fit(found) and all(box["sample_token"] == token for box in boxes)
    except (KeyError, TypeError, ValueError, OverflowError):
        good = False
    if not good:
        faults = [(place, _fault(box, token)) for place, box in enumerate(boxes)]
        problems.extend(f"{where}, detection {place}: {fault}" for place, fault in faults if fault)
        return _converted([])
    return found._replace(samples=np.full(len(boxes), number))


def _converted(boxes: list[Any]) -> Detections:
    """Arrays of the detections of a key frame.

    Raises:
        KeyError: A field is absent, or a name is not known.
        TypeError: A value is of another type.
        ValueError: A list has another length.
    """
    return Detections(
        samples=np.zeros(len(boxes), dtype=np.int64),
        labels=np.array([_LABELS[box["detection_name"]] for box in boxes], dtype=np.int64),
        attributes=np.array([_ATTRIBUTES[box["attribute_name"]] for box in boxes], dtype=np.int64),
        scores=_numbers([box["detection_score"] for box in boxes]),
        centres=_rows(boxes, "translation", 3),
        sizes=_rows(boxes, "size", 3),
        rotations=_rows(boxes, "rotation", 4),
        velocities=_rows(boxes, "velocity", 2),
    )


def _rows(boxes: list[Any], key: str, width: int) -> np.ndarray:
    values = list(map(itemgetter(key), boxes))
    if not set(map(len, values)) <= {width}:
        raise ValueError(key)
    return _numbers(list(chain.from_iterable(values))).reshape(len(boxes), width)


def _numbers(values: list[Any]) -> np.ndarray:
    # NumPy takes texts and booleans too.
    if not set(map(type, values)) <= {int, float}:
        raise TypeError("not all are numbers")
    return np.array(values, dtype=np.float64)


def _all_fit(found: Detections) -> bool:
    numbers = (found.scores, found.centres, found.sizes, found.rotations)
    finite_all = all(np.isfinite(one).all() for one in numbers)
    turned = (np.abs(found.rotations) > MIN_QUATERNION).any(axis=-1).all()
    known = not np.isinf(found.velocities).any()
    return bool(finite_all and known and turned and (found.sizes > 0).all())


def _fault(box: Any, token: str) -> str | None:
    """What is wrong with a detection; None if nothing is."""
    if not isinstance(box, Mapping):
        return f"it is {shown(box)}, expected an object"
    if absent := [key for key in _FIELDS if key not in box]:
        return f"it has no {', '.join(map(repr, absent))}"
    if box["sample_token"] != token:
        return f"'sample_token' is {shown(box['sample_token'])}, expected that of its key frame"
    name = box["detection_name"]
    if not isinstance(name, str) or name not in _LABELS:
        near = suggest(name, CLASSES) if isinstance(name, str) else ""
        return f"'detection_name' is {shown(name)}, expected one of {', '.join(CLASSES)}.{near}"
    attribute = box["attribute_name"]
    if not isinstance(attribute, str) or attribute not in _ATTRIBUTES:
        return (
            f"'attribute_name' is {shown(attribute)}, expected an empty text or one of "
            f"{', '.join(ATTRIBUTES)}"
        )
    if finite(box["detection_score"]) is None:
        return f"'detection_score' is {shown(box['detection_score'])}, expected a finite number"
    return _number_fault(box)


def _number_fault(box: Mapping[str, Any]) -> str | None:
    for key, width in (("translation", 3), ("size", 3), ("rotation", 4), ("velocity", 2)):
        value = box[key]
        # A velocity may be unknown, which is NaN.
        unknown = key == "velocity"
        good = isinstance(value, list) and len(value) == width
        if not good or any(finite(one) is None and not (unknown and one != one) for one in value):
            return f"'{key}' is {shown(value)}, expected {width} finite numbers"
    if min(box["size"]) <= 0:
        return f"'size' is {shown(box['size'])}, expected three numbers above 0"
    if max(map(abs, box["rotation"])) <= MIN_QUATERNION:
        return f"'rotation' is {shown(box['rotation'])}, expected a quaternion, not 0"
    return None
