"""Instance masks in files, as Cityscapes' scripts read them: a text file for each image."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vision.documents.text import read_text
from vision.errors import DataError, listed, shown
from vision.metrics.cityscapes.instances import LABEL_IDS

_LINE = "expected the path of a mask relative to the text file, a label id such as 26, and a score"


class FoundMask(NamedTuple):
    """A detection whose mask is not read yet.

    Attributes:
        label: Its label id.
        score: Its score.
        mask: A PNG file, or packed run lengths.
    """

    label: int
    score: float
    mask: Path | Mapping[str, Any]


def read_text_results(folder: Path, keys: Sequence[str]) -> dict[str, list[FoundMask]]:
    """Read a text file for each image, a line per detection: `mask.png 26 0.93`.

    Args:
        folder: Where they are, in sub-folders too; their names begin with those of the images.
        keys: Names of the images, such as `"frankfurt_000000_000294"`.

    Raises:
        DataError: A file is absent, there are two, or a line is wrong; the message has the place.
    """
    known = set(keys)
    files: dict[str, Path] = {}
    for place, _, names in os.walk(folder, followlinks=True):
        for name in sorted(names):
            path = Path(place, name)
            key = image_key(path.stem, known) if path.suffix == ".txt" else None
            if key is not None and key in files:
                raise DataError(
                    f"'{files[key]}' and '{path}' are both of the image '{key}'; remove one."
                )
            if key is not None:
                files[key] = path
    if missing := [key for key in keys if key not in files]:
        raise DataError(
            f"{len(missing):,} of {len(keys):,} images have no text file in '{folder}', such as"
            f" {listed((f'{key}*.txt' for key in missing), maximum=3)}. Each image has a file; that"
            " of one without detections is empty."
        )
    return {key: _lines(files[key], folder) for key in keys}


def _lines(path: Path, folder: Path) -> list[FoundMask]:
    found: dict[str, FoundMask] = {}
    for number, line in enumerate(read_text(path, what="file of detections").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"'{path}', line {number}"
        one = _parse_line(line, path, folder, where)
        if str(one.mask) in found:
            raise DataError(
                f"{where} names the mask '{one.mask}' again. Each detection has a file of its own:"
                " Cityscapes' scripts read only the last of such lines."
            )
        found[str(one.mask)] = one
    return list(found.values())


def _parse_line(line: str, path: Path, folder: Path, where: str) -> FoundMask:
    parts = line.split()
    try:
        name, label, score = parts[0], float(parts[1]), float(parts[2])
    except (ValueError, IndexError):
        raise DataError(f"{where}: {shown(line)}; {_LINE}.") from None
    if len(parts) > 3 or not math.isfinite(score) or label not in LABEL_IDS.values():
        raise DataError(f"{where}: {shown(line)}; {_LINE}.")
    mask = Path(os.path.normpath(path.parent / name))
    if os.path.isabs(name) or not mask.is_relative_to(os.path.normpath(folder)):
        raise DataError(f"{where}: '{name}' leads out of '{folder}'; {_LINE}.")
    return FoundMask(int(label), score, mask)


def image_key(stem: str, keys: Collection[str]) -> str | None:
    """The name of the image that the name of a file begins with, in whole parts.

    Args:
        stem: Name of the file without its ending.
        keys: Names of the images.

    Returns:
        The longest that fits; None if none does.
    """
    parts = stem.split("_")
    names = ("_".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in keys), None)
