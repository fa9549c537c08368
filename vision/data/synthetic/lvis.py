"""A small dataset in the exact format of LVIS v1, composed of handwritten digits.

The format follows "LVIS: A Dataset for Large Vocabulary Instance Segmentation", Gupta et al., 2019,
and https://www.lvisdataset.org/dataset: the same files, folders and fields. As in LVIS, some
classes have many training images and others few, and an image is checked for some classes only.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.synthetic.coco import describe_file, number_images, polygon_shape, write_image
from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.outlines import trace_outlines
from vision.data.synthetic.scenes import WORDS, Glyphs, Scene
from vision.data.synthetic.splits import SPLITS, SceneSamples, compose_split, load_glyphs

# Copies of a class's digits among those that a training scene is composed of: of the classes before
# COMMON all and twice, then 12 and of the last classes one digit each.
COMMON, RARE = 5, 8
COMMON_DIGITS, RARE_DIGITS, COPIES = 12, 1, 2
# Training images with a class up to which it is rare, and common (section 3.2 of the paper).
MAX_RARE, MAX_COMMON = 10, 100
# Share of the absent classes of an image that are listed as such.
SHARE_NEGATIVE = 0.4
# LVIS' validation images come from both folders of COCO: here every fifth is one of train2017.
TRAIN2017_EVERY = 5
FILES = {"train": "lvis_v1_train", "val": "lvis_v1_val", "test": "lvis_v1_image_info_test_dev"}


def write_lvis(root: Path | str, samples: SceneSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree equals LVIS': `annotations/lvis_v1_{train,val}.json`,
    `annotations/lvis_v1_image_info_test_dev.json`, `{train,val,test}2017/*.jpg`.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose; of fewer training scenes, more classes are rare.

    Returns:
        Numbers of images and of annotations, by split.

    Raises:
        DataError: `root` holds something else.
    """
    found: dict[str, tuple[int, int]] = {}
    with replace_folder(root, {"dataset": "lvis", **asdict(samples)}) as folder:
        (folder / "annotations").mkdir()
        for split in SPLITS:
            (folder / f"{split}2017").mkdir()
        frequencies: dict[int, str] = {}
        for split in SPLITS:
            content = _write_split(folder, split, samples)
            counts = count_images(content.get("annotations", ()))
            if split == "train":
                frequencies = {i: frequency(counts[i]) for i in range(1, len(WORDS) + 1)}
            content["categories"] = _categories(content.get("annotations", ()), frequencies)
            text = json.dumps(content, separators=(", ", ": "))
            (folder / "annotations" / f"{FILES[split]}.json").write_text(text)
            found[split] = (len(content["images"]), len(content.get("annotations", ())))
    return found


def long_tail(glyphs: Glyphs) -> Glyphs:
    """Digits of which a random one is rarely of the last classes.

    Args:
        glyphs: All digits.
    """
    chosen = []
    for label in range(len(WORDS)):
        own = np.flatnonzero(glyphs.labels == label)
        if label < COMMON:
            chosen += [own] * COPIES
        else:
            chosen.append(own[: COMMON_DIGITS if label < RARE else RARE_DIGITS])
    rows = np.concatenate(chosen)
    return Glyphs(glyphs.images[rows], glyphs.labels[rows])


def frequency(images: int) -> str:
    """LVIS' letter for a category in a number of training images."""
    return "r" if images <= MAX_RARE else "c" if images <= MAX_COMMON else "f"


def count_images(annotations: Sequence[Mapping[str, Any]]) -> Counter[int]:
    """The number of images with each category."""
    return Counter(
        category for _, category in {(one["image_id"], one["category_id"]) for one in annotations}
    )


def _write_split(folder: Path, split: str, samples: SceneSamples) -> dict[str, Any]:
    """Write the images of a split; returns its annotation file without the categories."""
    image_ids = number_images(samples, split)
    glyphs = long_tail(load_glyphs("train")) if split == "train" else None
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for place, scene, rng in compose_split(samples, split, glyphs):
        source = split
        if split == "val" and place % TRAIN2017_EVERY == TRAIN2017_EVERY - 1:
            source = "train"
        record = write_image(folder / f"{source}2017", image_ids[place], scene.image)
        url = f"http://images.cocodataset.org/{source}2017/{record.pop('file_name')}"
        images.append({**record, "coco_url": url})
        if split != "test":
            images[-1] |= checked_for(scene, rng)
            annotations += _describe(scene, image_ids[place])
    content = describe_file(samples, "LVIS v1", images)
    return content if split == "test" else {**content, "annotations": annotations}


def checked_for(scene: Scene, rng: np.random.Generator) -> dict[str, list[int]]:
    """The lists of categories of an image: known to be absent, and not marked exhaustively.

    A crowd is not annotated: where other objects of its class are, the class is not marked
    exhaustively; otherwise the image was not checked for it.

    Args:
        scene: What is in the image.
        rng: Source of the choice among the absent classes.
    """
    marked = {item.label for item in scene.objects if not item.crowd}
    crowds = {item.label for item in scene.objects if item.crowd}
    chosen = rng.random(len(WORDS)) < SHARE_NEGATIVE
    negative = [label for label in np.flatnonzero(chosen).tolist() if label not in marked | crowds]
    return {
        "neg_category_ids": [label + 1 for label in negative],
        "not_exhaustive_category_ids": [label + 1 for label in sorted(marked & crowds)],
    }


def _describe(scene: Scene, image_id: int) -> list[dict[str, Any]]:
    """The annotations of a scene: polygons without `iscrowd`, as LVIS has them."""
    found = []
    for place, item in enumerate(scene.objects):
        outlines = trace_outlines(item.mask)
        if item.crowd or not outlines:
            continue
        found.append(
            {
                **polygon_shape(outlines),
                "id": 10 * image_id + place,
                "image_id": image_id,
                "category_id": item.label + 1,
            }
        )
    return found


def _categories(
    annotations: Sequence[Mapping[str, Any]], frequencies: Mapping[int, str]
) -> list[dict[str, Any]]:
    images = count_images(annotations)
    instances = Counter(one["category_id"] for one in annotations)
    return [
        {
            "frequency": frequencies[number],
            "synset": f"{name}.n.01",
            "synonyms": [name],
            "id": number,
            "def": f"the digit {name}",
            "name": name,
            "image_count": images[number],
            "instance_count": instances[number],
        }
        for number, name in enumerate(WORDS, start=1)
    ]
