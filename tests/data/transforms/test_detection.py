import io
import pickle

import numpy as np
import pytest
import torch
from helpers.pictures import jpeg, texture
from helpers.refusals import refuses
from PIL import ExifTags, Image, ImageOps
from torchvision.transforms.v2 import functional as F

from vision.data.images.read import EncodedImage, decode_image
from vision.data.index.detection import Objects
from vision.data.transforms.detection import (
    DetectionEvalTransform,
    DetectionTrainTransform,
    TransformedImage,
    decode_annotated,
)
from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError, DataError, ImageError

BOXES = np.array([[4, 6, 40, 30], [50, 8, 90, 60], [10.0, 40, 10.5, 60]], dtype=np.float32)
OBJECTS = Objects(
    boxes=BOXES,
    labels=np.array([2, 0, 1], dtype=np.int32),
    crowd=np.array([False, True, False]),
    areas=np.array([700, 2080, 10], dtype=np.float32),
    rows=range(3),
)
OUTLINES = [[np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])] for x1, y1, x2, y2 in BOXES]


def picture(height: int = 64, width: int = 96) -> EncodedImage:
    return EncodedImage(jpeg(texture(height, width)), "picture.jpg")


def with_orientation(
    orientation: int, format_: str = "JPEG", size: tuple[int, int] = (48, 64)
) -> EncodedImage:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stream = io.BytesIO()
    Image.fromarray(texture(*size)).save(stream, format_, exif=exif)
    return EncodedImage(stream.getvalue(), "turned.jpg")


def equal(first: TransformedImage, second: TransformedImage) -> bool:
    if first.image.shape != second.image.shape or not torch.equal(first.image, second.image):
        return False
    assert first.objects is not None
    assert second.objects is not None
    return all(torch.equal(a, b) for a, b in zip(first.objects, second.objects, strict=True))


def drawn(transform: DetectionTrainTransform, seed: int) -> TransformedImage:
    torch.manual_seed(seed)
    return transform.decode(picture(), OBJECTS, OUTLINES, size=(64, 96))


def test_evaluation_resizes_the_image_and_keeps_every_object() -> None:
    transform = DetectionEvalTransform(short_side=32, long_side=100)
    result = transform.decode(picture(), OBJECTS, OUTLINES, size=(64, 96))
    expected = F.resize(decode_image(picture()), [32, 48], antialias=True)
    torch.testing.assert_close(result.image, expected)
    assert result.original_size == (64, 96)
    assert result.objects is not None
    assert result.objects.masks is None
    np.testing.assert_allclose(result.objects.boxes.numpy(), BOXES / 2)
    assert result.objects.labels.tolist() == [2, 0, 1]
    assert result.objects.crowd.tolist() == [False, True, False]
    np.testing.assert_allclose(result.objects.areas.numpy(), [175, 520, 2.5])
    with_masks = DetectionEvalTransform(short_side=32, long_side=100, masks=True)
    objects = with_masks.decode(picture(), OBJECTS, OUTLINES).objects
    assert objects is not None
    assert objects.masks is not None
    assert objects.masks.shape == (3, 32, 48)


def test_an_image_to_predict_has_no_objects() -> None:
    assert DetectionEvalTransform(short_side=32).decode(picture()).objects is None


def test_lengths_below_one_pixel_are_refused() -> None:
    with pytest.raises(ConfigError, match="short_side=0"):
        DetectionEvalTransform(short_side=0)
    with pytest.raises(ConfigError, match="long_side=0"):
        DetectionEvalTransform(long_side=0)


def test_training_without_chance_is_the_evaluation() -> None:
    augment = DetectionAugment(short_sides=(32,), long_side=100, hflip=0, min_visible=0)
    evaluation = DetectionEvalTransform(short_side=32, long_side=100, masks=True)
    assert equal(
        DetectionTrainTransform(augment).decode(picture(), OBJECTS, OUTLINES),
        evaluation.decode(picture(), OBJECTS, OUTLINES),
    )


