"""Everything that is wrong with a file in COCO's format, and the images it lists all the same."""

from pathlib import Path
from typing import NamedTuple

from vision.data.coco_file import coco_problems, file_name_of
from vision.data.coco_json import read_tables
from vision.data.files import read_bytes
from vision.errors import DataError


class CheckedFile(NamedTuple):
    """What a check finds in a file in COCO's format.

    Attributes:
        problems: A line for each problem, which names the file and the id.
        images: Where the images that it lists should be, in the order of the file.
        annotations: Number of annotations.
    """

    problems: list[str]
    images: list[str]
    annotations: int


def check_coco_file(path: Path, folder: Path) -> CheckedFile:
    """Check an annotation file.

    Args:
        path: The JSON file.
        folder: The folder of its images.
    """
    own = f"'{path}'"
    problems = [text if own in text else f"{own}: {text}" for text in coco_problems(path)]
    try:
        tables = read_tables(read_bytes(path), path)
    except DataError:
        return CheckedFile(problems, [], 0)
    names = [file_name_of(record) for record in tables.images if isinstance(record, dict)]
    images = [_place(folder, name) for name in names if name]
    return CheckedFile(problems, images, len(tables.annotations or ()))


def _place(folder: Path, name: str) -> str:
    inside, beside = folder / name, folder.parent / name
    return str(beside if beside.exists() and not inside.exists() else inside)
