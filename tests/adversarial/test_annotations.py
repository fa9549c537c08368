"""Annotations that are wrong, odd, or hostile: COCO, LVIS, YOLO, VOC, masks, class folders."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adversarial.case import Case, check, table, tool
from PIL import Image

from vision.data import COCO, VOC, YOLO, Cityscapes, MaskFolder
from vision.metrics.coco.evaluation import evaluate_coco

NAN, INF = float("nan"), float("inf")
SIDE = 40
SQUARE = [[5, 5, 25, 5, 25, 25, 5, 25]]
Change = Callable[[dict[str, Any]], object]


def write_image(path: Path, value: int = 0, size: tuple[int, int] = (SIDE, SIDE)) -> None:
    """Write a picture of one colour, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 9, 9)).save(path)


# COCO


def contents() -> dict[str, Any]:
    """Two images, two categories, three objects with masks, a crowd among them."""
    one = {"bbox": [5, 5, 20, 20], "area": 400, "iscrowd": 0, "segmentation": SQUARE}
    crowd = {"size": [SIDE, SIDE], "counts": [205, *([20, 20] * 19), 20, 615]}  # the same square
    annotations = [
        {**one, "id": 1, "image_id": 7, "category_id": 3},
        {**one, "id": 2, "image_id": 8, "category_id": 4},
        {**one, "id": 3, "image_id": 8, "category_id": 3, "iscrowd": 1, "segmentation": crowd},
    ]
    return copy.deepcopy(
        {
            "images": [
                {"id": i, "file_name": f"{i}.png", "height": SIDE, "width": SIDE} for i in (7, 8)
            ],
            "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
            "annotations": annotations,
        }
    )


def write_coco(folder: Path, change: Change, split: str = "train") -> dict[str, Any]:
    """Write both splits, one of them changed; the options that read them."""
    options: dict[str, Any] = {"cache_dir": "", "num_workers": 0}
    for value, name in enumerate(("train", "val")):
        for i in (7, 8):
            write_image(folder / name / f"{i}.png", 10 * i + value)
        written = contents()
        if name == split:
            change(written)
        (folder / f"{name}.json").write_text(json.dumps(written))
        options |= {f"{name}_annotations": folder / f"{name}.json", f"{name}_images": folder / name}
    return options


def coco(change: Change, *, split: str = "train", **more: Any) -> Callable[[Path], Any]:
    """Sets up a fit; the boxes, areas and crowd flags of the changed split."""

    def read(folder: Path) -> Any:
        data = COCO(**write_coco(folder, change, split), **more)
        data.setup("fit")
        index = data.index(split)
        return index.boxes.tolist(), index.areas.tolist(), index.crowd.tolist()

    return read


def panoptic(c: dict[str, Any]) -> None:
    segment = {"id": 1, "category_id": 3, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0}
    c["annotations"] = [{"image_id": 7, "file_name": "7.png", "segments_info": [segment]}]


def captions(c: dict[str, Any]) -> None:
    del c["categories"]
    c["annotations"] = [{"image_id": 7, "id": 1, "caption": "a cat"}]


def keypoints(c: dict[str, Any]) -> None:
    c["categories"][0] |= {"keypoints": ["nose"], "skeleton": []}
    for annotation in c["annotations"]:
        annotation |= {"keypoints": [9, 9, 2], "num_keypoints": 1}


def names_for_ids(c: dict[str, Any]) -> None:
    names = {7: "000002b66c9c498e", 8: "0123456789abcdef"}
    for image in c["images"]:
        image["id"] = names[image["id"]]
    for annotation in c["annotations"]:
        annotation["image_id"] = names[annotation["image_id"]]


def first(**keys: Any) -> Change:
    """Sets keys of the first annotation; None of REMOVED is left out."""
    return lambda c: c["annotations"][0].update(keys)


def image(**keys: Any) -> Change:
    return lambda c: c["images"][0].update(keys)