def test_the_seed_alone_decides() -> None:
    augment = DetectionAugment(
        short_sides=(40, 64), crop="detr", crop_sides=(48, 64), crop_size=(30, 50), photometric=0.5
    )
    transform = DetectionTrainTransform(augment)
    results = [drawn(transform, seed) for seed in range(8)]
    assert all(equal(drawn(transform, seed), result) for seed, result in enumerate(results))
    assert not any(equal(results[0], result) for result in results[1:])
    again = pickle.loads(pickle.dumps(transform))
    assert equal(drawn(again, 3), results[3])


def test_masks_are_made_only_if_asked_for() -> None:
    augment = DetectionAugment(short_sides=(64,))
    for masks in (False, True):
        objects = drawn(DetectionTrainTransform(augment, masks=masks), 0).objects
        assert objects is not None
        assert (objects.masks is not None) == masks
        # The last object is half a pixel wide.
        assert sorted(objects.labels.tolist()) == [0, 2]


def test_jitter_always_makes_its_square() -> None:
    augment = DetectionAugment(jitter=(0.1, 2.0), jitter_size=80, fill=(1, 2, 3), hflip=0)
    transform = DetectionTrainTransform(augment)
    widths = []
    for seed in range(12):
        result = drawn(transform, seed)
        assert result.image.shape == (3, 80, 80)
        assert result.objects is not None
        assert result.objects.masks is not None
        assert result.objects.masks.shape[1:] == (80, 80)
        is_fill = (result.image == torch.tensor([1, 2, 3]).view(3, 1, 1)).all(dim=0)
        widths.append(80 - int(is_fill.all(dim=0).sum()))
        assert not result.objects.masks[:, is_fill].any()
    assert min(widths) < 40
    assert max(widths) == 80


@pytest.mark.parametrize(
    "augment",
    [
        DetectionAugment(
            short_sides=(40, 90), crop="detr", crop_sides=(48, 64), crop_size=(25, 50)
        ),
        DetectionAugment(jitter=(0.3, 2.0), jitter_size=100, fill=(0, 0, 0)),
    ],
    ids=["crop", "jitter"],
)
def test_what_is_seen_of_an_object_is_its_mask_and_its_box(augment: DetectionAugment) -> None:
    """White rectangles on black: the object can be read from the pixels of the result."""
    pixels = np.zeros((64, 96, 3), dtype=np.uint8)
    for x1, y1, x2, y2 in BOXES[:2].astype(int):
        pixels[y1:y2, x1:x2] = 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    encoded = EncodedImage(stream.getvalue(), "rectangles.png")
    objects = Objects(*(field[:2] for field in OBJECTS))
    transform = DetectionTrainTransform(augment)
    seen = 0
    for seed in range(20):
        torch.manual_seed(seed)
        image, _, mapped = transform.decode(encoded, objects, OUTLINES[:2])
        assert mapped is not None
        assert mapped.masks is not None
        white = image[0] > 127
        # Pixels half covered may go to either side: those along the outlines.
        outline = sum(image.shape[1:])
        assert (white ^ mapped.masks.any(dim=0)).sum() <= outline
        for box, mask in zip(mapped.boxes, mapped.masks, strict=True):
            seen += 1
            x1, y1, x2, y2 = box.round().int().tolist()
            assert white[y1:y2, x1:x2].float().mean() > 0.85
            assert mask[y1:y2, x1:x2].float().mean() > 0.85
            assert mask.sum() == mask[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1].sum()
    assert seen > 25


