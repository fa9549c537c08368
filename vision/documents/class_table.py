"""The classes of published datasets: names, values and colours, from the data files beside this.

`class_tables/NAME.json` has a row for each value in a dataset's files, in order. A row without a
colour is a value that is no class. ade20k: "Scene Parsing through ADE20K Dataset", Zhou et al.,
2017, section 4; the first of the benchmark's words for each class. cityscapes: "The Cityscapes
Dataset for Semantic Urban Scene Understanding", Cordts et al., 2016, arXiv 1604.01685, table 2, by
label id. coco_stuff: "COCO-Stuff: Thing and Stuff Classes in Context", Caesar et al., 2018, arXiv
1612.03716: 91 things, of which COCO annotates 80, and 91 sorts of stuff, in mmsegmentation's
colours. voc: "The PASCAL Visual Object Classes (VOC) Challenge", Everingham et al., 2010, table 1.
"""

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from vision.documents.json_text import parse_json

THINGS = 80  # coco_stuff begins with the classes of COCO, by ascending category id


class ClassTable(NamedTuple):
    """The classes of a dataset.

    Attributes:
        labels: What each value in the dataset's files means, by value.
        values: Value of each of K classes, ascending.
        colors: uint8 `(K, 3)` RGB, read-only.
    """

    labels: tuple[str, ...]
    values: tuple[int, ...]
    colors: np.ndarray

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each class."""
        return tuple(self.labels[value] for value in self.values)


@cache
def class_table(name: str) -> ClassTable:
    """Read the classes of a dataset.

    Args:
        name: `"ade20k"`, `"cityscapes"`, `"coco_stuff"` or `"voc"`.
    """
    file = resources.files("vision.documents").joinpath("class_tables", f"{name}.json")
    rows = parse_json(file.read_bytes(), f"class table '{name}'")
    colors = {value: row["color"] for value, row in enumerate(rows) if "color" in row}
    pixels = np.frombuffer(bytes.fromhex("".join(colors.values())), dtype=np.uint8)
    return ClassTable(tuple(row["name"] for row in rows), tuple(colors), pixels.reshape(-1, 3))


def coco_classes() -> tuple[str, ...]:
    """The 80 classes of COCO by ascending category id, the order of published detectors."""
    return class_table("coco_stuff").classes[:THINGS]