def all_text_ids(c: dict[str, Any]) -> None:
    for rows in c.values():
        for row in rows:
            row |= {key: str(value) for key, value in row.items() if key.endswith("id")}


def without_masks(c: dict[str, Any]) -> None:
    for row in c["annotations"]:
        del row["segmentation"]


def crowds(c: dict[str, Any]) -> None:
    for row in c["annotations"]:
        row["iscrowd"] = 1


def corners(c: dict[str, Any]) -> None:
    for row in c["annotations"]:
        row["bbox"] = [20, 20, 39, 39]


def evaluated(change: Change, results: Any, **more: Any) -> Callable[[Path], Any]:
    """Runs `tools/evaluate.py coco` on the changed annotations and some results."""

    def read(folder: Path) -> Any:
        write_coco(folder, change)
        (folder / "found.json").write_text(json.dumps(results))
        words = ("--annotations", folder / "train.json", "--predictions", folder / "found.json")
        return "2 images" in tool("evaluate", "coco", *words, *more.get("words", ()))

    return read


def result(**keys: Any) -> list[dict[str, Any]]:
    return [{"image_id": 7, "category_id": 3, "score": 0.5, "bbox": [5, 5, 20, 20], **keys}]


def same(c: dict[str, Any]) -> None:
    """Changes nothing."""


BOX, BOXES = [5.0, 5.0, 25.0, 25.0], [[5.0, 5.0, 25.0, 25.0]] * 3
AS_IS = (BOXES, [400.0] * 3, [False, False, True])
FIRST = "annotation 1 (image 7): "


def refused(name: str, change: Change, *says: str, **options: Any) -> Case:
    return Case(f"COCO: {name}", coco(change, **options), says=("train.json", *says))


