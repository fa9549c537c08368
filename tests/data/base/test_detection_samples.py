from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import jpeg, texture
from helpers.refusals import refuses
from pycocotools import mask as coco
from torch.utils.data import DataLoader

from vision.data.base.detection_samples import DetectionSamples
from vision.data.files.finding import PathList
from vision.data.index.detection import DetectionIndex
from vision.data.index.segments import Segments
from vision.data.loading.bad_images import SkippingSamples
from vision.data.loading.collate import BatchOfSamples
from vision.data.loading.collate_detection import collate_detection
from vision.data.loading.sampling import EpochSampler, SeededSamples
from vision.data.transforms.detection import DetectionEvalTransform, DetectionTrainTransform
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.mixing import MixingTrainTransform, make_train_transform
from vision.errors import DataError, ImageError

HEIGHT, WIDTH = 48, 64
BOXES = [(4, 4, 30, 20), (10, 12, 60, 44), (20, 8, 40, 40)]
AUGMENT = DetectionAugment(
    short_sides=(32, 40, 48), crop="detr", crop_sides=(40, 48), crop_size=(30, 40)
)


def rectangle(x1: float, y1: float, x2: float, y2: float) -> list[np.ndarray]:
    return [np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float64)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for i in range(4):
        (root / f"{i}.jpg").write_bytes(jpeg(texture(HEIGHT, WIDTH, seed=i)))
    (root / "broken.jpg").write_bytes((root / "0.jpg").read_bytes()[:300])
    return root


