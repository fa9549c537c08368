"""The training input of segmentors beside mmsegmentation's and albumentations'.

All make training samples from the same files of 683 x 512 pixels: a random scale from 0.5 to 2, a
crop of 512 x 512, mirroring and distorted colours. mmsegmentation's and ours try again where one
class fills 0.75 of the crop; beside albumentations', which cannot, ours does not either. Theirs
resize with OpenCV's bilinear filter, which takes four pixels whatever the scale; ours does so
too without antialiasing, and is measured with it by itself. Colours change by the same steps with
the same probabilities; of those, albumentations adds to the saturation, which ours and
mmsegmentation's multiply.

Before anything is timed, images and masks of all sides are compared at a scale of 0.75. Masks are
taken from the nearest pixels: of their centres in ours, of their corners in OpenCV, so that they
differ along the borders. A step of a side makes batches of all files, in planes for ours and
mmsegmentation's. The sides alternate. CPU time is what to compare. Their sides need `pip install
'.[mmseg]'` and `pip install '.[albumentations]'`.
"""

import importlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision.benchmarks.albumentations_input import segmentation_side
from vision.benchmarks.input_rows import Make, Side, add_alone, add_beside, compare_pixels
from vision.benchmarks.measurement import Measurement, UnequalSidesError
from vision.benchmarks.pictures import describe_pictures, write_pictures
from vision.benchmarks.results import Table
from vision.contracts.segmentation import IGNORED
from vision.data.classes.label_tables import LabelTable
from vision.data.images.read import decode_image, read_file
from vision.data.loading.collate import pad_images, pad_masks
from vision.data.transforms.albumentations_rows import import_albumentations
from vision.data.transforms.geometry import Geometry
from vision.data.transforms.photometric import distort, turn_hue
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segmentation import SegmentationTrainTransform, sample_geometry
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.data.transforms.varied_masks import is_varied
from vision.errors import MissingPackageError
from vision.mmcv.operators import provide_operators
from vision.ops.label_images import read_labels, write_labels

HEIGHT, WIDTH, CLASSES, QUALITY = 512, 683, 150, 92
TABLE = LabelTable.classes(CLASSES, reduce_zero_label=True)
# At which images and masks are compared; allowed are the mean difference of a value in levels, and
# the share of the mask's pixels that differ.
SCALE, LEVELS, BORDERS = 0.75, 1.0, 0.1


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


def ours(*, antialias: bool = False, **options: Any) -> Make:
    """Our pipeline, by default with the filter of the others.

    Args:
        antialias: As in `SegmentationTrainTransform`.
        options: Of `SegmentationAugment`.

    Returns:
        Makes an image `(3, H, W)` and its mask `(H, W)`.
    """
    transform = SegmentationTrainTransform(SegmentationAugment(**options), antialias=antialias)

    def make(path: str) -> tuple[Tensor, Tensor | None]:
        mask = mask_of(path)
        labels = TABLE.apply(read_labels(mask), mask)
        return transform.decode(read_file(path), labels, mask)[:2]

    return make


