"""The polygons of Cityscapes drawn to a map of label ids, as its published scripts draw them."""

import os
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from vision.data.cityscapes_classes import LICENSE_PLATE, NAMES
from vision.data.images import read_file
from vision.documents.json_text import parse_json
from vision.errors import DataError, ImageError, suggest

_IDS = {name: number for number, name in enumerate(NAMES)}
# Side in pixels up to which a map is drawn; the images have 2048 x 1024.
LARGEST = 16_384
# The largest coordinate in pixels, with either sign, of a polygon, which may reach past the image.
FARTHEST = 1_000_000


def draw_label_ids(path: str | os.PathLike[str]) -> np.ndarray:
    """Draw a file `*_polygons.json`.

    Polygons lie over each other in the order of the file, on pixels of label id 0 ("unlabeled").
    Deleted objects and license plates, whose id is -1, are left out; a label such as "cargroup",
    that is none, is that of its single objects. Every edge is drawn by Pillow's `ImageDraw`, as the
    scripts that Cityscapes publishes do (`preparation/json2labelImg.py`), so that the same Pillow
    gives the same pixels.

    Args:
        path: The JSON file: `imgHeight`, `imgWidth`, and `objects` with `label` and `polygon`.

    Returns:
        Label ids, uint8 `(H, W)`.

    Raises:
        ImageError: The file is absent, or no JSON of polygons.
        DataError: A size, label or polygon is not as it should be; the message names the file and
            the number of the object.
    """
    encoded = read_file(path)
    where = f"'{encoded.name}'"
    try:
        content = parse_json(encoded.data, where, error=ImageError, finite=False)
        objects = [*content["objects"]]
        size = content["imgWidth"], content["imgHeight"]
    except ImageError:
        raise
    except (KeyError, TypeError) as error:
        raise ImageError(
            f"{where} is no file of polygons ({type(error).__name__}: {error}); expected JSON with "
            "imgHeight, imgWidth and objects."
        ) from error
    if not all(isinstance(side, int) and 0 < side <= LARGEST for side in size):
        raise DataError(
            f"{where}: imgWidth {size[0]!r} and imgHeight {size[1]!r} must be pixels, 1 to "
            f"{LARGEST}."
        )
    picture = Image.new("L", size, _IDS["unlabeled"])
    canvas = ImageDraw.Draw(picture)
    for number, entry in enumerate(objects, start=1):
        _draw(canvas, entry, f"{where}, object {number}")
    return np.array(picture)


def _draw(canvas: ImageDraw.ImageDraw, entry: Any, where: str) -> None:
    if not isinstance(entry, dict):
        raise DataError(f"{where} is {entry!r}, expected an object with label and polygon.")
    if entry.get("deleted"):
        return
    label = entry.get("label")
    if label not in _IDS and isinstance(label, str):
        label = label.removesuffix("group")
    if label == LICENSE_PLATE:
        return
    if label not in _IDS:
        raise DataError(
            f"{where}: no label of Cityscapes is called {entry.get('label')!r}."
            f"{suggest(str(label), _IDS)}"
        )
    try:
        corners = [(x, y) for x, y in entry["polygon"]]
        # Pillow draws infinity, and what is no number, somewhere.
        for corner in corners:
            if not all(abs(place) <= FARTHEST for place in corner):
                raise ValueError(f"a corner is {corner}")
        canvas.polygon(corners, fill=_IDS[label])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{where} ({label}): its polygon cannot be drawn ({type(error).__name__}: {error}); "
            "expected two or more pairs of x and y."
        ) from error
