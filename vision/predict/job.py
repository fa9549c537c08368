"""Predict a folder of images into a folder of results, resuming where an earlier run stopped."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.decoration import Decoration
from vision.documents.json_text import parse_json
from vision.documents.json_writing import to_json
from vision.errors import ConfigError, DataError
from vision.files import fit_name, replace_file, sha256_of
from vision.metrics.coco.files import read_json, write_json
from vision.outputs import check_output_folder
from vision.predict.inputs import DOWNLOADS
from vision.predict.options import PredictOptions
from vision.predict.predictor import Predictor
from vision.predict.results import Result
from vision.predict.run import Predictions
from vision.reading import MAX_TABLE_BYTES, open_file
from vision.version import __version__
from vision.wording import counted

if TYPE_CHECKING:
    from vision.predict.model import Model

LINES = "predictions.jsonl"
ERRORS = "errors.jsonl"
RUN = "run.json"
PICTURES = "pictures"
# Pictures keep the name of their image if browsers show its format.
SHOWN = (".jpg", ".jpeg", ".png", ".webp")
Progress = Callable[[int, int | None], None]
Show = Callable[[str, Result], None]
Source = str | os.PathLike[str] | Sequence[str]


@dataclass(frozen=True)
class Summary:
    """The summary of a job.

    Attributes:
        done: Number of images with a result, including earlier ones.
        earlier: Number of these that an earlier run predicted.
        bad: Number of images that could not be read.
        files: Written files, relative to the folder of results.
    """

    done: int
    earlier: int
    bad: int
    files: tuple[str, ...]


def predict_folder(
    model: "Model",
    source: Source,
    folder: Path,
    options: PredictOptions,
    *,
    pictures: bool = True,
    num_workers: int | None = None,
    annotations: Path | None = None,
    progress: Progress | None = None,
    show: Show | None = None,
) -> Summary:
    """Predict image files, and write the results.

    `predictions.jsonl` has a line per image, written at once; images that it lists
    are not predicted again. `pictures` has the drawn images under their own paths, `errors.jsonl` a
    line for each image that cannot be read; these are tried again. At the end the kind of task
    writes its table: `predictions.csv`, or `predictions.json` in COCO's format.

    Args:
        model: The model.
        source: An image, a folder, a pattern or a list of files.
        folder: Where results are written: a new folder, or an earlier one of the same job.
        options: Options of prediction.
        pictures: Whether to draw pictures.
        num_workers: Threads that read images; None chooses.
        annotations: A COCO file with the ids of images (by file name) and classes (by name) for
            COCO's format; without it ids count from 0.
        progress: Called with the number of finished images, and of all.
        show: Called with the name of each image and its result, as soon as it is known.

    Raises:
        ConfigError: The folder holds something else, or the annotations do not fit.
        DataError: There are no images, or a file cannot be written.
    """
    predictor = model.predictor
    predictor.check(options)
    files = predictor.sources.named(source)
    ids, category_ids = _numbers(list(files), model.class_names, annotations)
    open_folder(folder, job_description(model, source, options, pictures=pictures))
    lines = folder / LINES
    known = {line.get("image") for line in read_lines(lines)}
    missing = [name for name in files if name not in known]
    earlier = len(files) - len(missing)
    stems = mask_names(list(files), predictor.sources.stem)
    shown = picture_names(list(files))
    results = Predictions(
        predictor,
        [files[name] for name in missing],
        options,
        num_workers=num_workers,
        skip_bad_images=True,
    )
    bad = 0
    drawn = Decoration(f"a picture in {folder / PICTURES}")
    with lines.open("a", encoding="utf-8") as file, (folder / ERRORS).open("w") as errors:
        for result in results:
            name = missing[result.index]
            line = predictor.write(result, folder, stems[name])
            if pictures:
                with drawn:
                    result.save(folder / PICTURES / shown[name])
            _append(file, {"image": name, **line, "index": ids[name]})
            bad = _note(results, bad, missing, errors)
            if show is not None:
                show(name, result)
            if progress is not None:
                progress(earlier + result.index + 1, len(files))
        bad = _note(results, bad, missing, errors)
    if bad == 0:
        (folder / ERRORS).unlink()
    written = [LINES, *([PICTURES] if pictures else []), *([ERRORS] if bad else [])]
    if predictor.table is not None:
        _write_table(predictor, folder, ids, category_ids)
        written.append(predictor.table)
    return Summary(len(files) - bad, earlier, bad, (*written, *predictor.files_beside(options)))


def _write_table(
    predictor: Predictor, folder: Path, ids: Mapping[str, int], category_ids: Sequence[int]
) -> None:
    """Write the table, whole or not at all, from the lines about the images."""
    assert predictor.table is not None, "there is a table"
    chosen = (line for line in read_lines(folder / LINES) if line.get("image") in ids)
    try:
        replace_file(
            folder / predictor.table,
            lambda path: predictor.write_table(path, chosen, ids, category_ids),
        )
    except (LookupError, TypeError) as error:
        raise DataError(
            f"'{folder / LINES}' has a line in another format ({error}): choose "
            "another folder, or delete this one."
        ) from error


def _note(results: Predictions, noted: int, names: Sequence[str], errors: Any) -> int:
    """Log the images that were skipped since the last call."""
    for one in results.bad_images[noted:]:
        _append(errors, {"image": names[one.index], "path": one.path, "message": one.message})
    return len(results.bad_images)


def _append(file: Any, line: Mapping[str, Any]) -> None:
    file.write(to_json(line) + "\n")
    file.flush()


def picture_names(names: Sequence[str]) -> dict[str, str]:
    """The path of the picture of each image: its own, or with `.png` appended."""
    taken = set(names)
    found = {}
    for name in names:
        picture = name
        while not picture.lower().endswith(SHOWN) or (picture != name and picture in taken):
            picture += ".png"
        taken.add(picture)
        found[name] = fit_name(picture)
    return found


def mask_names(names: Sequence[str], stem: Callable[[str], str]) -> dict[str, str]:
    """The path of each image without its suffix, unless another image has the same.

    Args:
        names: Their paths.
        stem: Takes the suffix off.
    """
    stems = {name: stem(name) for name in names}
    owners: dict[str, int] = {}
    for short in stems.values():
        owners[short] = owners.get(short, 0) + 1
    taken = {short for short, count in owners.items() if count == 1}
    for name, short in stems.items():
        if owners[short] > 1:
            unique = name
            while unique in taken:
                unique += "_"
            taken.add(unique)
            stems[name] = unique
    # A suffix of four letters follows.
    return {name: fit_name(short, room=4) for name, short in stems.items()}


def job_description(
    model: "Model", source: Source, options: PredictOptions, *, pictures: bool
) -> dict[str, Any]:
    """What results depend on: a later run may only continue the same job."""
    settings = asdict(options)
    del settings["batch_size"]
    return {
        "version": __version__,
        "checkpoint": None if model.path is None else os.path.abspath(model.path),
        "sha256": None if model.path is None else sha256_of(model.path),
        "input": _input_of(source),
        "options": {**settings, "pictures": pictures},
    }


def _input_of(source: Source) -> str:
    """A source as text; a list by a digest of its paths."""
    if isinstance(source, str | os.PathLike):
        return os.path.abspath(Path(source).expanduser())
    paths = "\n".join(os.path.abspath(path) for path in source)
    digest = hashlib.sha256(os.fsencode(paths)).hexdigest()
    return f"{counted(len(source), 'files')}, SHA-256 {digest}"


def open_folder(folder: Path, description: Mapping[str, Any]) -> None:
    """Create the folder of results, or check that it belongs to the same job and repair it.

    Raises:
        ConfigError: It holds something else.
        DataError: It cannot be created.
    """
    own = json.loads(json.dumps(description))
    check_output_folder(folder, option="the folder of results")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if all(entry.name == DOWNLOADS for entry in folder.iterdir()):
            write_json(own, folder / RUN)
            return
    except OSError as error:
        raise DataError(f"the folder '{folder}' cannot be made: {error}.") from error
    if not (folder / RUN).is_file():
        raise ConfigError(
            f"'{folder}' is not empty and holds no predictions (it has no {RUN}): choose another "
            "folder."
        )
    found = read_json(folder / RUN)
    theirs = found if isinstance(found, dict) else {}
    # The same file may have been moved; its digest identifies it.
    free = ("version", "checkpoint") if own["sha256"] else ("version",)
    different = [key for key in own if key not in free and theirs.get(key) != own[key]]
    if different:
        key = different[0]
        raise ConfigError(
            f"'{folder}' holds predictions with another {key}: {theirs.get(key)}, now {own[key]}. "
            "Choose another folder, or delete this one."
        )
    _repair(folder / LINES)


def _repair(path: Path) -> None:
    """Cut off an incomplete last line."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        end = 0
        for line in file:
            if not line.endswith(b"\n") or not _is_json(line):
                break
            end += len(line)
        file.truncate(end)


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line, "line", finite=False), dict)
    except DataError:
        return False


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a JSON Lines file; none if there is no file."""
    if path.is_file():
        with open_file(path, max_bytes=MAX_TABLE_BYTES) as file:
            for number, line in enumerate(file, start=1):
                yield parse_json(line, f"'{path}', line {number:,},", finite=False)


def _numbers(
    names: Sequence[str], class_names: Sequence[str], annotations: Path | None
) -> tuple[dict[str, int], list[int]]:
    """COCO ids of each image by name, and of each class."""
    if annotations is None:
        return {name: i for i, name in enumerate(names)}, list(range(len(class_names)))
    contents = read_json(annotations)
    try:
        images = {one["file_name"]: one["id"] for one in contents["images"]}
        categories = {one["name"]: one["id"] for one in contents["categories"]}
    except (LookupError, TypeError) as error:
        raise DataError(
            f"'{annotations}' holds no COCO annotations: expected 'images' with file_name and "
            "id, and 'categories' with name and id."
        ) from error
    unknown = [name for name in names if name not in images]
    unnamed = [name for name in class_names if name not in categories]
    if unknown or unnamed:
        what = f"no image '{unknown[0]}'" if unknown else f"no category '{unnamed[0]}'"
        raise ConfigError(
            f"'{annotations}' has {what} ({len(unknown)} images and {len(unnamed)} classes are "
            "missing): give the annotations of these images, or leave them out."
        )
    return {name: images[name] for name in names}, [categories[name] for name in class_names]
