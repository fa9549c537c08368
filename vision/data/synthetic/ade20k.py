"""A small dataset in the exact layout of ADEChallengeData2016, composed of handwritten digits.

The layout follows the SceneParsing release of "Scene Parsing through ADE20K Dataset", B. Zhou et
al., 2017: http://sceneparsing.csail.mit.edu. The classes are the ten digits and four backgrounds.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.scenes import WORDS
from vision.data.synthetic.semantic import (
    CLASSES,
    UNLABELLED,
    class_map,
    leave_unlabelled,
    unlabelled_region,
)
from vision.data.synthetic.splits import SceneSamples, compose_split, save_jpeg
from vision.data.synthetic.textures import TEXTURES
from vision.ops.label_images import write_labels

FOLDERS = {"train": "training", "val": "validation"}
HEADER = ("Idx", "Ratio", "Train", "Val", "Stuff", "Name")


def write_ade20k(root: Path | str, samples: SceneSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree equals the release: `images/{training,validation}/ADE_{train,val}_00000001.jpg` and so
    on, `annotations/.../*.png` with 0 for pixels without a class and k for class k, from 1 on,
    `objectInfo150.txt` with the classes and `sceneCategories.txt`; from the archive of test images,
    `release_test/testing/ADE_test_*.jpg`. The scenes equal `write_coco` with the same size and
    seed.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Numbers of images and of annotations, by split.

    Raises:
        DataError: `root` holds something else.
    """
    found: dict[str, tuple[int, int]] = {}
    counts: dict[str, np.ndarray] = {}
    scenes: list[str] = []
    with replace_folder(root, {"dataset": "ade20k", **asdict(samples)}) as folder:
        for split in FOLDERS:
            counts[split] = _write_split(folder, split, samples, scenes)
            found[split] = (len(counts[split]), len(counts[split]))
        found["test"] = (_write_test(folder / "release_test" / "testing", samples), 0)
        (folder / "sceneCategories.txt").write_text("".join(f"{scene}\n" for scene in scenes))
        (folder / "objectInfo150.txt").write_text(describe_classes(counts["train"], counts["val"]))
    return found


def describe_classes(train: np.ndarray, val: np.ndarray) -> str:
    """The table of classes in the form of `objectInfo150.txt`.

    Args:
        train: int64 `(N, K)`, pixels of each class in each training image.
        val: The same for the validation images.

    Returns:
        Lines of tab-separated columns: number from 1 on, share of all pixels that have a class,
        numbers of training and of validation images with the class, whether it is "stuff", name.
    """
    pixels = train.sum(axis=0) + val.sum(axis=0)
    ratios = pixels / max(int(pixels.sum()), 1)
    images = [(part > 0).sum(axis=0).tolist() for part in (train, val)]
    rows: list[Sequence[object]] = [HEADER]
    for k, name in enumerate(CLASSES):
        stuff = int(k >= len(WORDS))
        rows.append((k + 1, f"{ratios[k]:.4f}", images[0][k], images[1][k], stuff, name))
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def _write_split(folder: Path, split: str, samples: SceneSamples, scenes: list[str]) -> np.ndarray:
    """Write the files of a split and list its scenes; returns pixels per image and class."""
    images = folder / "images" / FOLDERS[split]
    annotations = folder / "annotations" / FOLDERS[split]
    for part in (images, annotations):
        part.mkdir(parents=True)
    counts: list[np.ndarray] = []
    for place, scene, rng in compose_split(samples, split):
        stem = f"ADE_{split}_{place + 1:08d}"
        labels = leave_unlabelled(class_map(scene), unlabelled_region(scene, rng))
        save_jpeg(scene.image, images / f"{stem}.jpg")
        # 255 + 1 is 0 in uint8, the release's "no class".
        write_labels(annotations / f"{stem}.png", labels + np.uint8(1), None)
        counts.append(np.bincount(labels[labels != UNLABELLED], minlength=len(CLASSES)))
        scenes.append(f"{stem} {TEXTURES[scene.texture]}")
    return np.array(counts, np.int64).reshape(-1, len(CLASSES))


def _write_test(folder: Path, samples: SceneSamples) -> int:
    """Write the images without annotations; returns their number."""
    folder.mkdir(parents=True)
    for place, scene, _ in compose_split(samples, "test"):
        save_jpeg(scene.image, folder / f"ADE_test_{place + 1:08d}.jpg")
    return samples.test
