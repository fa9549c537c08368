"""The training input of detectors beside torchvision's and albumentations' transforms.

All make the same training samples from the same files of 640 x 480 pixels with 20 objects each: a
short side from 480 to 800, mirroring, boxes and masks. No size is below the file's, so that
antialiasing changes nothing. Their sides rasterise the polygons first, and resize the masks like
the image (torchvision's transforms v2 on tv_tensors), so that masks differ from ours, which are
rasterised at the size of the result, along the borders. Images, boxes and masks of all sides are
compared at a short side of 640 before anything is timed. A step of a side makes samples of all
files; their sizes differ, and no side puts them in a batch. The sides alternate. CPU time is what
to compare.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision.benchmarks.albumentations_input import detection_side
from vision.benchmarks.input_rows import Make, Side, add_alone, add_beside, compare_pixels
from vision.benchmarks.measurement import Measurement, UnequalSidesError, check_equal
from vision.benchmarks.pictures import describe_pictures, write_pictures
from vision.benchmarks.results import Table
from vision.data.images.read import decode_image, read_file
from vision.data.index.detection import Objects
from vision.data.transforms.annotated import AnnotatedImage, AnnotatedImages
from vision.data.transforms.detection import DetectionTrainTransform
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.geometry import plain_geometry
from vision.data.transforms.mixing import make_train_transform
from vision.data.transforms.objects import map_objects

HEIGHT, WIDTH, COUNT, QUALITY = 480, 640, 20, 92
SHORT_SIDES = tuple(range(480, 801, 32))
# At which sides are compared; allowed are the mean difference of a value in levels, that of boxes
# as a share of the largest coordinate, and the share of the pixels of all masks that differ.
COMPARED, LEVELS, BOXES, BORDERS = 640, 1.0, 1e-4, 0.01


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


def ours(objects: Objects, outlines: list[Any], **options: Any) -> Make:
    """Our pipeline; the options are those of `DetectionAugment`."""
    augment = DetectionAugment(**{"short_sides": SHORT_SIDES, **options})
    transform = DetectionTrainTransform(augment)
    return lambda path: transform.decode(read_file(path), objects, outlines, size=(HEIGHT, WIDTH))


def mixed(
    paths: list[str], objects: Objects, outlines: list[Any], augment: DetectionAugment
) -> Make:
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


def torchvision_side(
    objects: Objects, outlines: list[Any], short_sides: Sequence[int], *, hflip: float = 0.5
) -> Make:
    """Masks rasterised first, then transforms v2 on tv_tensors."""
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    change = v2.Compose(
        [
            v2.RandomShortestSize(list(short_sides), max_size=1333, antialias=True),
            v2.RandomHorizontalFlip(hflip),
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


def stages(path: str, objects: Objects, outlines: list[Any]) -> dict[str, Make]:
    """Steps of our pipeline by themselves, at a short side of 640."""
    image = decode_image(read_file(path))
    plain = plain_geometry((HEIGHT, WIDTH), short_side=640, long_side=1333)
    return {
        "read and decode": lambda path: decode_image(read_file(path)),
        "resize": lambda path: plain.resize(image),
        "only boxes": lambda path: map_objects(objects, None, plain, min_visible=1),
        "boxes and masks": lambda path: map_objects(objects, outlines, plain, min_visible=1),
    }


def peer_sides(
    objects: Objects, outlines: list[Any], short_sides: Sequence[int], *, hflip: float = 0.5
) -> dict[str, Make]:
    """The other pipelines that are installed, by name."""
    sides = {"torchvision": torchvision_side(objects, outlines, short_sides, hflip=hflip)}
    if find_spec("albumentations"):
        given = objects.boxes, objects.labels, mask_drawer(outlines), short_sides
        sides["albumentations"] = detection_side(*given, hflip=hflip)
    return sides


def compare_sides(path: str, objects: Objects, outlines: list[Any]) -> dict[str, float]:
    """Compare what all sides make of a file at one size.

    Returns:
        The largest difference of a value of the image, as a share of 255, by the name of the peer.

    Raises:
        UnequalSidesError: They differ by more than rounding explains.
    """
    fixed: dict[str, Any] = {"short_sides": (COMPARED,), "hflip": 0.0}
    sample = ours(objects, outlines, **fixed)(path)
    found = {}
    for name, make in peer_sides(objects, outlines, **fixed).items():
        what = f"detection input and {name}'s"
        image, boxes, masks = _parts_of(make(path))
        found[name] = compare_pixels(sample.image, image, levels=LEVELS, what=what)
        check_equal(sample.objects.boxes, boxes, tolerance=BOXES, what=f"boxes of {what}")
        apart = (sample.objects.masks != masks).float().mean().item()
        if not apart <= BORDERS:
            raise UnequalSidesError(
                f"{what}: {apart:.1%} of the pixels of the masks differ, expected {BORDERS:.0%} or "
                "less. The sides do not do the same work, and are not timed."
            )
    return found


def _parts_of(sample: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Image, boxes and masks of a sample of torchvision's or albumentations' side."""
    if isinstance(sample, dict):
        masks = torch.stack([torch.as_tensor(mask) for mask in sample["masks"]])
        boxes = torch.as_tensor(np.asarray(sample["bboxes"], dtype=np.float32))
        return sample["image"], boxes, masks.bool()
    image, targets = sample
    return image.as_subclass(Tensor), *(
        targets[key].as_subclass(Tensor) for key in ("boxes", "masks")
    )


