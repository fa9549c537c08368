"""A small dataset in the exact format of COCO 2017, composed of handwritten digits.

The format follows "Microsoft COCO: Common Objects in Context", T.-Y. Lin et al., 2014, and
https://cocodataset.org/#format-data: the same files, folders and fields.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.outlines import extent, run_lengths, signed_area, trace_outlines
from vision.data.synthetic.scenes import WORDS, SceneObject
from vision.data.synthetic.splits import (
    SPLITS,
    Samples,
    SceneSamples,
    compose_split,
    save_jpeg,
)

# With gaps, like COCO's own.
CATEGORY_IDS = (1, 2, 3, 5, 6, 7, 10, 13, 14, 17)
# Shares of the objects that get run lengths in place of polygons, as some datasets have them.
SHARE_RLE = 0.06
# Polygons have no holes: an object with a larger share of holes gets run lengths.
MAX_HOLES = 0.04
DATE = "2026-01-01 00:00:00"
LICENSE = {
    "url": "https://creativecommons.org/licenses/by/4.0/",
    "id": 1,
    "name": "Attribution License",
}


def write_coco(root: Path | str, samples: SceneSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree equals COCO's: `annotations/instances_{train,val}2017.json`,
    `annotations/image_info_test-dev2017.json`, `{train,val,test}2017/*.jpg`.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Numbers of images and of annotations, by split.

    Raises:
        DataError: `root` holds something else.
    """
    found: dict[str, tuple[int, int]] = {}
    with replace_folder(root, {"dataset": "coco", **asdict(samples)}) as folder:
        (folder / "annotations").mkdir()
        for split in SPLITS:
            content = _write_split(folder, split, samples)
            name = "image_info_test-dev2017" if split == "test" else f"instances_{split}2017"
            text = json.dumps(content, separators=(", ", ": "))
            (folder / "annotations" / f"{name}.json").write_text(text)
            found[split] = (len(content["images"]), len(content.get("annotations", ())))
    return found


def describe_object(
    item: SceneObject, *, image_id: int, annotation_id: int, rle: bool
) -> dict[str, Any]:
    """The annotation of one object.

    Args:
        item: The object.
        image_id: Number of its image.
        annotation_id: Number of the annotation; crowds have their own numbers, as in COCO.
        rle: Whether to write run lengths even if polygons are possible.

    Returns:
        The fields of COCO, in its order: polygons with the area and the box of their corners;
        run lengths as counts for crowds, and compressed for other objects.
    """
    outlines = trace_outlines(item.mask)
    filled = sum(map(signed_area, outlines))
    category = CATEGORY_IDS[item.label]
    if item.crowd or rle or not outlines or filled > (1 + MAX_HOLES) * item.mask.sum():
        top, left, bottom, right = extent(item.mask)
        shape = {
            "segmentation": _run_lengths(item.mask, compressed=not item.crowd),
            "area": int(item.mask.sum()),
            "bbox": _sides(np.array([left, top]), np.array([right, bottom])),
        }
    else:
        shape = polygon_shape(outlines)
    if item.crowd:
        annotation_id = int(f"9{category:03d}{image_id:08d}")
    return {
        "segmentation": shape["segmentation"],
        "area": shape["area"],
        "iscrowd": int(item.crowd),
        "image_id": image_id,
        "bbox": shape["bbox"],
        "category_id": category,
        "id": annotation_id,
    }


def polygon_shape(outlines: Sequence[np.ndarray]) -> dict[str, Any]:
    """Polygons with their area and box, as COCO and LVIS write them: a part of an annotation.

    Args:
        outlines: Corners of each part, `(P, 2)` of x and y in pixels.
    """
    # Two decimals, as in COCO; area and box follow from the rounded numbers.
    rounded = [outline.round(2) for outline in outlines]
    area = round(sum(map(signed_area, rounded)), 4)
    corners = np.concatenate(rounded)
    return {
        "segmentation": [outline.ravel().tolist() for outline in rounded],
        "area": area,
        "bbox": _sides(corners.min(axis=0), corners.max(axis=0)),
    }


def _sides(low: np.ndarray, high: np.ndarray) -> list[float]:
    return np.concatenate([low, high - low]).astype(np.float64).round(2).tolist()


def number_images(samples: Samples, split: str) -> list[int]:
    """Ids of the images of a split: ascending with gaps, different in each split."""
    number = SPLITS.index(split)
    count = getattr(samples, split)
    gaps = np.random.default_rng([samples.seed, number]).integers(1, 40, size=count)
    return (np.cumsum(gaps) * len(SPLITS) + number).tolist()


def write_image(folder: Path, image_id: int, image: np.ndarray) -> dict[str, Any]:
    """Write an image, uint8 `(H, W, 3)`; returns its entry in COCO's annotation files."""
    name = f"{image_id:012d}.jpg"
    save_jpeg(image, folder / name)
    height, width = image.shape[:2]
    return {
        "license": LICENSE["id"],
        "file_name": name,
        "coco_url": "",
        "height": height,
        "width": width,
        "date_captured": DATE,
        "flickr_url": "",
        "id": image_id,
    }


def describe_file(
    samples: Samples, layout: str, images: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The first entries of an annotation file: `info`, `licenses` and `images`."""
    info = {
        "description": f"Handwritten digits in the format of {layout}, seed {samples.seed}",
        "url": "https://doi.org/10.24432/C50P49",
        "version": "1.0",
        "year": 2026,
        "contributor": "E. Alpaydin and C. Kaynak (the digits)",
        "date_created": DATE[:10].replace("-", "/"),
    }
    return {"info": info, "licenses": [LICENSE], "images": images}


def _run_lengths(mask: np.ndarray, *, compressed: bool) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    height, width = mask.shape
    counts = {"counts": run_lengths(mask), "size": [height, width]}
    if not compressed:
        return counts
    packed = coco_mask.frPyObjects(counts, height, width)
    return {"counts": packed["counts"].decode(), "size": [height, width]}


def _write_split(folder: Path, split: str, samples: SceneSamples) -> dict[str, Any]:
    """Write the images of a split; returns its annotation file."""
    image_ids = number_images(samples, split)
    (folder / f"{split}2017").mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, scene, rng in compose_split(samples, split):
        image_id = image_ids[index]
        images.append(write_image(folder / f"{split}2017", image_id, scene.image))
        for place, item in enumerate(scene.objects):
            annotations.append(
                describe_object(
                    item,
                    image_id=image_id,
                    # Unique, though it does not depend on the other scenes.
                    annotation_id=10 * image_id + place,
                    rle=bool(rng.random() < SHARE_RLE),
                )
            )
    content = describe_file(samples, "COCO 2017", images)
    if split != "test":
        content["annotations"] = annotations
    content["categories"] = [
        {"supercategory": "digit", "id": number, "name": name}
        for number, name in zip(CATEGORY_IDS, WORDS, strict=True)
    ]
    return content