@table(
    Case("COCO: sound", coco(same), gives=AS_IS),
    # Ids and sizes
    Case("COCO: ids and sizes as 1.0", coco(lambda c: image(id=7.0, width=40.0)(c)), gives=AS_IS),
    Case("COCO: all ids as text", coco(all_text_ids), gives=AS_IS),
    refused("an id of true", first(id=True), "'id' is True, expected a whole number"),
    refused("an id with a fraction", first(image_id=7.5), "'image_id' is 7.5"),
    refused("an id of 26 digits", first(id=10**25), "expected a whole number below 2**63"),
    refused("a name for an id", image(id="a.png"), "'id' is 'a.png', expected a whole number"),
    refused("an id twice", first(id=2), "2 entries have the id 2"),
    refused("an image id twice", image(id=8.0), "images: 2 entries have the id 8"),
    refused("an image that is not listed", first(image_id=9), FIRST[:13], "its image_id 9 is not"),
    refused("a category that is not listed", first(category_id=9), FIRST, "category_id 9 is not"),
    refused("a size as text", image(height="40"), "image 7: 'height' is '40', expected a whole"),
    refused("a size below 0", image(width=-4), "image 7: 'width' is -4"),
    refused("a size of null", image(width=None), "image 7: 'width' is None"),
    refused(
        "a size of 1e6 squared", image(height=10**6, width=10**6), "expected at most 1,073,741"
    ),
    # Boxes, areas, crowds
    refused("a box of text", first(bbox=["5", "5", "20", "20"]), FIRST, "'bbox' is ['5', '5'"),
    refused("a box of flags", first(bbox=[True, 5, 20, 20]), FIRST, "'bbox' is [True, 5, 20"),
    refused("a box of three numbers", first(bbox=[5, 5, 20]), FIRST, "expected [x, y, width, h"),
    refused("a box with NaN", first(bbox=[5, 5, NAN, 20]), FIRST, "expected finite numbers"),
    refused("a box of 400 digits", first(bbox=[5, 5, 10**400, 20]), FIRST, "finite numbers"),
    refused("a box out of its image", first(bbox=[30, 5, 30, 20]), FIRST, "20 pixels out", "clip_"),
    Case(
        "COCO: a box out of its image, cut",
        coco(first(bbox=[30, 5, 30, 20]), clip_boxes=True),
        gives=([[30.0, 5.0, 40.0, 25.0], BOX, BOX], *AS_IS[1:]),
        warns=("cut 1 boxes that reach out of their images",),
    ),
    refused("corners for sides", corners, "3 of 3 boxes reach out", "[x1, y1, x2, y2]"),
    Case("COCO: an area of null", coco(first(area=None)), gives=AS_IS),
    refused("an area of NaN", first(area=NAN), FIRST, "'area' is nan, expected a number"),
    refused("an area below 0", first(area=-400), FIRST, "'area' is -400"),
    refused("an area as text", first(area="400"), FIRST, "'area' is '400'"),
    Case("COCO: iscrowd of null", coco(first(iscrowd=None)), gives=AS_IS),
    Case("COCO: iscrowd of false", coco(first(iscrowd=False)), gives=AS_IS),
    refused("iscrowd as text", first(iscrowd="0"), FIRST, "'iscrowd' is '0', expected 0 or 1"),
    refused("iscrowd of 2", first(iscrowd=2), FIRST, "'iscrowd' is 2"),
    # Masks
    refused(
        "an object without a mask", first(segmentation=[]), FIRST, "no 'segmentation'", "masks"
    ),
    Case(
        "COCO: an object without a mask, only boxes",
        coco(first(segmentation=None), masks=False),
        gives=AS_IS,
    ),
    refused("polygons of text", first(segmentation=["12345678"]), FIRST, "expected a list of poly"),
    refused(
        "a number as text", first(segmentation=[["5", 5, 9, 5, 9, 9]]), FIRST, "a list of poly"
    ),
    refused("a polygon far away", first(segmentation=[[0, 0, 1e9, 0, 1e9, 1e9]]), FIRST, "1e+09"),
    refused("an endless outline", first(segmentation=[[0, 0, 9e5, 0] * 2]), FIRST, "pixels long"),
    refused(
        "run lengths that overrun",
        first(segmentation={"size": [SIDE, SIDE], "counts": [9, 10**9]}),
        *(FIRST, "0 to 1,600"),
    ),
    refused(
        "run lengths that wrap to their sum",
        first(segmentation={"size": [SIDE, SIDE], "counts": [2**62] * 4 + [1600]}),
        *(FIRST, "0 to 1,600"),
    ),
    refused(
        "damaged packed run lengths",
        first(segmentation={"size": [SIDE, SIDE], "counts": "ooooooooo0"}),
        *(FIRST, "damaged or do not cover"),
    ),
    refused(
        "a mask of 1e9 squared",
        first(segmentation={"size": [10**9] * 2, "counts": [10**18]}),
        *(FIRST, "the mask has the size [1000000000", "its image [40, 40]"),
    ),
    Case(
        "COCO: masks in train and none in val",
        coco(without_masks, split="val"),
        says=("'val' has no masks, and 'train' has", "val.json", "data.masks: false"),
    ),
    # Categories, names of files, sets with nothing in them
    refused("a category name twice", lambda c: c["categories"][1].update(name=" cat"), "3 and 4"),
    refused(
        "a category name of null", lambda c: c["categories"][1].update(name=None), "category 4"
    ),
    Case("COCO: back-slashes", coco(image(file_name="..\\train\\7.png")), says=("leads out of",)),
    Case("COCO: back-slashes within", coco(image(file_name=".\\7.png")), gives=AS_IS),
    refused("panoptic annotations", panoptic, "holds panoptic", "vision.data.COCOPanoptic"),
    refused("captions", captions, "holds captions", "instances_train2017.json"),
    refused("ids of Open Images", names_for_ids, "'000002b66c9c498e'", "number the images"),
    Case("COCO: keypoints", coco(keypoints), gives=AS_IS),
    refused("a file of the system", image(file_name="/etc/passwd"), "image 7", "leads out of"),
    refused("a file outside", image(file_name="a/../../x.png"), "image 7", "leads out of"),
    Case("COCO: a name of 400 characters", coco(image(file_name="9" * 400)), says=("image id 7",)),
    Case("COCO: crowds alone to learn", coco(crowds), says=("an object to learn", "train.json")),
    Case(
        "COCO: crowds alone to measure",
        coco(crowds, split="val"),
        says=("nothing can be measured on 'val'", "val.json", "limit_val_batches"),
    ),
    Case(
        "LVIS: an address for a name, out of the folder",
        coco(lambda c: (c["images"][0].pop("file_name"), image(coco_url="http://h/../7.png")(c))),
        says=("train.json", "image 7", "leads out of"),
    ),
    # Results
    Case("results: sound", evaluated(same, result()), gives=True),
    Case("results: ids as text", evaluated(all_text_ids, result(image_id="7")), gives=True),
    Case(
        "results: a score of NaN",
        evaluated(same, result(score=NAN)),
        says=("result 0 of", "found.json", "has the score nan"),
    ),
    Case(
        "results: a score as text",
        evaluated(same, result(score="0.5")),
        says=("result 0 of", "has the score '0.5'"),
    ),
    Case(
        "results: labels for ids",
        evaluated(same, result(category_id=0)),
        says=("result 0 of", "has category_id 0", "not labels that count from 0"),
    ),
    Case(
        "results: a mask of another size",
        evaluated(same, result(segmentation={"size": [9, 9], "counts": "o0"})),
        says=("result 0 of", "the mask has the size [9, 9], its image [40, 40]"),
    ),
    Case(
        "results: a mask far away",
        evaluated(same, result(segmentation=[[0, 0, INF, 0, 9, 9]])),
        says=("result 0 of", "the coordinate inf"),
    ),
    Case(
        "results: a mask that overruns",
        evaluated(same, result(segmentation={"size": [SIDE, SIDE], "counts": "ooo0"})),
        says=("found.json", "do not cover [40, 40]"),
    ),
    Case(
        "results: objects without masks are measured by masks",
        evaluated(without_masks, result(segmentation=SQUARE)),
        says=("train.json", FIRST, "no 'segmentation', but masks are evaluated"),
    ),
)
def test_coco(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


def test_what_is_refused_in_training_is_refused_in_evaluation(tmp_path: Path) -> None:
    """The seven faults that once trained an epoch and then died in validation."""
    for change in (first(iscrowd="0"), first(area=NAN), first(segmentation=None), without_masks):
        write_coco(tmp_path, change)
        with pytest.raises(ValueError, match=r"train\.json"):
            evaluate_coco(tmp_path / "train.json", [], kinds=("segm",))


# YOLO

POSES = [f"0 0.{x} 0.5 0.4 0.4 0.{x} 0.5 0.{x}1 0.6" for x in (4, 5, 6)]


def yolo(
    lines: list[str], yaml: str = "names: [cat, dog]", *, val: list[str] | None = None, **more: Any
) -> Callable[[Path], Any]:
    """Sets up a fit; names, boxes in pixels, and whether there are masks."""

    def read(folder: Path) -> Any:
        for value, (split, own) in enumerate((("train", lines), ("val", val or lines))):
            write_image(folder / "images" / split / "a.png", value)
            (folder / "labels" / split).mkdir(parents=True)
            (folder / "labels" / split / "a.txt").write_text("\n".join(own))
        text = yaml if "train:" in yaml else f"train: images/train\nval: images/val\n{yaml}"
        (folder / "data.yaml").write_text(text + "\n")
        data = YOLO(root=folder, num_workers=0, **more)
        data.setup("fit")
        index = data.index("train")
        return data.class_names, index.boxes.round(3).tolist(), index.has_masks

    return read


def absent_labels(folder: Path) -> Any:
    """The labels of the validation images lie elsewhere."""
    for split in ("train", "val"):
        write_image(folder / "images" / split / "a.png")
    (folder / "labels" / "train").mkdir(parents=True)
    (folder / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    text = "train: images/train\nval: images/val\nnames: [cat]\n"
    (folder / "data.yaml").write_text(text)
    YOLO(root=folder, num_workers=0).setup("fit")


WHOLE = "0 0.5 0.5 0.5 0.5"
MIDDLE = [[10.0, 10.0, 30.0, 30.0]]
ODD = ("no", "on", "01", "12:30", "null", "1e3")


@table(
    Case(
        "YOLO: names that YAML changes",
        yolo([WHOLE], f"names: [{', '.join(ODD)}]"),
        (),
        (ODD, MIDDLE, False),
    ),
    Case(
        "YOLO: a name twice",
        yolo([WHOLE], "names: [cat, 'cat ']"),
        ("data.yaml", "'cat' twice", "0 and 1"),
    ),
    Case(
        "YOLO: a name that is none", yolo([WHOLE], "names: [cat, '']"), ("data.yaml", "for class 1")
    ),
    Case(
        "YOLO: nc of another number", yolo([WHOLE], "names: [cat]\nnc: 2"), ("data.yaml", "`nc: 2`")
    ),
    Case(
        "YOLO: a class beyond the names", yolo(["2 0.5 0.5 0.5 0.5"]), ("a.txt', line 1", "class 2")
    ),
    Case(
        "YOLO: a class with a fraction",
        yolo(["0.5 0.5 0.5 0.5 0.5"]),
        ("a.txt', line 1", "class 0.5"),
    ),
    Case(
        "YOLO: digits with underscores",
        yolo(["0 0.5 0.5 0.5 0_5"]),
        ("line 1", "is not a row of numbers"),
    ),
    Case("YOLO: NaN", yolo(["0 0.5 0.5 0.5 nan"]), ("a.txt', line 1", "not a finite number")),
    Case("YOLO: pixels", yolo(["0 20 20 10 10"]), ("a.txt', line 1", "not pixels")),
    Case(
        "YOLO: a polygon out of its image",
        yolo(["0 -0.5 0.2 0.5 0.2 0.5 0.7"]),
        ("line 1", "clip_boxes"),
    ),
    Case(
        "YOLO: a polygon out of its image, cut",
        yolo(["0 -0.5 0.2 0.5 0.2 0.5 0.7"], clip_boxes=True),
        gives=(("cat", "dog"), [[0.0, 8.0, 20.0, 28.0]], True),
    ),
    Case(
        "YOLO: poses that are stated",
        yolo(POSES[:1], "names: [cat]\nkpt_shape: [2, 2]"),
        gives=(("cat",), [[8.0, 12.0, 24.0, 28.0]], False),
    ),
    Case(
        "YOLO: poses of another number",
        yolo(POSES, "names: [cat]\nkpt_shape: [17, 3]"),
        says=("a.txt', line 1", "9 numbers, expected 5", "the 51 of the keypoints"),
    ),
    Case(
        "YOLO: poses that nobody states",
        yolo([f"{line} 0.45 0.55" for line in POSES], "names: [cat]"),
        says=("data.yaml', train: all 3", "look like boxes with keypoints", "kpt_shape: null"),
    ),
    Case(
        "YOLO: corners for sides",
        yolo([f"0 0.{x} 0.4 0.{x + 3} 0.9" for x in (3, 4, 5, 6)]),
        says=("data.yaml'", "4 of 4 boxes reach out", "as x1 y1 x2 y2"),
    ),
    Case(
        "YOLO: wide boxes at the edge",
        yolo(["0 0.9 0.5 0.4 0.4", "1 0.1 0.5 0.4 0.2"]),
        gives=(("cat", "dog"), [[28.0, 12.0, 40.0, 28.0], [0.0, 16.0, 12.0, 24.0]], False),
    ),
    Case(
        "YOLO: a path of 400 characters",
        yolo([WHOLE], f"path: {'x' * 400}\nnames: [cat]"),
        says=("data.yaml' is 'xxx", "there is no such folder"),
    ),
    Case(
        "YOLO: an entry of 400 characters",
        yolo([WHOLE], f"train: {'x' * 400}\nval: images/val\nnames: [cat]"),
        says=("`train` of", "which is absent"),
    ),
    Case(
        "YOLO: turned boxes stay polygons",
        yolo(["0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"]),
        gives=(("cat", "dog"), MIDDLE, True),
    ),
    Case(
        "YOLO: masks in train and boxes in val",
        yolo(["0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"], val=[WHOLE]),
        says=("'val' has no masks, and 'train' has", "labels/val/a.txt"),
    ),
    Case(
        "YOLO: no validation labels",
        absent_labels,
        ("measured on 'val'", "labels/val/a.txt'", "0 of 1"),
    ),
    Case(
        "YOLO: back-slashes",
        yolo([WHOLE], "train: images\\train\nval: .\\images\\val\nnames: [a]"),
        (),
        (("a",), MIDDLE, False),
    ),
)
def test_yolo(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


# Pascal VOC

OBJECT = (
    "<object><name>{name}</name>{difficult}<bndbox><xmin>{left}</xmin><ymin>6</ymin>"
    "<xmax>{right}</xmax><ymax>25</ymax></bndbox></object>"
)
SIZED = f"<size><width>{SIDE}</width><height>{SIDE}</height></size>"


def voc_text(
    name: str = "cat", difficult: str = "", left: object = 6, right: object = 25, size: str = SIZED
) -> str:
    """The XML of one object."""
    one = OBJECT.format(name=name, difficult=difficult, left=left, right=right)
    return f"<annotation>{size}{one}</annotation>"


def voc(text: str | bytes, *, listed: str = "a", **more: Any) -> Callable[[Path], Any]:
    """Sets up a fit; the boxes and which of them are difficult."""

    def read(folder: Path) -> Any:
        for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (folder / part).mkdir(parents=True)
        for value, name in enumerate(("a", "b")):
            write_image(folder / "JPEGImages" / f"{name}.png", value)
            (folder / "Annotations" / f"{name}.xml").write_text(voc_text())
        data = text if isinstance(text, bytes) else text.encode()
        (folder / "Annotations" / "a.xml").write_bytes(data)
        (folder / "ImageSets" / "Main" / "train.txt").write_text(f"{listed}\n")
        (folder / "ImageSets" / "Main" / "val.txt").write_text("b\n")
        options = {"train_sets": ["train"], "val_sets": ["val"], "classes": ["cat", "dog"], **more}
        made = VOC(root=folder, num_workers=0, **options)
        made.setup("fit")
        index = made.index("train")
        return index.boxes.tolist(), index.crowd.tolist()

    return read


def declared(encoding: str, text: str) -> bytes:
    return f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + voc_text("&b;")
PLAIN = ([BOX], [False])


@table(
    Case("VOC: blanks around a name", voc(voc_text(" cat\n")), gives=PLAIN),
    Case(
        "VOC: an unknown name",
        voc(voc_text("cta")),
        ("a.xml', object 1 (cta)", "Did you mean 'cat'"),
    ),
    Case("VOC: difficult is empty", voc(voc_text(difficult="<difficult/>")), gives=PLAIN),
    Case(
        "VOC: difficult is a word",
        voc(voc_text(difficult="<difficult>no</difficult>")),
        says=("a.xml', object 1 (cat)", "<difficult> is 'no', expected 0 or 1"),
    ),
    Case(
        "VOC: difficult objects alone",
        voc(voc_text(difficult="<difficult>1</difficult>")),
        says=("an object to learn (1 crowd", "Annotations"),
    ),
    Case("VOC: a corner that is no number", voc(voc_text(left="6_0")), ("object 1", "xmin '6_0'")),
    Case("VOC: a corner of NaN", voc(voc_text(left="nan")), ("object 1", "is not finite")),
    Case("VOC: a box out of its image", voc(voc_text(right=60)), ("(40 x 40)", "clip_boxes: true")),
    Case(
        "VOC: a box out of its image, cut",
        voc(voc_text(right=60), clip_boxes=True),
        gives=([[5.0, 5.0, 40.0, 25.0]], [False]),
    ),
    Case("VOC: a box out of an image of no size", voc(voc_text(right=60, size="")), ("(40 x 40)",)),
    Case("VOC: GB2312", voc(declared("gb2312", voc_text() + "<!-- 猫 -->")), gives=PLAIN),
    Case("VOC: Latin-1", voc(declared("latin-1", voc_text() + "<!-- é -->")), gives=PLAIN),
    Case("VOC: UTF-16", voc(declared("utf-16", voc_text())), gives=PLAIN),
    Case(
        "VOC: an encoding that is none",
        voc(b'<?xml version="1.0" encoding="zlib"?><a/>'),
        ("a.xml", "'zlib'"),
    ),
    Case("VOC: a billion laughs", voc(LAUGHS), ("a.xml' declares a document type",)),
    Case(
        "VOC: a name out of the folder",
        voc(voc_text(), listed="../a"),
        ("train.txt", "leads out of"),
    ),
    Case(
        "VOC: a class twice",
        voc(voc_text(), classes=["cat", "cat "]),
        ("classes=", "each of them once"),
    ),
)
def test_voc(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


# Masks and class folders


def masks(*values: int, classes: Any = ("road", "grass"), **more: Any) -> Callable[[Path], Any]:
    """Sets up a fit of masks with the given values; the number of training images."""

    def read(folder: Path) -> Any:
        for split in ("train", "val"):
            write_image(folder / "images" / split / "a.png", size=(len(values), 4))
            (folder / "masks" / split).mkdir(parents=True)
            pixels = np.tile(np.array(values, dtype=np.uint8), (4, 1))
            Image.fromarray(pixels).save(folder / "masks" / split / "a.png")
        data = MaskFolder(root=folder, classes=classes, num_workers=0, **more)
        data.setup("fit")
        return len(data.train_dataset)

    return read


def polygons(**keys: Any) -> Callable[[Path], Any]:
    """Reads the mask of a Cityscapes image from polygons; the label ids that are drawn."""

    def read(folder: Path) -> Any:
        path = folder / "a_gtFine_polygons.json"
        one = {"label": "car", "polygon": [[0, 0], [3, 0], [3, 3], [0, 3]], **keys}
        path.write_text(json.dumps({"imgWidth": 4, "imgHeight": 4, "objects": [one]}))
        return np.unique(Cityscapes.read_mask(str(path))).tolist()

    return read


def folders(*files: str) -> Callable[[Path], Any]:
    """Checks class folders, and further pictures, all equal; what the tool says of them."""

    def read(folder: Path) -> Any:
        for value, name in enumerate(("train/ant/0", "train/bee/0", "val/ant/0", "val/bee/0")):
            write_image(folder / f"{name}.png", value)
        for name in files:
            write_image(folder / name, 99)
        said = tool("check_dataset", "ImageFolder", "--root", folder, "--num_workers", 0)
        return said.replace(str(folder), "").splitlines()[: 1 if files else -1]

    return read


def checked(change: Change) -> Callable[[Path], Any]:
    """Checks a COCO dataset; whether all is well, and the first line that the tool says."""

    def read(folder: Path) -> Any:
        options = write_coco(folder, change)
        words = [f"--{key}={value}" for key, value in options.items()]
        lines = tool("check_dataset", "COCO", *words).replace(str(folder), "").splitlines()
        return "all is well" in lines[-1], lines[0]

    return read


@table(
    Case("masks: a value of no class", masks(0, 1, 7), ("a.png", "the value 7 in 4 pixels")),
    Case(
        "masks: all pixels ignored",
        masks(255, 255, classes=("a", "b", "c")),
        ("all pixels of the 1 masks", "a.png"),
    ),
    Case(
        "masks: white for a class",
        masks(0, 255),
        ("'grass' would never be seen", "values: [0, 255]"),
    ),
    Case("masks: one class in all pixels", masks(1, 1), gives=1, warns=("has the class 'grass'",)),
    Case(
        "masks: a class twice", masks(0, 1, classes=("a", "a ")), ("classes=", "each of them once")
    ),
    Case(
        "masks: a class of no name", masks(0, 1, classes=("a", " ")), ("classes=", "must be names")
    ),
    Case("Cityscapes: deleted", polygons(deleted=1), gives=[0]),
    Case("Cityscapes: deleted as text", polygons(deleted="0"), ("object 1", "'deleted' is '0'")),
    Case("Cityscapes: a label that is no text", polygons(label=["car"]), ("object 1", "['car']")),
    Case(
        "Cityscapes: corners of text",
        polygons(polygon=[["0", "0"], ["3", "3"]]),
        ("object 1", "a corner is ['0'"),
    ),
    Case(
        "Cityscapes: corners far away",
        polygons(polygon=[[0, 0], [1e9, 1]]),
        ("object 1", "a corner is [1000000000.0, 1]"),
    ),
)
def test_masks(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


@table(
    Case(
        "folders: an image in two splits",
        folders("train/ant/1.png", "val/ant/1.png"),
        gives=[
            "'/train/ant/1.png' (train, class 'ant') and '/val/ant/1.png' (val, class 'ant') are "
            "the same image."
        ],
    ),
    Case(
        "folders: an image in two classes",
        folders("train/ant/1.png", "train/bee/1.png"),
        gives=[
            "'/train/ant/1.png' (train, class 'ant') and '/train/bee/1.png' (train, class 'bee') "
            "are the same image."
        ],
    ),
    Case(
        "folders: an image in no class",
        folders("train/1.png"),
        gives=[
            "'/train' has 1 image outside of every class folder, such as '/train/1.png': they are "
            "not read."
        ],
    ),
    Case(
        "COCO: sound",
        checked(same),
        gives=(True, "train: 2 images, 3 objects, 1 crowd region, 0 empty images"),
    ),
    Case(
        "COCO: two entries of one file",
        checked(image(file_name="8.png")),
        gives=(False, "'/train.json': images 7 and 8 have the same file '8.png'"),
    ),
    Case(
        "COCO: a box beside its outline",
        checked(first(bbox=[30, 30, 9, 9])),
        gives=(
            False,
            "'/train.json': annotation 1 (image 7): its box [30.0, 30.0, 39.0, 39.0] and its "
            "outline, which fills [5.0, 5.0, 25.0, 25.0] (x1, y1, x2, y2), overlap by 0%",
        ),
    ),
    Case(
        "COCO: an outline of an odd count of numbers",
        checked(first(segmentation=[[1, 2, 3, 4, 5, 6, 7]])),
        gives=(
            False,
            "'/train.json': annotation 1 (image 7): a polygon has an odd count of numbers (7), "
            "expected x and y of 3 points or more",
        ),
    ),
    Case(
        "COCO: no masks in one of the sets",
        checked(without_masks),
        gives=(
            False,
            "'train' has no masks, and 'val' has. Looked for annotations in '/train.json'. Give "
            "every object of both a mask, or set data.masks: false to use only boxes.",
        ),
    ),
)
def test_what_the_check_tells(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)