def collate(samples: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """A batch of samples that are smaller than the crop where they were scaled down."""
    images, masks = zip(*samples, strict=True)
    return pad_images(images)[0], pad_masks(masks, (1, 1), IGNORED, torch.int64)


def stack(samples: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """A batch of samples of one size, as albumentations pads them."""
    images, masks = zip(*samples, strict=True)
    return torch.stack(images), torch.stack(masks).long()


def mmseg_side(*, photometric: bool = True, scale: float | None = None) -> Make:
    """The transforms of mmsegmentation, as its configs for ADE20K list them.

    Args:
        photometric: Whether the colours change.
        scale: The only scale, without crop and flips; None for all.

    Returns:
        Makes an image `(3, H, W)` BGR, whose channels its model reverses, and its mask `(H, W)`.
    """
    provide_operators()
    with suppress(
        MissingPackageError
    ):  # mmsegmentation imports it, with its question to the network
        import_albumentations()
    transforms = importlib.import_module("mmseg.datasets.transforms")
    common = importlib.import_module("mmcv.transforms")
    importlib.import_module("cv2").setNumThreads(torch.get_num_threads())
    ratios = (0.5, 2.0) if scale is None else (scale, scale)
    steps = [
        common.LoadImageFromFile(),
        transforms.LoadAnnotations(reduce_zero_label=True),
        common.RandomResize(scale=(2048, 512), ratio_range=ratios, keep_ratio=True),
    ]
    if scale is None:
        steps += [
            transforms.RandomCrop(crop_size=(512, 512), cat_max_ratio=0.75),
            common.RandomFlip(prob=0.5),
        ]
    if photometric:
        steps.append(transforms.PhotoMetricDistortion())
    steps.append(transforms.PackSegInputs())

    def make(path: str) -> tuple[Tensor, Tensor]:
        results: Any = {
            "img_path": path,
            "seg_map_path": mask_of(path),
            "reduce_zero_label": True,
            "seg_fields": [],
        }
        for step in steps:
            results = step(results)
        return results["inputs"], results["data_samples"].gt_sem_seg.data[0]

    return make


def stages(path: str) -> dict[str, Make]:
    """Steps of our pipeline by themselves; geometry and distortion are sampled each time."""
    image, labels = decode_image(read_file(path)), read_labels(mask_of(path))
    mask = TABLE.apply(labels, path)
    augment = SegmentationAugment()
    crop = np.ascontiguousarray(image.permute(1, 2, 0).numpy()[:512, :512])  # (H, W, 3)
    pixels = torch.from_numpy(crop).permute(2, 0, 1)

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
        "distort the colours": lambda path: distort(pixels, SampleRng()),
        "only the hue": lambda path: turn_hue(crop, 10),
    }


def compare_sides(path: str) -> dict[str, float]:
    """Compare what all sides make of a file at one scale.

    Returns:
        The largest difference of a value of the image, as a share of 255, by the name of the peer.

    Raises:
        UnequalSidesError: They differ by more than filter and rounding explain.
    """
    fixed: dict[str, Any] = {"scale": (SCALE, SCALE), "crop": None, "hflip": 0.0}
    image, mask = ours(**fixed, photometric=False)(path)
    sides: dict[str, tuple[Tensor, Tensor]] = {}
    if find_spec("mmseg"):
        bgr, labels = mmseg_side(photometric=False, scale=SCALE)(path)
        sides["mmsegmentation"] = bgr.flip(0), labels
    if find_spec("albumentations"):
        sides["albumentations"] = segmentation_side(mask_of, photometric=False, scale=SCALE)(path)
    found = {}
    for name, (pixels, labels) in sides.items():
        what = f"segmentation input and {name}'s"
        found[name] = compare_pixels(image, pixels, levels=LEVELS, what=what)
        apart = (labels != mask).float().mean().item()
        if not apart <= BORDERS:
            raise UnequalSidesError(
                f"{what}: {apart:.0%} of the pixels of a mask differ, expected {BORDERS:.0%} or "
                "less. The sides do not do the same work, and are not timed."
            )
    return found


def measure_segmentation_input(*, images: int, rounds: int, threads: int = 1) -> Table:
    """Measure our input beside the others, and its steps.

    Args:
        images: JPEG files of 683 x 512 pixels.
        rounds: Measured rounds over all files.
        threads: Threads of PyTorch and of OpenCV.

    Raises:
        UnequalSidesError: What a peer makes differs from ours.
    """
    torch.set_num_threads(threads)
    measured = Measurement("Training input of segmentation")
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images, WIDTH, HEIGHT, QUALITY)
        measured.note(describe_pictures(paths, WIDTH, HEIGHT, QUALITY))
        write_masks(paths)
        apart = compare_sides(paths[0])
        for label, photometric in (("segmentation", True), ("segmentation, no colours", False)):
            sides = {}
            if find_spec("mmseg"):
                mine = ours(photometric=photometric)
                sides["mmsegmentation"] = mine, Side(mmseg_side(photometric=photometric), collate)
            if find_spec("albumentations"):
                mine = ours(photometric=photometric, max_class_share=1.0)
                theirs = segmentation_side(mask_of, photometric=photometric)
                sides["albumentations"] = mine, Side(theirs, stack)
            for name, (mine, peer) in sides.items():
                add_beside(
                    measured,
                    label if name == "mmsegmentation" else f"{label}, any crop",
                    Side(mine, collate),
                    {name: peer},
                    paths,
                    rounds=rounds,
                    differences=apart,
                )
        whole = {"all, antialiased": ours(antialias=True)}
        add_alone(measured, whole | stages(paths[0]), paths, rounds=rounds)
    return measured.table()
