"""The training input of segmentors against mmsegmentation's and albumentations'.

Ours and mmsegmentation's make the same training samples from the same files of 683 x 512 pixels: a
random scale from 0.5 to 2, a crop of 512 x 512 with the limit of 0.75 on one class, mirroring and
distorted colours. albumentations' is of the same meaning, without the limit. One thread,
alternating; times are CPU time, and the last column is each side's over ours. Their sides need `pip
install '.[mmseg]'` and `pip install '.[albumentations]'`.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vision.benchmarks.albumentations_input import segmentation_side
from vision.benchmarks.input import compare, report, write_pictures
from vision.data.classes.label_tables import LabelTable
from vision.data.images.read import decode_image, read_file
from vision.data.transforms.albumentations_rows import import_albumentations
from vision.data.transforms.geometry import Geometry
from vision.data.transforms.photometric import distort, turn_hue
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segmentation import (
    SegmentationTrainTransform,
    is_varied,
    sample_geometry,
)
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.errors import MissingPackageError
from vision.mmcv.operators import provide_operators
from vision.ops.label_images import read_labels, write_labels

HEIGHT, WIDTH, CLASSES = 512, 683, 150
TABLE = LabelTable.classes(CLASSES, reduce_zero_label=True)
Side = Callable[[str], Any]


def write_masks(paths: list[str]) -> None:
    """Write a mask beside each image: some regions with uneven borders, as in ADE20K 1..150."""
    for seed, path in enumerate(paths):
        generator = np.random.default_rng(seed)
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        places = generator.uniform(0, 1, (12, 2)) * (HEIGHT, WIDTH)
        away = np.stack([np.hypot(rows - top, columns - left) for top, left in places])
        away += generator.uniform(0, 100, (12, 1, 1)) + generator.normal(0, 1.5, away.shape)
        labels = generator.integers(1, CLASSES + 1, 12)[away.argmin(axis=0)]
        write_labels(mask_of(path), labels.astype(np.uint8))


def mask_of(path: str) -> str:
    """The mask of an image."""
    return str(Path(path).with_suffix(".png"))


def ours(**options: Any) -> Side:
    """Our pipeline."""
    transform = SegmentationTrainTransform(SegmentationAugment(**options))

    def make(path: str) -> Any:
        mask = mask_of(path)
        return transform.decode(read_file(path), TABLE.apply(read_labels(mask), mask), mask)

    return make


def mmseg_side(*, photometric: bool = True) -> Side:
    """The transforms of mmsegmentation, as its configs for ADE20K list them."""
    provide_operators()
    with suppress(
        MissingPackageError
    ):  # mmsegmentation imports it, with its question to the network
        import_albumentations()
    transforms = importlib.import_module("mmseg.datasets.transforms")
    common = importlib.import_module("mmcv.transforms")
    importlib.import_module("cv2").setNumThreads(0)
    steps = [
        common.LoadImageFromFile(),
        transforms.LoadAnnotations(reduce_zero_label=True),
        common.RandomResize(scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
        transforms.RandomCrop(crop_size=(512, 512), cat_max_ratio=0.75),
        common.RandomFlip(prob=0.5),
    ]
    if photometric:
        steps.append(transforms.PhotoMetricDistortion())

    def make(path: str) -> Any:
        results: Any = {
            "img_path": path,
            "seg_map_path": mask_of(path),
            "reduce_zero_label": True,
            "seg_fields": [],
        }
        # Its random numbers are NumPy's: the same ones in every run, too.
        np.random.seed(int(torch.randint(2**31, ())))
        for step in steps:
            results = step(results)
        return results

    return make


def stages(path: str) -> dict[str, Side]:
    """Steps of our pipeline by themselves; geometry and distortion are sampled each time."""
    image, labels = decode_image(read_file(path)), read_labels(mask_of(path))
    mask = TABLE.apply(labels, path)
    augment = SegmentationAugment()
    crop = image[:, :512, :512].contiguous()

    def geometry() -> Geometry:
        return sample_geometry((HEIGHT, WIDTH), mask, augment, SampleRng())

    def resize(path: str) -> Any:
        drawn = geometry()
        return drawn.resize(drawn.crop(image))

    def take(path: str) -> Any:
        drawn = geometry()
        return drawn.mask(drawn.crop(mask[None])[0])

    return {
        "read and decode the image": lambda path: decode_image(read_file(path)),
        "read the mask": lambda path: read_labels(mask_of(path)),
        "translate its labels": lambda path: TABLE.apply(labels, path),
        "count the classes of it": lambda path: is_varied(mask, 0.75),
        "draw the geometry": lambda path: geometry(),
        "... and resize the image": resize,
        "... and the mask": take,
        "distort the colours": lambda path: distort(crop, SampleRng()),
        "only the hue": lambda path: turn_hue(crop.numpy(), 10),
    }


def measure_segmentation_input(*, images: int, rounds: int) -> None:
    """Print all tables.

    Args:
        images: JPEG files of 683 x 512 pixels.
        rounds: Measured rounds over all files.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images, WIDTH, HEIGHT, 92)
        write_masks(paths)
        sides = {
            "ours": ours(),
            "ours, colours as they are": ours(photometric=False),
        }
        if importlib.util.find_spec("mmseg"):
            sides["mmsegmentation"] = mmseg_side()
            sides["mmsegmentation, as they are"] = mmseg_side(photometric=False)
        if importlib.util.find_spec("albumentations"):
            sides["albumentations"] = segmentation_side(mask_of)
            sides["albumentations, as they are"] = segmentation_side(mask_of, photometric=False)
        report(compare(sides, paths, rounds), base="ours")
        print("our steps by themselves")
        report(compare(stages(paths[0]), paths, rounds))
