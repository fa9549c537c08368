"""A small dataset in the exact layout of KITTI's objects: streets with boxes, images and scans.

"Are we ready for Autonomous Driving? The KITTI Vision Benchmark Suite", A. Geiger et al., 2012.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image

from vision.annotations.kitti import write_objects
from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.splits import SPLITS, Samples
from vision.data.synthetic.street_labels import label
from vision.data.synthetic.street_layout import DECIMALS, compose_street
from vision.data.synthetic.street_lidar import scan
from vision.data.synthetic.street_render import photograph, view
from vision.data.synthetic.street_world import Street

ASPECT = 3.25  # width by height
PNG_LEVEL = 3
FOLDERS = {"training": ("train", "val"), "testing": ("test",)}


@dataclass(frozen=True, kw_only=True)
class StreetSamples(Samples):
    """As `Samples`, of streets: images are wider than high, 3.25 to 1.

    Validation streets have camera heights and roads that no training street has.

    Attributes:
        test: Number of streets without labels, like those of validation.
    """

    min_size: ClassVar[int] = 160

    train: int = 500
    val: int = 100
    test: int = 5
    size: int = 416


class ComposedStreet(NamedTuple):
    """A street of a split: its number there, itself, and a generator for further choices."""

    place: int
    street: Street
    rng: np.random.Generator


def compose_streets(samples: StreetSamples, split: str) -> Iterator[ComposedStreet]:
    """Compose the streets of a split.

    Args:
        samples: What to compose.
        split: `"train"`, `"val"` or `"test"`.

    Yields:
        Each street. One does not depend on the number of streets.
    """
    height = round(samples.size / ASPECT)
    for place in range(getattr(samples, split)):
        rng = np.random.default_rng([samples.seed, SPLITS.index(split), place])
        street = compose_street(rng, height=height, width=samples.size, held_out=split != "train")
        yield ComposedStreet(place, street, rng)


def write_kitti(root: Path | str, samples: StreetSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree is that of the benchmark: `training/{image_2,calib,label_2,velodyne}`,
    `testing/{image_2,calib,velodyne}` and `ImageSets/{train,val,trainval,test}.txt`. Validation
    images are numbered after those of training.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Numbers of images and of lines of labels, by split.

    Raises:
        DataError: `root` holds something else.
    """
    counts = {}
    lists: dict[str, list[str]] = {"trainval": []}
    with replace_folder(root, {"dataset": "kitti", **asdict(samples)}) as folder:
        for name, splits in FOLDERS.items():
            first = 0
            for split in splits:
                lists[split], lines = [], 0
                for place, street, rng in compose_streets(samples, split):
                    lists[split].append(f"{first + place:06d}")
                    lines += _write(folder / name, lists[split][-1], street, rng, split != "test")
                first += len(lists[split])
                counts[split] = (len(lists[split]), lines)
        lists["trainval"] = [*lists["train"], *lists["val"]]
        (folder / "ImageSets").mkdir()
        for split, names in lists.items():
            (folder / "ImageSets" / f"{split}.txt").write_text("".join(f"{n}\n" for n in names))
    return counts


def _write(
    folder: Path, name: str, street: Street, rng: np.random.Generator, labelled: bool
) -> int:
    """Write the files of a street; returns the number of lines of its label."""
    image, points = photograph(street, rng), scan(street, rng)
    parts = ("image_2", "calib", "velodyne", *(["label_2"] if labelled else []))
    paths = {part: folder / part / name for part in parts}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(paths["image_2"].with_suffix(".png"), compress_level=PNG_LEVEL)
    paths["calib"].with_suffix(".txt").write_text(street.rig.calibration())
    paths["velodyne"].with_suffix(".bin").write_bytes(points.astype("<f4").tobytes())
    if not labelled:
        return 0
    objects = label(street, view(street))
    paths["label_2"].with_suffix(".txt").write_text(write_objects(objects, decimals=DECIMALS))
    return len(objects.classes)
