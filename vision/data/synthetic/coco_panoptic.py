"""A small dataset in the exact format of COCO's panoptic annotations: digits that stand in rooms.

The format follows "Panoptic Segmentation", A. Kirillov et al., 2019, and
https://cocodataset.org/#format-data. Things are the ten digits, stuff is the floor and the walls.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vision.contracts.segments import SegmentInfo
from vision.data.synthetic.coco import CATEGORY_IDS, describe_file, number_images, write_image
from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.scenes import WORDS
from vision.data.synthetic.space_render import CLASSES, View, photograph, view
from vision.data.synthetic.space_splits import RoomSamples, compose_rooms
from vision.ops.panoptic_writing import annotation_of, write_segment_ids

# After those of the digits, with gaps, like COCO's own.
PANOPTIC_IDS = (*CATEGORY_IDS, 118, 199)
ANNOTATED = ("train", "val")
MAX_COLOR = 2**24


@dataclass(frozen=True, kw_only=True)
class PanopticSamples(RoomSamples):
    """As `RoomSamples`, with more and larger stickers: they are what a model learns digits from.

    Attributes:
        test: Number of rooms without annotations, with the digits of the validation rooms.
    """

    train: int = 2000
    val: int = 200
    size: int = 128
    stickers: ClassVar[int] = 6
    heights_m: ClassVar[tuple[float, float]] = (1.0, 1.3)
    test: int = 20


def write_coco_panoptic(root: Path | str, samples: PanopticSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree equals COCO's: `annotations/panoptic_{train,val}2017.json` with the folders
    `annotations/panoptic_{train,val}2017/*.png` of segment ids,
    `annotations/image_info_test-dev2017.json`, `{train,val,test}2017/*.jpg`.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Numbers of images and of segments, by split.

    Raises:
        DataError: `root` holds something else.
    """
    found: dict[str, tuple[int, int]] = {}
    with replace_folder(root, {"dataset": "panoptic", **asdict(samples)}) as folder:
        (folder / "annotations").mkdir()
        for split in (*ANNOTATED, "test"):
            content = _write_split(folder, split, samples)
            name = "image_info_test-dev2017" if split == "test" else f"panoptic_{split}2017"
            text = json.dumps(content, separators=(", ", ": "))
            (folder / "annotations" / f"{name}.json").write_text(text)
            segments = sum(len(one["segments_info"]) for one in content.get("annotations", ()))
            found[split] = (len(content["images"]), segments)
    return found


def number_segments(seen: View, rng: np.random.Generator) -> tuple[np.ndarray, list[SegmentInfo]]:
    """Segment ids as COCO has them: no small numbers in turn, but those of random colours.

    Args:
        seen: What the camera sees.
        rng: Source of the ids.

    Returns:
        int32 `(H, W)`, and the segments by class index.
    """
    places, labels = seen.segments
    ids = (1 + rng.choice(MAX_COLOR - 1, size=len(labels), replace=False)).astype(np.int32)
    segments: list[SegmentInfo] = [
        {"id": number, "category_id": label, "isthing": label < len(WORDS)}
        for number, label in zip(ids.tolist(), labels, strict=True)
    ]
    return ids[places - 1], segments


def _write_split(folder: Path, split: str, samples: PanopticSamples) -> dict[str, Any]:
    """Write the images and segment ids of a split; returns its annotation file."""
    image_ids = number_images(samples, split)
    masks = folder / "annotations" / f"panoptic_{split}2017"
    for part in (folder / f"{split}2017", *[masks] * (split in ANNOTATED)):
        part.mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for place, world, rng in compose_rooms(samples, split):
        number = image_ids[place]
        images.append(write_image(folder / f"{split}2017", number, photograph(world, rng)))
        if split in ANNOTATED:
            ids, segments = number_segments(view(world), rng)
            name = f"{number:012d}.png"
            write_segment_ids(masks / name, ids)
            annotations.append(
                annotation_of(
                    ids, segments, image_id=number, file_name=name, category_ids=PANOPTIC_IDS
                )
            )
    content = describe_file(samples, "COCO 2017's panoptic annotations", images)
    if split in ANNOTATED:
        content["annotations"] = annotations
    content["categories"] = [
        {
            "supercategory": "digit" if label < len(WORDS) else "room",
            "isthing": int(label < len(WORDS)),
            "id": number,
            "name": name,
        }
        for label, (number, name) in enumerate(zip(PANOPTIC_IDS, CLASSES, strict=True))
    ]
    return content
