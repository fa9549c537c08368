"""The files of a YOLO dataset: `data.yaml`, which names its images, and the labels of an image."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from vision.data.files import IMAGE_SUFFIXES, find_images
from vision.data.index_builder import polygon_area
from vision.documents.text import read_text
from vision.documents.yaml_text import read_yaml
from vision.errors import DataError, suggest

NAME = "data.yaml"
EXPECTED = (
    "Expected data.yaml with `train`, `val` and maybe `test` (a folder of images, a list of "
    "folders, or a .txt with a path a line, from `path` on) and `names`, and beside each folder "
    "images/... its labels/..."
)
# How far a coordinate may be off [0, 1] through the rounding of whoever wrote it.
ROUNDING = 1e-4
# Shares of a side, and of the area, below which an object is nothing.
LEAST_SIDE, LEAST_AREA = 1e-6, 1e-12
BOX_NUMBERS = 4
LEAST_POLYGON_NUMBERS = 6


YoloSplit = Literal["train", "val", "test"]


class Layout(NamedTuple):
    """What `data.yaml` says.

    Attributes:
        file: The file itself.
        folder: The folder that the paths begin at.
        class_names: Names of the classes, by label.
        splits: The entries of `train`, `val` and `test` that there are.
    """

    file: Path
    folder: Path
    class_names: tuple[str, ...]
    splits: dict[YoloSplit, tuple[str, ...]]

    def images(self, split: str) -> list[str]:
        """Paths of the images of a split, in the order of the entries, then of their names.

        Raises:
            DataError: `data.yaml` has no such split, or an entry is absent or has no images.
        """
        entries = next((own for name, own in self.splits.items() if name == split), None)
        if entries is None:
            raise DataError(f"'{self.file}' has no `{split}`; it has {', '.join(self.splits)}.")
        found: dict[str, None] = {}  # an image that two entries have counts once
        for entry in entries:
            found |= dict.fromkeys(self._images(split, entry))
        return list(found)

    def _images(self, split: str, entry: str) -> list[str]:
        path = self._place(entry)
        if path is None:
            raise DataError(
                f"`{split}` of '{self.file}' is '{entry}', which is absent: looked at "
                f"'{self.folder / entry}'. {EXPECTED}"
            )
        images = find_images(path) if path.is_dir() else self._listed(path)
        if not images:
            raise DataError(f"`{split}` of '{self.file}' has no images: '{path}'. {EXPECTED}")
        return images

    def _place(self, entry: str) -> Path | None:
        places = [self.folder / entry]
        if entry.startswith("../"):  # Roboflow writes them as if data.yaml lay a folder deeper
            places.append(self.folder / entry.removeprefix("../"))
        return next((place for place in places if place.exists()), None)

    def _listed(self, path: Path) -> list[str]:
        lines = [line.strip() for line in read_text(path, what="list of images").splitlines()]
        return [self._listed_image(path, line) for line in lines if line]

    def _listed_image(self, file: Path, line: str) -> str:
        # Relative to the list itself in the official ones; other programs write them from the root.
        beside = os.path.normpath(file.parent / line)
        from_root = os.path.normpath(self.folder / line)
        return from_root if beside != from_root and not os.path.exists(beside) else beside


def read_layout(root: Path) -> Layout:
    """Read `data.yaml`.

    Args:
        root: The file, under any name, or the folder that holds `data.yaml`, or one other `.yaml`.

    Raises:
        DataError: The file is absent, is no YAML, or lacks a key.
    """
    file = _find(root)
    content = read_yaml(file, what="dataset file")
    if not isinstance(content, dict):
        raise DataError(f"'{file}' holds no `key: value` lines. {EXPECTED}")
    splits = {}
    for split in get_args(YoloSplit):
        entries = content.get(split) or ()
        entries = (entries,) if isinstance(entries, str) else entries
        if not isinstance(entries, (list, tuple)) or not all(isinstance(e, str) for e in entries):
            raise DataError(f"`{split}` of '{file}' is {entries!r}. {EXPECTED}")
        if entries:
            splits[split] = tuple(entries)
    if absent := [split for split in ("train", "val") if split not in splits]:
        raise DataError(f"'{file}' has no `{absent[0]}`.{suggest(absent[0], content)} {EXPECTED}")
    return Layout(file, _folder(file, content.get("path")), _names(file, content), splits)


def label_path(image: str) -> str:
    """Where the labels of an image lie: the last folder `images` becomes `labels`."""
    folders, name = os.path.split(image)
    parts = folders.split(os.sep)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return os.path.join(os.sep.join(parts), f"{os.path.splitext(name)[0]}.txt")


class Labels(NamedTuple):
    """The objects of an image.

    Attributes:
        classes: int32 `(M,)`.
        boxes: float64 `(M, 4)`, `(x1, y1, x2, y2)` in [0, 1].
        polygons: Of each object its outline, float64 `(P, 2)` in [0, 1]; None where it is a box.
        dropped: Objects that are left out: of no area, or there twice.
    """

    classes: np.ndarray
    boxes: np.ndarray
    polygons: list[np.ndarray | None]
    dropped: dict[str, int]


def read_labels(path: str, num_classes: int, report: Callable[[str], Any]) -> Labels:
    """Read the labels of an image.

    A line is `class cx cy w h`, or `class x1 y1 x2 y2 x3 y3 ...` with the corners of a polygon, in
    shares of the image's width and height. What a box has outside the image is cut off.

    Args:
        path: The file; an image without one has no objects.
        num_classes: Classes are below this number.
        report: Gets what is wrong, with file and line; such lines are left out.
    """
    classes, boxes, polygons = [], [], []
    seen: set[tuple[float, ...]] = set()
    dropped = {"degenerate": 0, "duplicate": 0}
    for line, words in _lines(path, report):
        numbers = _numbers(words, num_classes)
        if isinstance(numbers, str):
            report(f"'{path}', line {line}: {numbers}")
            continue
        if numbers in seen:
            dropped["duplicate"] += 1
            continue
        seen.add(numbers)
        box, polygon = _shape(numbers[1:])
        if _is_degenerate(box, polygon):
            dropped["degenerate"] += 1
            continue
        classes.append(int(numbers[0]))
        boxes.append(box)
        polygons.append(polygon)
    return Labels(
        np.array(classes, dtype=np.int32), np.array(boxes).reshape(-1, 4), polygons, dropped
    )


def _find(root: Path) -> Path:
    if root.is_file():
        return root
    if not root.is_dir():
        raise DataError(f"there is no '{root}' (looked at '{root.resolve()}'). {EXPECTED}")
    if (root / NAME).is_file():
        return root / NAME
    others = sorted(path for path in root.iterdir() if path.suffix in (".yaml", ".yml"))
    if len(others) != 1:
        found = ", ".join(path.name for path in others) or "none"
        raise DataError(
            f"'{root.resolve()}' has no {NAME} (YAML files in it: {found}); name the file itself "
            f"as root. {EXPECTED}"
        )
    return others[0]


def _folder(file: Path, path: Any) -> Path:
    beside = Path(os.path.abspath(file.parent))
    if not path:
        return beside
    # `path` may be meant from the file, from where the command runs, or name the folder itself.
    for place in (beside / str(path), Path(str(path)).absolute()):
        if place.is_dir():
            return Path(os.path.normpath(place))
    if Path(str(path)).name == beside.name:
        return beside
    raise DataError(
        f"`path` of '{file}' is '{path}': there is no such folder, neither from '{beside}' nor "
        "from the current one. Delete the line if the file lies in the dataset's folder."
    )


def _names(file: Path, content: dict[Any, Any]) -> tuple[str, ...]:
    names = content.get("names")
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DataError(
                f"`names` of '{file}' has the keys {list(names)[:10]}, expected 0 to "
                f"{len(names) - 1}."
            )
        names = [names[label] for label in range(len(names))]
    if not isinstance(names, list) or not names:
        near = suggest("names", map(str, content))
        raise DataError(f"'{file}' has no `names`, a list or `label: name` lines.{near}")
    if "nc" in content and content["nc"] != len(names):
        raise DataError(f"'{file}' has {len(names)} `names` but `nc: {content['nc']}`.")
    names = [str(name) for name in names]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"`names` of '{file}' has '{twice[0]}' twice.")
    return tuple(names)


def _lines(path: str, report: Callable[[str], Any]) -> Iterator[tuple[int, list[str]]]:
    if not os.path.lexists(path):
        return  # an image without objects
    try:
        lines = read_text(path, what="label file").splitlines()
    except DataError as error:
        report(str(error))
        return
    for line, content in enumerate(lines, start=1):
        if words := content.split():
            yield line, words


def _numbers(words: list[str], num_classes: int) -> tuple[float, ...] | str:
    """Class and coordinates of a line, or what is wrong with it."""
    try:
        numbers = tuple(map(float, words))
    except ValueError:
        return f"{' '.join(words)[:80]!r} is no row of numbers."
    label, *coordinates = numbers
    is_polygon = len(coordinates) >= LEAST_POLYGON_NUMBERS and len(coordinates) % 2 == 0
    if len(coordinates) != BOX_NUMBERS and not is_polygon:
        return (
            f"{len(numbers)} numbers, expected 5 (class cx cy w h), or 7, 9, ... (class and the "
            "corners of a polygon)."
        )
    if label not in range(num_classes):
        return f"class {words[0]}, expected 0 to {num_classes - 1} (`names` has {num_classes})."
    if not all(map(math.isfinite, coordinates)):
        return "a coordinate is not a finite number."
    if outside := [x for x in coordinates if not -ROUNDING <= x <= 1 + ROUNDING]:
        return (
            f"the coordinate {outside[0]:g} is outside [0, 1]: coordinates are shares of the "
            "image's width and height, not pixels."
        )
    return numbers


def _shape(numbers: Sequence[float]) -> tuple[tuple[float, ...], np.ndarray | None]:
    """Box within the image, and polygon `(P, 2)` if it is one."""
    # Plain numbers: small arrays would take several times as long, and there are millions.
    if len(numbers) == BOX_NUMBERS:
        x, y, w, h = numbers
        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        return tuple(min(max(corner, 0.0), 1.0) for corner in corners), None
    polygon = np.array(numbers).reshape(-1, 2).clip(0, 1)
    return (*polygon.min(axis=0).tolist(), *polygon.max(axis=0).tolist()), polygon


def _is_degenerate(box: tuple[float, ...], polygon: np.ndarray | None) -> bool:
    left, top, right, bottom = box
    if min(right - left, bottom - top) < LEAST_SIDE:
        return True
    return polygon is not None and polygon_area(polygon) < LEAST_AREA


def orphans(images: list[str]) -> Iterator[str]:
    """Label files, in the folders of the labels of some images, to which there is no image."""
    known = {label_path(image) for image in images}
    for folder in sorted({os.path.dirname(path) for path in known}):
        if not os.path.isdir(folder):
            continue
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            loose = name.endswith(".txt") and path not in known
            if loose and not _has_image(path):
                yield path


def _has_image(label: str) -> bool:
    stem = os.path.splitext(os.path.basename(label))[0]
    parts = os.path.dirname(label).split(os.sep)
    if "labels" in parts:
        parts[len(parts) - 1 - parts[::-1].index("labels")] = "images"
    return any(
        os.path.exists(os.path.join(os.sep.join(parts), stem + end))
        for suffix in IMAGE_SUFFIXES
        for end in (suffix, suffix.upper())
    )
