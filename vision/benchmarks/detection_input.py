"""The training input of detectors against torchvision's and albumentations' transforms.

Ours and theirs make the same training images from the same files of 640 x 480 pixels with 20
objects each: a short side from 480 to 800, mirroring, and masks. Their sides rasterise the polygons
first, and resize the masks like the image (torchvision's transforms v2 on tv_tensors). One thread,
alternating; times are CPU time, and the last column is each side's over ours.
"""

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vision.benchmarks.albumentations_input import detection_side
from vision.benchmarks.input import compare, report, write_pictures
from vision.data.images.read import decode_image, read_file
from vision.data.index.detection import Objects
from vision.data.transforms.annotated import AnnotatedImage, AnnotatedImages
from vision.data.transforms.detection import DetectionTrainTransform
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.geometry import plain_geometry
from vision.data.transforms.mixing import make_train_transform
from vision.data.transforms.objects import map_objects

HEIGHT, WIDTH, COUNT = 480, 640, 20
SHORT_SIDES = tuple(range(480, 801, 32))
Side = Callable[[str], Any]


def draw_objects(generator: np.random.Generator) -> tuple[Objects, list[Any]]:
    """Objects of 30 points each, whose sides are 1/30 to 1/2 of the image's."""
    turns = np.sort(generator.uniform(0, 2 * np.pi, (COUNT, 30)), axis=1)
    radii = np.exp(generator.uniform(np.log(1 / 60), np.log(1 / 4), (COUNT, 1, 2)))
    centres = generator.uniform(radii[:, 0], 1 - radii[:, 0])[:, None]
    points = np.stack([np.cos(turns), np.sin(turns)], axis=2) * radii + centres
    points = (points * (WIDTH, HEIGHT)).round(2)  # (COUNT, 30, 2)
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1).astype(np.float32)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    labels, crowd = np.zeros(COUNT, dtype=np.int32), np.zeros(COUNT, dtype=bool)
    return Objects(boxes, labels, crowd, areas, range(COUNT)), [[polygon] for polygon in points]


def ours(objects: Objects, outlines: list[Any], **options: Any) -> Side:
    """Our pipeline."""
    transform = DetectionTrainTransform(DetectionAugment(short_sides=SHORT_SIDES, **options))
    return lambda path: transform.decode(read_file(path), objects, outlines, size=(HEIGHT, WIDTH))


def mixed(
    paths: list[str], objects: Objects, outlines: list[Any], augment: DetectionAugment
) -> Side:
    """Our pipeline on images that are mixed with others."""

    @contextmanager
    def read(place: int) -> Iterator[AnnotatedImage]:
        image = decode_image(read_file(paths[place]))
        yield AnnotatedImage(image, objects, outlines)

    transform = make_train_transform(augment, masks=True, antialias=True)
    source = AnnotatedImages(read, lambda place: range(len(paths)))
    return lambda path: transform.draw(paths.index(path), source)


def mask_drawer(outlines: list[Any]) -> Callable[[], list[np.ndarray]]:
    """Makes the masks of polygons as pycocotools does, uint8 `(HEIGHT, WIDTH)` each."""
    from pycocotools.mask import decode, frPyObjects

    flat = [[polygon.ravel().tolist() for polygon in polygons] for polygons in outlines]
    return lambda: [decode(frPyObjects(polygons, HEIGHT, WIDTH)).max(axis=2) for polygons in flat]


def torchvision_side(objects: Objects, outlines: list[Any]) -> Side:
    """Masks rasterised first, then transforms v2 on tv_tensors."""
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    change = v2.Compose(
        [
            v2.RandomShortestSize(list(SHORT_SIDES), max_size=1333, antialias=True),
            v2.RandomHorizontalFlip(0.5),
            v2.SanitizeBoundingBoxes(),
        ]
    )
    draw_masks = mask_drawer(outlines)

    def make(path: str) -> Any:
        masks = [mask.astype(bool) for mask in draw_masks()]
        return change(
            tv_tensors.Image(decode_image(read_file(path))),
            {
                "boxes": tv_tensors.BoundingBoxes(
                    torch.from_numpy(objects.boxes), format="XYXY", canvas_size=(HEIGHT, WIDTH)
                ),
                "masks": tv_tensors.Mask(torch.from_numpy(np.stack(masks))),
                "labels": torch.from_numpy(objects.labels),
            },
        )

    return make


def stages(path: str, objects: Objects, outlines: list[Any]) -> dict[str, Side]:
    """Steps of our pipeline by themselves, at a short side of 640."""
    image = decode_image(read_file(path))
    plain = plain_geometry((HEIGHT, WIDTH), short_side=640, long_side=1333)
    return {
        "read and decode": lambda path: decode_image(read_file(path)),
        "resize": lambda path: plain.resize(image),
        "only boxes": lambda path: map_objects(objects, None, plain, min_visible=1),
        "boxes and masks": lambda path: map_objects(objects, outlines, plain, min_visible=1),
    }


def measure_detection_input(*, images: int, rounds: int) -> None:
    """Print all tables.

    Args:
        images: JPEG files of 640 x 480 pixels.
        rounds: Measured rounds over all files.
    """
    torch.set_num_threads(1)
    objects, outlines = draw_objects(np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images, WIDTH, HEIGHT, 92)
        sides = {
            "ours": ours(objects, outlines),
            "transforms v2": torchvision_side(objects, outlines),
        }
        if importlib.util.find_spec("albumentations"):
            sides["albumentations"] = detection_side(
                objects.boxes, objects.labels, mask_drawer(outlines), SHORT_SIDES
            )
        report(compare(sides, paths, rounds), base="ours")
        print("our steps by themselves, and with more options")
        more = {
            **stages(paths[0], objects, outlines),
            "+ crop": ours(objects, outlines, crop="detr"),
            "+ crop and photometric": ours(objects, outlines, crop="detr", photometric=1.0),
            "large-scale jitter": ours(objects, outlines, jitter=(0.1, 2.0)),
        }
        report(compare(more, paths, rounds))
        print("mixed with other images, against plain ones of a side of 640")
        fixed = {"short_sides": (640,), "long_side": 640}
        jitter = {"jitter": (0.1, 2.0), "jitter_size": 640}
        options: dict[str, dict[str, Any]] = {
            "plain": fixed,
            "large-scale jitter": jitter,
            "mosaic": {**fixed, "mosaic": 1.0},
            "mixup": {**fixed, "mixup": 1.0},
            "mosaic and mixup": {**fixed, "mosaic": 1.0, "mixup": 1.0},
            "jitter and copy-paste": {**jitter, "copy_paste": 1.0},
        }
        mixing = {
            name: mixed(paths, objects, outlines, DetectionAugment(**own))
            for name, own in options.items()
        }
        report(compare(mixing, paths, rounds), base="plain")