@pytest.mark.parametrize("side", [32, 128], ids=["reduced", "enlarged"])
def test_distortion_changes_colours_and_nothing_else(side: int) -> None:
    plain = DetectionAugment(short_sides=(side,), hflip=0.5)
    distorted = DetectionAugment(short_sides=(side,), hflip=0.5, photometric=1)
    changed = 0
    for seed in range(10):
        before = drawn(DetectionTrainTransform(plain), seed)
        after = drawn(DetectionTrainTransform(distorted), seed)
        assert after.image.dtype == torch.uint8
        assert after.image.shape == before.image.shape
        assert before.objects is not None
        assert after.objects is not None
        assert torch.equal(after.objects.boxes, before.objects.boxes)
        changed += not torch.equal(after.image, before.image)
    assert changed >= 8  # of 32 images one is left as it is by all five


def test_training_and_evaluation_resize_without_antialiasing_if_asked_to() -> None:
    cv2 = pytest.importorskip("cv2")
    encoded = picture()
    pixels = decode_image(encoded).permute(1, 2, 0).numpy()
    augment = DetectionAugment(short_sides=(17,), hflip=0.0)
    for antialias in (False, True):
        for transform in (
            DetectionTrainTransform(augment, antialias=antialias),
            DetectionEvalTransform(short_side=17, antialias=antialias),
        ):
            ours = transform.decode(encoded).image
            theirs = cv2.resize(pixels, (ours.shape[2], 17), interpolation=cv2.INTER_LINEAR)
            away = np.abs(theirs.astype(int) - ours.permute(1, 2, 0).numpy()).max()
            assert (away <= 1) is not antialias


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_annotated_size_tells_the_frame(orientation: int, format_: str) -> None:
    encoded = with_orientation(orientation, format_)
    with Image.open(io.BytesIO(encoded.data)) as image:
        stored = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    with Image.open(io.BytesIO(encoded.data)) as image:
        upright = torch.from_numpy(np.array(ImageOps.exif_transpose(image))).permute(2, 0, 1)
    assert torch.equal(decode_annotated(encoded, (0, 0)), upright)
    assert torch.equal(decode_annotated(encoded, tuple(upright.shape[1:])), upright)
    if orientation >= 5 and format_ != "TIFF":  # Pillow turns a TIFF by itself
        assert upright.shape[1:] == (64, 48)
        assert torch.equal(decode_annotated(encoded, (48, 64)), stored)
    elif orientation >= 5:
        assert torch.equal(
            decode_annotated(encoded, (48, 64)), torch.from_numpy(texture(48, 64)).permute(2, 0, 1)
        )


def test_boxes_are_in_the_frame_of_the_annotations() -> None:
    transform = DetectionEvalTransform(short_side=24)
    for size, expected in (((48, 64), (24, 32)), ((64, 48), (32, 24))):
        result = transform.decode(with_orientation(6), OBJECTS, size=size)
        assert result.original_size == size
        assert result.image.shape[1:] == expected


@pytest.mark.parametrize(
    ("orientation", "size", "message"),
    [
        (1, (32, 64), ("'turned.jpg'", "48 x 64", "32 x 64")),
        (1, (64, 48), ("'turned.jpg'", "48 x 64", "64 x 48")),
        (6, (32, 64), ("64 x 48", "upright")),
    ],
)
def test_another_size_than_annotated_is_named(
    orientation: int, size: tuple[int, int], message: tuple[str, ...]
) -> None:
    with refuses(ImageError, *message):
        decode_annotated(with_orientation(orientation), size)


def test_a_broken_file_is_named() -> None:
    broken = EncodedImage(picture().data[:500], "broken.jpg")
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        DetectionTrainTransform(DetectionAugment()).decode(broken, OBJECTS, OUTLINES)


def test_a_mask_of_another_size_is_an_error_of_the_data() -> None:
    from pycocotools import mask as coco

    run_lengths = coco.encode(np.asfortranarray(np.ones((5, 5), dtype=np.uint8)))
    with pytest.raises(DataError, match="5 x 5"):
        DetectionTrainTransform(DetectionAugment()).decode(picture(), OBJECTS, [run_lengths] * 3)
