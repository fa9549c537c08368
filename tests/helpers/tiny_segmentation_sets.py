"""Tiny datasets in the exact layouts of ADE20K, Cityscapes, Pascal VOC with SBD, and COCO-Stuff."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from helpers.tiny_boxes import write_image
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 24, 36
CELL = 6

ADE20K = {
    "training": ("ADE_train_00000001", "ADE_train_00000002"),
    "validation": ("ADE_val_00000001",),
}
# Fewer classes than the benchmark has, as in a composed set; columns as in the official table.
ADE20K_ROWS = ("wall", "building, edifice", "sky", "tree", "car, auto, automobile", "bed ")

CITYSCAPES = {
    "train": (
        "aachen/aachen_000000_000019",
        "aachen/aachen_000001_000019",
        "ulm/ulm_000000_000019",
    ),
    "val": ("lindau/lindau_000000_000019",),
    "test": ("berlin/berlin_000000_000019",),
}

VOC = {"train": ("2007_000032", "2007_000039"), "val": ("2007_000033",), "test": ("2008_000006",)}
# 2007_000032 is in VOC's training set and 2007_000033 in its validation set as well.
SBD = {"train": ("2008_000002", "2007_000032", "2007_000033"), "val": ("2008_000003",)}

COCO_STUFF = {"train": ("000000000009", "000000000025"), "val": ("000000000139",)}


def cells(values: Sequence[int], seed: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Squares of one value each: uint8 `(H, W)`; each of the values is there if there is room."""
    rows, columns = (-(-side // CELL) for side in size)
    generator = np.random.default_rng(seed)
    drawn = np.resize(generator.permutation(values), rows * columns)
    grid = generator.permutation(drawn).reshape(rows, columns).astype(np.uint8)
    return np.kron(grid, np.ones((CELL, CELL), np.uint8))[: size[0], : size[1]]


def write_mask(path: Path, labels: np.ndarray, palette: Sequence[int] | None = None) -> None:
    """Write indices as a PNG, with its folder: grey, or of colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels)
    if palette is not None:
        picture.putpalette(palette)
    picture.save(path)


def write_ade20k(root: Path, *, rows: Sequence[str] | None = None, test: bool = False) -> Path:
    """Write `images`, `annotations` and, with `rows`, `objectInfo150.txt` of these names."""
    count = 150 if rows is None else len(rows)
    for part, (split, stems) in enumerate(ADE20K.items()):
        for seed, stem in enumerate(stems):
            write_image(
                root / "images" / split / f"{stem}.jpg", size=(HEIGHT, WIDTH), seed=10 * part + seed
            )
            labels = cells([0, 1, count, *range(2, min(count, 20))], seed)
            write_mask(root / "annotations" / split / f"{stem}.png", labels)
    if test:
        path = root / "release_test" / "testing" / "ADE_test_00000001.jpg"
        write_image(path, size=(HEIGHT, WIDTH), seed=7)
    if rows is not None:
        lines = [f"{i}\t0.1\t5\t4\t0\t{name}\n" for i, name in enumerate(rows, start=1)]
        (root / "objectInfo150.txt").write_text(
            "Idx\tRatio\tTrain\tVal\tStuff\tName\n" + "".join(lines)
        )
    return root


def write_cityscapes(root: Path, *, masks: bool = True) -> Path:
    """Write `leftImg8bit` and `gtFine`: polygons, and with `masks` the maps of label ids."""
    for part, (split, names) in enumerate(CITYSCAPES.items()):
        for seed, name in enumerate(names):
            path = root / "leftImg8bit" / split / f"{name}_leftImg8bit.png"
            write_image(path, size=(HEIGHT, WIDTH), seed=10 * part + seed)
            stem = root / "gtFine" / split / name
            stem.parent.mkdir(parents=True, exist_ok=True)
            if masks:
                # The published masks of the test images have but ids that are not evaluated.
                ids = (0, 1, 3) if split == "test" else range(34)
                write_mask(stem.with_name(f"{stem.name}_gtFine_labelIds.png"), cells(ids, seed))
                # Other files of the archive.
                write_mask(stem.with_name(f"{stem.name}_gtFine_instanceIds.png"), cells(ids, seed))
            text = json.dumps(cityscapes_polygons(seed))
            stem.with_name(f"{stem.name}_gtFine_polygons.json").write_text(text)
    return root


def cityscapes_polygons(seed: int) -> dict[str, object]:
    """What a file of polygons holds: one over the other, of every kind that needs care."""
    generator = np.random.default_rng(seed)

    def outline(points: int) -> list[list[int]]:
        limits = generator.integers(-2, [WIDTH + 2, HEIGHT + 2], (points, 2))
        return [[int(x), int(y)] for x, y in limits]

    objects: list[dict[str, object]] = [
        {"label": "sky", "polygon": [[0, 0], [WIDTH - 1, 0], [WIDTH - 1, 9], [0, 12]]},
        {"label": "road", "polygon": outline(6)},
        {"label": "cargroup", "polygon": outline(5)},
        {"label": "polegroup", "polygon": outline(4)},
        {"label": "license plate", "polygon": outline(4)},
        {"label": "person", "polygon": outline(7), "deleted": 1},
        {"label": "rectification border", "polygon": outline(3), "deleted": 0},
        {"label": "bicycle", "polygon": outline(3)},
    ]
    return {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects}


def write_voc_segmentation(root: Path, *, sbd: bool = True) -> Path:
    """Write `VOCdevkit/VOC2012` and, with `sbd`, `benchmark_RELEASE/dataset`."""
    folder = root / "VOCdevkit" / "VOC2012"
    sets = folder / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    palette = np.random.default_rng(0).integers(0, 256, 768).tolist()
    lists = {**VOC, "trainval": sorted(VOC["train"] + VOC["val"])}
    for split, names in lists.items():
        (sets / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    for seed, (split, name) in enumerate((s, name) for s, names in VOC.items() for name in names):
        write_image(folder / "JPEGImages" / f"{name}.jpg", size=(HEIGHT, WIDTH), seed=seed)
        if split != "test":
            labels = cells([*range(21), 255], seed)
            write_mask(folder / "SegmentationClass" / f"{name}.png", labels, palette)
    if sbd:
        write_sbd(root / "benchmark_RELEASE" / "dataset")
    return root


def write_sbd(folder: Path) -> Path:
    """Write `img`, `cls`, `train.txt` and `val.txt` of SBD."""
    for split, names in SBD.items():
        for seed, name in enumerate(names, start=20):
            write_image(folder / "img" / f"{name}.jpg", size=(HEIGHT, WIDTH), seed=seed)
            write_mat(folder / "cls" / f"{name}.mat", cells(range(21), seed))
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def write_mat(path: Path, labels: np.ndarray) -> None:
    """Write a file of SBD: a struct `GTcls` with more than the class of each pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    present = np.unique(labels[labels > 0])[:, None]
    content = {"Boundaries": np.zeros((20, 1), object), "Segmentation": labels}
    savemat(path, {"GTcls": {**content, "CategoriesPresent": present}}, do_compression=True)


def write_coco_stuff(
    root: Path, values: Sequence[int], *, images: str = "", masks: str = "stuffthingmaps"
) -> Path:
    """Write the images and their pixel maps, which have some of the values, and 255."""
    for part, (split, stems) in enumerate(COCO_STUFF.items()):
        for seed, stem in enumerate(stems):
            path = root / images / f"{split}2017" / f"{stem}.jpg"
            write_image(path, size=(HEIGHT, WIDTH), seed=10 * part + seed)
            labels = cells([255, *values], seed)
            write_mask(root / masks / f"{split}2017" / f"{stem}.png", labels)
    return root
