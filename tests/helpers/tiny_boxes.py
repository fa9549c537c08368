"""Tiny datasets in the exact layouts of YOLO and of Pascal VOC."""

from pathlib import Path

import numpy as np
from helpers.pictures import texture
from PIL import Image

HEIGHT, WIDTH = 40, 60
NAMES = ("disc", "egg", "pebble")

# Worked by hand, of images of 60 x 40 pixels: class, box xyxy in pixels.
YOLO_LINES = {
    "train/a": ["0 0.5 0.5 0.5 0.5", "2 0.25 0.75 0.1 0.2"],
    "train/b": ["1 0.95 0.5 0.2 0.25"],
    "train/c": None,  # no file of labels
    "train/d": [],
    "val/e": ["1 0.5 0.25 0.25 0.5"],
}
YOLO_BOXES = {
    "train/a": [[15, 10, 45, 30], [12, 26, 18, 34]],
    "train/b": [[51, 15, 60, 25]],  # 63 is cut to the image
    "val/e": [[22.5, 0, 37.5, 20]],
}
YOLO_POLYGONS = {
    "train/a": ["0 0.25 0.25 0.75 0.25 0.5 0.75", "2 0.2 0.2 0.4 0.2 0.4 0.6 0.2 0.6"],
    "val/e": ["1 0.5 0.5 0.9 0.5 0.9 0.9 0.5 0.9"],
}

# Name, (xmin, ymin, xmax, ymax) from 1 on, difficult.
VOC_OBJECTS = {
    "2007": {
        "000005": [("chair", (1, 1, 20, 10), 0), ("dog", (11, 5, 60, 40), 1)],
        "000007": [("car", (5, 6, 5, 6), 0)],
        "000009": [("person", (2, 3, 30, 33), 0)],
    },
    "2012": {"2008_000002": [("tvmonitor", (34, 11, 44, 29), 0)]},
}
VOC_SETS = {
    "2007": {"trainval": ["000005", "000007"], "test": ["000009"]},
    "2012": {"trainval": ["2008_000002"]},
}


def write_image(path: Path, *, size: tuple[int, int] = (HEIGHT, WIDTH), seed: int = 0) -> None:
    """Write an image, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(texture(*size, seed=seed)).save(path)


def write_yolo(root: Path, lines: dict[str, list[str] | None] = YOLO_LINES) -> Path:
    """Write `data.yaml`, `images/{train,val}` and `labels/{train,val}`."""
    for seed, (name, rows) in enumerate(lines.items()):
        write_image(root / "images" / f"{name}.jpg", seed=seed)
        label = root / "labels" / f"{name}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        if rows is not None:
            label.write_text("".join(f"{row}\n" for row in rows))
    names = "".join(f"  {label}: {name}\n" for label, name in enumerate(NAMES))
    (root / "data.yaml").write_text(
        f"path: {root}\ntrain: images/train\nval: images/val\ntest:\n\nnames:\n{names}"
    )
    return root


def write_voc(root: Path) -> Path:
    """Write `VOCdevkit/VOC2007` and `VOC2012`."""
    for year, images in VOC_OBJECTS.items():
        folder = root / "VOCdevkit" / f"VOC{year}"
        for seed, (name, objects) in enumerate(images.items()):
            write_image(folder / "JPEGImages" / f"{name}.jpg", seed=seed)
            path = folder / "Annotations" / f"{name}.xml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(voc_xml(name, objects))
        sets = folder / "ImageSets" / "Main"
        sets.mkdir(parents=True)
        for image_set, names in VOC_SETS[year].items():
            (sets / f"{image_set}.txt").write_text("".join(f"{name}\n" for name in names))
            # The list of one class, whose second column tells whether it is there.
            (sets / f"cat_{image_set}.txt").write_text("".join(f"{name} -1\n" for name in names))
    return root


def voc_xml(
    name: str,
    objects: list[tuple[str, tuple[float, ...], int]],
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> str:
    """An annotation as the official ones are written, tabs, parts and all."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    text = f"""<annotation>
\t<folder>VOC2007</folder>
\t<filename>{name}.jpg</filename>
\t<source>
\t\t<database>The VOC2007 Database</database>
\t</source>
\t<size>
\t\t<width>{size[1]}</width>
\t\t<height>{size[0]}</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
"""
    for label, box, difficult in objects:
        bounds = "".join(
            f"\t\t\t<{corner}>{value}</{corner}>\n"
            for corner, value in zip(corners, box, strict=True)
        )
        text += f"""\t<object>
\t\t<name>{label}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>{difficult}</difficult>
\t\t<bndbox>
{bounds}\t\t</bndbox>
\t\t<part>
\t\t\t<name>head</name>
\t\t\t<bndbox>
\t\t\t\t<xmin>1</xmin>
\t\t\t\t<ymin>1</ymin>
\t\t\t\t<xmax>2</xmax>
\t\t\t\t<ymax>2</ymax>
\t\t\t</bndbox>
\t\t</part>
\t</object>
"""
    return text + "</annotation>\n"


def boxes_of(objects: list[tuple[str, tuple[float, ...], int]]) -> np.ndarray:
    """The boxes from 0 on, float32 `(M, 4)`."""
    boxes = np.array([box for _, box, _ in objects], dtype=np.float32).reshape(-1, 4)
    return boxes - np.array([1, 1, 0, 0], dtype=np.float32)