def measure_detection_input(*, images: int, rounds: int, threads: int = 1) -> Table:
    """Measure our input beside the others, its steps, and what mixes images.

    Args:
        images: JPEG files of 640 x 480 pixels.
        rounds: Measured rounds over all files.
        threads: Threads of PyTorch and of OpenCV.

    Raises:
        UnequalSidesError: What a peer makes differs from ours.
    """
    torch.set_num_threads(threads)
    measured = Measurement("Training input of detection")
    objects, outlines = draw_objects(np.random.default_rng(0))
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images, WIDTH, HEIGHT, QUALITY)
        measured.note(describe_pictures(paths, WIDTH, HEIGHT, QUALITY))
        apart = compare_sides(paths[0], objects, outlines)
        peers = peer_sides(objects, outlines, SHORT_SIDES)
        add_beside(
            measured,
            "image, boxes and masks",
            Side(ours(objects, outlines), list),
            {name: Side(make, list) for name, make in peers.items()},
            paths,
            rounds=rounds,
            differences=apart,
        )
        more = {
            **stages(paths[0], objects, outlines),
            "+ crop": ours(objects, outlines, crop="detr"),
            "+ crop and photometric": ours(objects, outlines, crop="detr", photometric=1.0),
            "large-scale jitter": ours(objects, outlines, jitter=(0.1, 2.0)),
        }
        add_alone(measured, more, paths, rounds=rounds)
        add_alone(measured, mixed_sides(paths, objects, outlines), paths, rounds=rounds)
    return measured.table()


def mixed_sides(paths: list[str], objects: Objects, outlines: list[Any]) -> dict[str, Make]:
    """Ours with other images mixed in, and without, all of a side of 640."""
    fixed = {"short_sides": (640,), "long_side": 640}
    jitter = {"jitter": (0.1, 2.0), "jitter_size": 640}
    options: dict[str, dict[str, Any]] = {
        "plain": fixed,
        "jitter": jitter,
        "mosaic": {**fixed, "mosaic": 1.0},
        "mixup": {**fixed, "mixup": 1.0},
        "mosaic and mixup": {**fixed, "mosaic": 1.0, "mixup": 1.0},
        "jitter and copy-paste": {**jitter, "copy_paste": 1.0},
    }
    return {
        f"side of 640, {name}": mixed(paths, objects, outlines, DetectionAugment(**own))
        for name, own in options.items()
    }
