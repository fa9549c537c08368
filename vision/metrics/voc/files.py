"""Pascal VOC's evaluation between a folder of XML files and files of detections."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.annotations.coco import problems_error
from vision.annotations.columns import identity
from vision.annotations.voc import listed_name, read_annotation
from vision.documents.text import read_lines, read_text
from vision.errors import ConfigError, DataError, listed, shown
from vision.metrics.coco.files import Json, read_json
from vision.metrics.voc.evaluation import evaluate_voc
from vision.metrics.voc.table import VocResult
from vision.reading import MAX_SETTINGS_BYTES

_LINE = "expected the name of an image, a score, and the corners xmin ymin xmax ymax from 1 on"


def evaluate_files(
    annotations: Path,
    predictions: Path,
    *,
    class_names: Sequence[str],
    split: Path | None = None,
) -> VocResult:
    """Compare detections with XML files.

    Args:
        annotations: Folder of the XML files, such as `VOC2007/Annotations`.
        predictions: JSON in COCO's format, whose category ids count the classes from 1 on and whose
            image ids are names of images, or numbers that count those of `split` from 1 on; or a
            folder with the development kit's files, such as `comp4_det_test_cat.txt`, one for each
            class.
        class_names: Names of the K classes.
        split: List of the images to evaluate, such as `ImageSets/Main/test.txt`; None for all.

    Raises:
        ConfigError: Two classes have one name.
        DataError: A file is absent or not in its format; the message has the place.
    """
    if twice := [name for name in class_names if [*class_names].count(name) > 1]:
        raise ConfigError(f"class_names has '{twice[0]}' twice; each class has one name.")
    names = _names(annotations, split)
    truth = _truth(annotations, names, class_names)
    if predictions.is_dir():
        results = list(_lines_of_folder(predictions, names, class_names))
        return evaluate_voc(truth, results)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    rows = read_json(predictions)
    where = f"'{predictions}'"
    if not isinstance(rows, list):
        raise DataError(f"{where} holds {type(rows).__name__}, not a list of results.")
    numbered = [
        _numbered(one, index, numbers, where, split=split) for index, one in enumerate(rows)
    ]
    return evaluate_voc(truth, numbered, where=where)


def _names(annotations: Path, split: Path | None) -> list[str]:
    if not annotations.is_dir():
        raise DataError(
            f"there is no folder '{annotations}' (looked at {annotations.resolve()}), for the XML"
            " files such as VOC2007/Annotations/000001.xml."
        )
    found = sorted(path.stem for path in annotations.glob("*.xml"))
    if split is None:
        if not found:
            raise DataError(f"'{annotations}' has no file '*.xml'.")
        return found
    names = [
        listed_name(line)
        for line in read_lines(split, max_bytes=MAX_SETTINGS_BYTES, what="list of images")
    ]
    if not names:
        raise DataError(f"'{split}' lists no image; expected a name such as 000001 on each line.")
    known, seen = set(found), set(names)
    if len(seen) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"'{split}' lists '{twice}' twice; each image counts once.")
    if missing := [name for name in names if name not in known]:
        raise DataError(
            f"{len(missing):,} of {len(names):,} images of '{split}' have no file in"
            f" '{annotations}', such as {listed((f'{one}.xml' for one in missing), maximum=3)}."
        )
    return names


def _truth(annotations: Path, names: Sequence[str], class_names: Sequence[str]) -> Json:
    """The XML files as the contents of a COCO file; difficult objects are crowds."""
    problems: list[str] = []
    objects: list[Json] = []
    for number, name in enumerate(names, start=1):
        path = annotations / f"{name}.xml"
        annotation = read_annotation(path, class_names, problems.append)
        corners = annotation.boxes.astype(float)
        corners[:, 2:] -= corners[:, :2]
        rows = zip(
            annotation.classes.tolist(),
            corners.tolist(),
            annotation.difficult.tolist(),
            strict=True,
        )
        objects += [
            {"image_id": number, "category_id": label + 1, "bbox": box, "iscrowd": int(difficult)}
            for label, box, difficult in rows
        ]
    if problems:
        raise problems_error(f"'{annotations}'", problems)
    return {
        "images": [{"id": number} for number in range(1, len(names) + 1)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(class_names, start=1)],
        "annotations": [{"id": number, **one} for number, one in enumerate(objects, start=1)],
    }


def _numbered(
    result: Any, index: int, numbers: Mapping[str, int], where: str, *, split: Path | None
) -> Any:
    """A result with the number of its image; what is no result is left to the evaluation."""
    if not isinstance(result, Mapping) or "image_id" not in result:
        return result
    given = result["image_id"]
    if isinstance(given, str) and given in numbers:
        return {**result, "image_id": numbers[given]}
    if identity(given) is not None and not isinstance(given, str):
        if split is None:
            raise DataError(
                f"result {index} of {where} has the image_id {shown(given)}, a number: numbers"
                " count the images of a list from 1 on. Give the list with --split, such as"
                " ImageSets/Main/test.txt."
            )
        if 1 <= int(given) <= len(numbers):
            return result
    looked = f"the {len(numbers):,} images" + (f" of '{split}'" if split else "")
    raise DataError(
        f"result {index} of {where} has the image_id {shown(given)}, which is not one of {looked},"
        f" such as {next(iter(numbers))!r}."
    )


def _lines_of_folder(
    folder: Path, names: Sequence[str], class_names: Sequence[str]
) -> Iterator[Json]:
    """The detections in the development kit's files, as results in COCO's format."""
    files = _files_of_classes(folder, class_names)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    for category, name in enumerate(class_names, start=1):
        path = files[name]
        text = read_text(path, what="file of detections")
        for row, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield {
                    "category_id": category,
                    **_detection(line, f"'{path}', line {row}", numbers),
                }


def _files_of_classes(folder: Path, class_names: Sequence[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    # A name may end another: each file belongs to the longest one that fits.
    by_length = sorted(class_names, key=len, reverse=True)
    for path in sorted(folder.glob("*.txt")):
        name = next((one for one in by_length if path.stem.endswith(f"_{one}")), None)
        if name is not None and name in files:
            raise DataError(
                f"'{files[name]}' and '{path}' are both of the class '{name}'; give a folder with"
                " the files of one competition and image set."
            )
        if name is not None:
            files[name] = path
    if missing := [name for name in class_names if name not in files]:
        raise DataError(
            f"'{folder}' has no file of {len(missing)} of {len(class_names)} classes, such as"
            f" {listed((f'*_{name}.txt' for name in missing), maximum=3)}. Each class has a file;"
            " that of one without detections is empty. For JSON, give the file itself."
        )
    return files


def _detection(line: str, where: str, numbers: Mapping[str, int]) -> Json:
    parts = line.rsplit(maxsplit=5)
    try:
        score, *corners = map(float, parts[1:])
        left, top, right, bottom = corners
    except ValueError:
        raise DataError(f"{where}: {shown(line)}; {_LINE}.") from None
    if not all(map(math.isfinite, (score, *corners))):
        raise DataError(f"{where}: {shown(line)} has a number that is not finite; {_LINE}.")
    name = parts[0].strip()
    if name not in numbers:
        raise DataError(
            f"{where}: image '{name}' is not one of the {len(numbers):,} images that are evaluated,"
            f" such as '{next(iter(numbers))}'. Are these detections of another set?"
        )
    box = [left - 1, top - 1, right - left + 1, bottom - top + 1]
    return {"image_id": numbers[name], "score": score, "bbox": box}