def index_of(folder: Path, names: list[str] | None = None, **changes: Any) -> DetectionIndex:
    """Image 0 has two objects, image 1 none, image 2 one, of run lengths, image 3 a crowd."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
    mask[8:40, 20:40] = 1
    outlines = [rectangle(*BOXES[0]), rectangle(*BOXES[1]), coco.encode(mask), rectangle(*BOXES[0])]
    boxes = np.array([*BOXES, BOXES[0]], dtype=np.float32)
    fields: dict[str, Any] = {
        "folder": folder,
        "paths": PathList(names or [f"{i}.jpg" for i in range(4)]),
        "image_ids": np.array([501, 502, 503, 504]),
        "sizes": np.array([(HEIGHT, WIDTH)] * 4, dtype=np.int32),
        "starts": np.array([0, 2, 2, 3, 4]),
        "boxes": boxes,
        "labels": np.array([1, 0, 1, 0], dtype=np.int32),
        "crowd": np.array([False, False, False, True]),
        "areas": (boxes[:, 2:] - boxes[:, :2]).prod(axis=1),
        "annotation_ids": np.arange(4),
        "segments": Segments.of(outlines),
        "class_names": ("cat", "dog"),
        "category_ids": np.array([3, 9]),
        "has_masks": True,
    }
    return DetectionIndex(**{**fields, **changes})


def test_a_sample_has_the_objects_of_its_image(folder: Path) -> None:
    samples = DetectionSamples(
        index_of(folder), DetectionEvalTransform(short_side=96, long_side=999, masks=True)
    )
    assert len(samples) == 4
    sample = samples[0]
    assert sample["image"].shape == (3, 96, 128)
    assert sample["original_size"].tolist() == [HEIGHT, WIDTH]
    assert sample["image_id"].item() == sample["target"]["image_id"].item() == 501
    assert "path" not in sample
    target = sample["target"]
    assert target["boxes"].tolist() == [[8, 8, 60, 40], [20, 24, 120, 88]]
    assert target["labels"].tolist() == [1, 0]
    assert target["area"].tolist() == [26 * 16 * 4, 50 * 32 * 4]
    assert target["masks"].shape == (2, 96, 128)
    assert target["masks"].sum(dim=(1, 2)).tolist() == [26 * 16 * 4, 50 * 32 * 4]
    of_run_lengths = samples[2]["target"]
    assert of_run_lengths["masks"].sum().item() == 20 * 32 * 4
    assert samples[3]["target"]["iscrowd"].tolist() == [True]


def test_an_image_without_objects(folder: Path) -> None:
    transform = DetectionTrainTransform(DetectionAugment(short_sides=(32,)))
    target = DetectionSamples(index_of(folder), transform)[1]["target"]
    assert target["boxes"].shape == (0, 4)
    assert target["masks"].shape == (0, 32, 43)
    assert target["labels"].shape == target["iscrowd"].shape == target["area"].shape == (0,)


def test_a_dataset_without_outlines_has_no_masks(folder: Path) -> None:
    index = index_of(folder, segments=Segments.empty(4), has_masks=False)
    target = DetectionSamples(index, DetectionTrainTransform(AUGMENT))[0]["target"]
    assert "masks" not in target
    assert len(target["boxes"])


def test_an_example_is_the_file_itself_for_any_transform(folder: Path) -> None:
    samples = DetectionSamples(index_of(folder), DetectionTrainTransform(AUGMENT))
    image, target = samples.example(0)
    plain = DetectionEvalTransform(short_side=HEIGHT, long_side=WIDTH, masks=True)
    expected = DetectionSamples(index_of(folder), plain)[0]
    assert torch.equal(image, expected["image"])
    assert set(target) == set(expected["target"])
    for key, value in target.items():
        assert torch.equal(value, expected["target"][key])
    assert target["boxes"].tolist() == [list(box) for box in BOXES[:2]]
    bare = DetectionSamples(index_of(folder).without_masks(), plain)
    assert "masks" not in bare.example(0)[1]
    assert samples.example(1)[1]["masks"].shape == (0, HEIGHT, WIDTH)


def test_images_to_predict_have_their_path(folder: Path) -> None:
    transform = DetectionEvalTransform(short_side=32)
    sample = DetectionSamples(index_of(folder), transform, targets=False)[0]
    assert sample["path"] == str(folder / "0.jpg")
    assert "target" not in sample


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("absent.jpg", (HEIGHT, WIDTH), ("502", "absent.jpg")),
        ("broken.jpg", (HEIGHT, WIDTH), ("502", "broken.jpg")),
        ("1.jpg", (HEIGHT, 60), ("502", "1.jpg", "48 x 64", "48 x 60")),
    ],
)
def test_a_bad_image_is_named_with_its_id(
    folder: Path, name: str, size: tuple[int, int], message: tuple[str, ...]
) -> None:
    sizes = np.array([(HEIGHT, WIDTH), size, (HEIGHT, WIDTH), (HEIGHT, WIDTH)], dtype=np.int32)
    index = index_of(folder, ["0.jpg", name, "2.jpg", "3.jpg"], sizes=sizes)
    for targets in (True, False):
        samples = DetectionSamples(index, DetectionEvalTransform(short_side=32), targets=targets)
        with refuses(ImageError, *message):
            samples[1]
    skipping = SkippingSamples(samples, maximum=1)
    assert skipping[1]["image_id"].item() == 503
    assert len(skipping[1]["bad_images"]) == 1


def test_a_mask_of_another_size_is_named_with_its_image(folder: Path) -> None:
    mask = coco.encode(np.ones((5, 6), dtype=np.uint8, order="F"))
    segments = Segments.of([rectangle(*BOXES[0]), mask, mask, mask])
    samples = DetectionSamples(
        index_of(folder, segments=segments), DetectionTrainTransform(DetectionAugment())
    )
    with refuses(DataError, "image", "501", "object", "6"):
        samples[0]


def epoch_of(
    folder: Path, augment: DetectionAugment, *, epoch: int, workers: int, seed: int = 0
) -> list[Any]:
    transform = make_train_transform(augment, masks=True, antialias=True)
    samples = DetectionSamples(index_of(folder), transform)
    dataset = SeededSamples(samples, seed=seed)
    sampler = EpochSampler(dataset, seed=seed)
    sampler.set_epoch(epoch)
    loader = DataLoader(
        dataset,
        batch_size=2,
        sampler=sampler,
        num_workers=workers,
        collate_fn=BatchOfSamples(collate_detection),
    )
    return list(loader)


def fingerprint(batches: list[Any]) -> dict[int, tuple[Any, ...]]:
    """What was made of each image, by its index."""
    return {
        int(batch["index"][i]): (
            batch["size"][i].tolist(),
            int(batch["image"][i].sum()),
            batch["target"][i]["boxes"].tolist(),
            int(batch["target"][i]["masks"].sum()),
        )
        for batch in batches
        for i in range(len(batch["index"]))
    }


@pytest.mark.parametrize(
    "augment",
    [
        AUGMENT,
        replace(AUGMENT, mosaic=0.7, mosaic_size=50, mixup=0.5),
        replace(AUGMENT, copy_paste=0.7),
    ],
    ids=["plain", "mosaic and mixup", "copy_paste"],
)
def test_epoch_and_seed_decide_and_workers_do_not(folder: Path, augment: DetectionAugment) -> None:
    first = fingerprint(epoch_of(folder, augment, epoch=0, workers=0))
    assert len(first) == 4
    assert fingerprint(epoch_of(folder, augment, epoch=0, workers=2)) == first
    for other in (
        fingerprint(epoch_of(folder, augment, epoch=1, workers=0)),
        fingerprint(epoch_of(folder, augment, epoch=0, workers=0, seed=1)),
    ):
        assert all(other[i] != first[i] for i in (0, 1, 2, 3))


def test_a_bad_partner_is_named_and_counted_once(folder: Path) -> None:
    """Not the image that it is mixed with: each would count as another bad one."""
    index = index_of(folder, ["0.jpg", "1.jpg", "2.jpg", "broken.jpg"])
    transform = MixingTrainTransform(replace(AUGMENT, mixup=1.0))
    skipping = SkippingSamples(DetectionSamples(index, transform), maximum=1)
    torch.manual_seed(0)
    messages = set()
    for _ in range(10):
        sample = skipping[0]
        assert sample["image_id"].item() in (501, 502, 503)
        messages |= {*sample.get("bad_images", [])}
    assert len(messages) == 1
    (message,) = messages
    assert message.startswith("image id 504: ")
    assert "broken.jpg" in message
