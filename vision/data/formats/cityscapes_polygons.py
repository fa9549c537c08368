"""Drawing of Cityscapes' polygons to a map of label ids, equal to its published scripts."""

import os
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from vision.annotations.columns import finite, flag, whole
from vision.data.classes.cityscapes import LICENSE_PLATE
from vision.data.images.read import read_file
from vision.documents.class_table import class_table
from vision.documents.json_text import parse_json
from vision.errors import DataError, ImageError, shown, suggest

# Maximum side of a map in pixels; the images have 2048 x 1024.
LARGEST = 16_384
# The largest absolute coordinate of a polygon in pixels; polygons may reach out of the image.
FARTHEST = 1_000_000


def draw_label_ids(path: str | os.PathLike[str]) -> np.ndarray:
    """Draw a file `*_polygons.json`.

    Polygons are drawn over each other in the order of the file, on pixels of label id 0
    ("unlabeled"). Deleted objects (`deleted: 1`) and license plates, whose id is -1, are left out;
    an unknown label such as "cargroup" becomes the label of its single objects. Every edge is drawn
    by Pillow's `ImageDraw`, as in Cityscapes' published scripts (`preparation/json2labelImg.py`),
    so that the same Pillow gives the same pixels.

    Args:
        path: The JSON file: `imgHeight`, `imgWidth`, and `objects` with `label` and `polygon`.

    Returns:
        Label ids, uint8 `(H, W)`.

    Raises:
        ImageError: The file is absent, or not JSON with polygons.
        DataError: A size, label or polygon is invalid; the message names the file and the number
            of the object.
    """
    encoded = read_file(path)
    where = f"'{encoded.name}'"
    try:
        content = parse_json(encoded.data, where, error=ImageError, finite=False)
        objects = [*content["objects"]]
        stated = content["imgWidth"], content["imgHeight"]
    except ImageError:
        raise
    except (KeyError, TypeError) as error:
        raise ImageError(
            f"{where} is not a file of polygons ({type(error).__name__}: {error}); expected JSON "
            "with imgHeight, imgWidth and objects."
        ) from error
    size = [whole(side) or 0 for side in stated]
    if not all(0 < side <= LARGEST for side in size):
        raise DataError(
            f"{where}: imgWidth {shown(stated[0])} and imgHeight {shown(stated[1])} must be "
            f"pixels, 1 to {LARGEST}."
        )
    picture = Image.new("L", size, _ids()["unlabeled"])
    canvas = ImageDraw.Draw(picture)
    for number, entry in enumerate(objects, start=1):
        _draw(canvas, entry, f"{where}, object {number}")
    return np.array(picture)


def _draw(canvas: ImageDraw.ImageDraw, entry: Any, where: str) -> None:
    if not isinstance(entry, dict):
        raise DataError(f"{where} is {shown(entry)}, expected an object with label and polygon.")
    deleted = flag(entry.get("deleted"))
    if deleted is None:
        raise DataError(f"{where}: 'deleted' is {shown(entry['deleted'])}, expected 0 or 1.")
    if deleted:
        return
    stated = entry.get("label")
    label = stated if isinstance(stated, str) else ""
    ids = _ids()
    label = label if label in ids else label.removesuffix("group")
    if label == LICENSE_PLATE:
        return
    if label not in ids:
        raise DataError(
            f"{where}: no label of Cityscapes is called {shown(stated)}.{suggest(label, ids)}"
        )
    canvas.polygon(_corners(entry.get("polygon"), f"{where} ({label})"), fill=ids[label])


def _ids() -> dict[str, int]:
    return {name: number for number, name in enumerate(class_table("cityscapes").labels)}


def _corners(polygon: Any, where: str) -> list[tuple[float, float]]:
    """The corners of a polygon, checked to be finite and in a range that Pillow can draw."""
    pairs = polygon if isinstance(polygon, list) else []
    corners = []
    for pair in pairs:
        corner = [finite(place) for place in pair] if isinstance(pair, list) else []
        if len(corner) != 2 or any(place is None or abs(place) > FARTHEST for place in corner):
            raise DataError(
                f"{where}: its polygon cannot be drawn: a corner is {shown(pair)}, expected x and "
                f"y in pixels, -{FARTHEST:,} to {FARTHEST:,}."
            )
        corners.append((pair[0], pair[1]))
    if len(corners) < 2:
        raise DataError(
            f"{where}: its polygon cannot be drawn: it is {shown(polygon)}, expected two or more "
            "pairs of x and y."
        )
    return corners
