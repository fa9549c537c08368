"""A small dataset in the exact layout of NYU Depth V2: digits that stand in rooms.

The layout follows "Indoor Segmentation and Support Inference from RGBD Images", N. Silberman et
al., 2012. The labelled set is one MATLAB 7.3 file, which is HDF5; it is written where h5py is
installed. Beside it lie the same images, depths and normals in a file each.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.matlab import MatFile, write_mat5
from vision.data.synthetic.scenes import WORDS
from vision.data.synthetic.space_render import CLASSES, photograph, view
from vision.data.synthetic.space_splits import RoomSamples, compose_rooms
from vision.data.synthetic.space_world import World
from vision.data.synthetic.splits import save_jpeg
from vision.ops.depth_writing import MILLIMETRES, write_depth
from vision.ops.normal_writing import write_normals

# The validation rooms are the test images of the official split.
SPLITS = {"train": "train", "val": "test"}
LABELED, LISTS = "nyu_depth_v2_labeled.mat", "splits.mat"
# Pixels without a reading in the raw depth: patches, as shiny or dark surfaces leave them, and a
# border to the left of nearer objects, which the projector does not reach.
PATCHES, PATCH_SHARE = (2, 6), (0.03, 0.12)
SHADOW_M = 0.25  # jump of depth that casts a shadow


class Frame(NamedTuple):
    """What is stored of a room.

    Attributes:
        image: uint8 `(H, W, 3)`.
        depth: float32 `(H, W)` metres.
        raw: The same with 0 for no reading.
        normals: float32 `(H, W, 3)`.
        labels: uint16 `(H, W)`, class from 1 on.
        instances: uint8 `(H, W)`, number of the object among those of its class, from 1 on.
    """

    image: np.ndarray
    depth: np.ndarray
    raw: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    instances: np.ndarray


def write_nyuv2(root: Path | str, samples: RoomSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree is that of the release, `nyu_depth_v2_labeled.mat` and `splits.mat`, and the same in
    folders: `images/{train,test}/00001.jpg` and so on, numbered as in the file, `depth/` and
    `raw_depth/` (PNG of 16 bits in millimetres, 0 for no reading) and `normals/` (RGB PNG of
    16 bits).

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Numbers of images and of depth maps, by split.

    Raises:
        DataError: `root` holds something else.
    """
    with replace_folder(root, {"dataset": "nyuv2", **asdict(samples)}) as folder:
        for kind in ("images", "depth", "raw_depth", "normals"):
            for split in SPLITS.values():
                (folder / kind / split).mkdir(parents=True)
        _write_labeled(folder, _write_frames(folder, samples), samples)
        numbers = np.arange(1, samples.train + samples.val + 1, dtype=np.uint16)[:, None]
        parts = {"trainNdxs": numbers[: samples.train], "testNdxs": numbers[samples.train :]}
        write_mat5(folder / LISTS, parts)
    return {split: (getattr(samples, split),) * 2 for split in SPLITS}


def make_frame(world: World, rng: np.random.Generator) -> Frame:
    """What is stored of a room."""
    image, seen = photograph(world, rng), view(world)
    instances = np.zeros(seen.labels.shape, np.uint8)
    numbers: Counter[int] = Counter()
    regions = [(int(label), seen.labels == label) for label in np.unique(seen.labels)]
    things = [(item.label, item.mask) for item in seen.objects]
    for label, mask in [*(one for one in regions if one[0] >= len(WORDS)), *things]:
        numbers[label] += 1
        instances[mask] = numbers[label]
    raw = np.where(_unread(seen.depth, rng), np.float32(0), seen.depth)
    labels = seen.labels.astype(np.uint16) + np.uint16(1)
    return Frame(image, seen.depth, raw, seen.normals, labels, instances)


def _unread(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose the pixels without a reading, bool `(H, W)`: patches and shadows of near objects."""
    height, width = depth.shape
    holes = np.zeros(depth.shape, bool)
    for _ in range(int(rng.integers(PATCHES[0], PATCHES[1] + 1))):
        radii = rng.uniform(*PATCH_SHARE, size=2) * (height, width)
        centre = rng.random(2) * (height, width)
        rows, columns = np.ogrid[:height, :width]
        holes |= ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1
    jump = depth[:, :-1] - depth[:, 1:] > SHADOW_M
    for step in (0, 1):
        holes[:, : width - 1 - step] |= jump[:, step:]
    return holes


def _write_frames(folder: Path, samples: RoomSamples) -> Iterator[Frame]:
    """Write each room in files of its own, and yield it for the file of all."""
    number = 0
    for split, name in SPLITS.items():
        for _, world, rng in compose_rooms(samples, split):
            frame, number = make_frame(world, rng), number + 1
            stem = f"{name}/{number:05d}"
            save_jpeg(frame.image, folder / "images" / f"{stem}.jpg")
            write_depth(folder / "depth" / f"{stem}.png", frame.depth, scale=MILLIMETRES)
            write_depth(folder / "raw_depth" / f"{stem}.png", frame.raw, scale=MILLIMETRES)
            write_normals(folder / "normals" / f"{stem}.png", frame.normals)
            yield frame


def _write_labeled(folder: Path, frames: Iterator[Frame], samples: RoomSamples) -> None:
    """Write the file of all rooms, or only the files of each where there is no h5py."""
    if find_spec("h5py") is None:
        for _ in frames:
            pass
        return
    count = samples.train + samples.val
    with MatFile(folder / LABELED) as file:
        for place, frame in enumerate(frames):
            file.put("images", frame.image, place, count)
            file.put("depths", frame.depth, place, count)
            file.put("rawDepths", frame.raw, place, count)
            file.put("labels", frame.labels, place, count)
            file.put("instances", frame.instances, place, count)
        file.put_texts("names", CLASSES)
        file.put_texts("scenes", [f"room_{place + 1:04d}" for place in range(count)])
        file.put_texts("sceneTypes", ["room"] * count)
