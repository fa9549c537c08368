import importlib
import io
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import jpeg, texture
from helpers.properties import examples
from helpers.refusals import refuses
from helpers.tiny_masks import COLORS, class_map, paint
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vision.contracts.segmentation import IGNORED
from vision.data.images.read import EncodedImage, decode_image
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segmentation import (
    SegmentationEvalTransform,
    SegmentationTrainTransform,
    sample_geometry,
    scaled_size,
)
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.data.transforms.varied_masks import is_varied
from vision.errors import ConfigError, ImageError
from vision.mmcv.operators import provide_operators

CROPS = [(512, 512), (640, 640), (512, 1024), (1024, 1024)]


def encoded(pixels: np.ndarray) -> EncodedImage:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return EncodedImage(file.getvalue(), "a.png")


def test_scaled_sizes_are_those_of_mmcv() -> None:
    pytest.importorskip("mmcv")
    geometric = importlib.import_module("mmcv.image.geometric")
    generator = np.random.default_rng(0)
    for _ in range(300):
        height, width = generator.integers(1, 3000, 2).tolist()
        scale = float(generator.uniform(0.5, 2.0))
        # As RandomResize: the scale is cut to whole pixels.
        wanted = (int(2048 * scale), int(512 * scale))
        theirs = geometric.rescale_size((width, height), wanted)
        ours = scaled_size((height, width), 512, 2048, scale)
        assert ours == tuple(max(1, side) for side in theirs[::-1])
    assert scaled_size((300, 200), None, None) == (300, 200)
    assert scaled_size((300, 200), None, None, 0.5) == (150, 100)


@pytest.fixture(scope="module")
def their_crop() -> Any:
    pytest.importorskip("mmseg")
    provide_operators()
    return importlib.import_module("mmseg.datasets.transforms.transforms").RandomCrop


def test_the_limit_on_classes_is_mmsegmentations(
    their_crop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    draws = 0

    def randint(low: int, high: int) -> int:
        nonlocal draws
        draws += 1
        return low

    monkeypatch.setattr(np.random, "randint", randint)
    crop = their_crop((4, 5), cat_max_ratio=0.75)
    accepted = 0
    for case in range(200):
        classes = generator.integers(1, 4)
        shares = generator.dirichlet(np.ones(classes))
        mask = generator.choice(classes, (4, 5), p=shares).astype(np.uint8)
        mask[generator.random((4, 5)) < case % 4 / 3] = IGNORED
        draws = 0
        crop.crop_bbox({"img": mask, "gt_seg_map": mask})
        # Two numbers are drawn for the first window, and two more after each that is refused.
        assert draws in (2, 22)
        assert is_varied(mask, 0.75) == (draws == 2)
        accepted += draws == 2
    assert 50 < accepted < 150


def test_ten_windows_are_looked_at_and_the_next_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("vision.data.transforms.segmentation")
    seen: list[np.ndarray] = []

    def refuse(mask: np.ndarray, share: float) -> bool:
        seen.append(mask)
        return False

    monkeypatch.setattr(module, "is_varied", refuse)
    augment = SegmentationAugment(short_side=None, long_side=None, scale=(1.0, 1.0), crop=(8, 8))
    mask = np.arange(32 * 32).reshape(32, 32) % 255
    geometry = sample_geometry((32, 32), mask, augment, SampleRng())
    assert len(seen) == 10
    assert geometry.size == (8, 8)
    taken = mask[geometry.window.top :][:8, geometry.window.left :][:, :8]
    assert not any(np.array_equal(taken, window) for window in seen)
    # Where there is but one window there is nothing to choose.
    seen.clear()
    whole = SegmentationAugment(short_side=32, long_side=32, scale=(1.0, 1.0), crop=(32, 40))
    sample_geometry((32, 32), mask, whole, SampleRng())
    no_limit = SegmentationAugment(short_side=32, long_side=32, crop=(8, 8), max_class_share=1)
    sample_geometry((32, 32), mask, no_limit, SampleRng())
    assert not seen


def test_windows_come_from_everywhere_and_mostly_show_several_classes() -> None:
    mask = np.zeros((100, 100), dtype=np.uint8)
    mask[:, 50:] = 1
    augment = SegmentationAugment(
        short_side=None, long_side=None, scale=(1.0, 1.0), crop=(20, 20), max_class_share=0.75
    )
    windows = []
    for seed in range(200):
        torch.manual_seed(seed)
        windows.append(sample_geometry((100, 100), mask, augment, SampleRng()).window)
    assert min(window.top for window in windows) < 4
    assert max(window.bottom for window in windows) > 96
    # One try in nine shows less than three quarters of either class; ten are made.
    varied = np.mean([36 <= window.left <= 44 for window in windows])
    assert 1 - varied < (1 - 9 / 81) ** 11 + 0.1


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("size", [(683, 512), (512, 683), (90, 1400)])
def test_the_published_crops(crop: tuple[int, int], size: tuple[int, int]) -> None:
    augment = SegmentationAugment(crop=crop)
    for seed in range(20):
        torch.manual_seed(seed)
        geometry = sample_geometry(size, None, augment, SampleRng())
        window = geometry.window
        assert 0 <= window.top < window.bottom <= size[0]
        assert 0 <= window.left < window.left + window.width <= size[1]
        assert geometry.size <= crop
        assert geometry.size[0] <= crop[0]
        # Both axes are scaled alike, up to the rounding of the window and of the scaled image.
        scales = np.array(geometry.size) / (window.height, window.width)
        slack = 1 + 2 / min(window.height, window.width) + 2 / min(geometry.size)
        assert scales.max() / scales.min() < slack


@given(
    seed=st.integers(0, 10**6),
    height=st.integers(24, 90),
    width=st.integers(24, 90),
    short_side=st.integers(20, 80),
    crop=st.sampled_from([None, (16, 16), (48, 24), (100, 100)]),
)
@examples(40)
def test_image_and_mask_stay_aligned(
    seed: int, height: int, width: int, short_side: int, crop: tuple[int, int] | None
) -> None:
    labels = class_map(seed, size=(height, width))
    augment = SegmentationAugment(
        short_side=short_side, long_side=200, crop=crop, photometric=False, max_class_share=0.9
    )
    torch.manual_seed(seed)
    result = SegmentationTrainTransform(augment).decode(encoded(paint(labels)), labels, "m.png")
    assert result.mask is not None
    assert result.original_size == (height, width)
    assert result.image.dtype == result.mask.dtype == torch.uint8
    assert result.image.shape[1:] == result.mask.shape
    if crop is not None:
        assert result.mask.shape[0] <= crop[0]
        assert result.mask.shape[1] <= crop[1]
    mask = result.mask.numpy()
    assert {*np.unique(mask).tolist()} <= {0, 1, 2, IGNORED}
    # Colours say the class: away from edges they still do. Shrinking blurs over more pixels.
    palette = np.concatenate([COLORS, [(255, 255, 255)]]).astype(int)
    pixels = result.image.permute(1, 2, 0).numpy()[..., None, :].astype(int)
    shown = np.abs(pixels - palette).sum(axis=-1).argmin(axis=-1)
    wanted = np.where(mask == IGNORED, 3, mask)
    inner = inside(wanted, 2)
    assert (shown == wanted)[inner].all()


def inside(labels: np.ndarray, reach: int) -> np.ndarray:
    """Pixels around which all others have the same label."""
    padded = np.pad(labels, reach, mode="edge")
    size = 2 * reach + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return (windows == labels[..., None, None]).all(axis=(2, 3))


@pytest.mark.parametrize("crop", [(64, 64), None])
def test_a_line_is_not_squeezed(crop: tuple[int, int] | None) -> None:
    augment = SegmentationAugment(
        short_side=None, long_side=None, scale=(0.2, 0.2), crop=crop, photometric=False
    )
    torch.manual_seed(0)
    geometry = sample_geometry((386, 1), None, augment, SampleRng())
    assert geometry.scale == (1.0, 1.0)
    assert geometry.size == ((64, 1) if crop else (386, 1))


def test_the_same_random_state_makes_the_same_sample() -> None:
    labels = class_map(3)
    transform = SegmentationTrainTransform(SegmentationAugment(short_side=60, crop=(32, 32)))
    results = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        results.append(transform.decode(encoded(texture(40, 56, seed=0)), labels))
    first, second, third = results
    assert first.mask is not None
    assert second.mask is not None
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.mask, second.mask)
    assert first.image.shape != third.image.shape or not torch.equal(first.image, third.image)


def test_photometric_distortion_leaves_the_mask_alone() -> None:
    labels = class_map(3)
    for scale in (0.5, 1.7):
        options: dict[str, Any] = {
            "short_side": 40,
            "long_side": 200,
            "scale": (scale, scale),
            "crop": None,
        }
        plain, distorted = (
            SegmentationTrainTransform(SegmentationAugment(**options, photometric=on))
            for on in (False, True)
        )
        changed = 0
        for seed in range(6):
            torch.manual_seed(seed)
            one = plain.decode(encoded(paint(labels)), labels)
            torch.manual_seed(seed)
            other = distorted.decode(encoded(paint(labels)), labels)
            assert one.mask is not None
            assert other.mask is not None
            assert torch.equal(one.mask, other.mask)
            changed += not torch.equal(one.image, other.image)
        assert changed >= 4


def test_evaluation_resizes_the_image_alone() -> None:
    labels = class_map(0, size=(30, 50))
    transform = SegmentationEvalTransform(short_side=60, long_side=90)
    result = transform.decode(encoded(paint(labels)), labels, "m.png")
    assert result.image.shape == (3, 54, 90)
    assert result.mask is not None
    np.testing.assert_array_equal(result.mask, labels)
    assert result.original_size == (30, 50)
    assert transform.canvas is None
    untouched = SegmentationEvalTransform(short_side=None, long_side=None)
    plain = untouched.decode(encoded(paint(labels)))
    assert plain.mask is None
    assert torch.equal(plain.image, decode_image(encoded(paint(labels))))
    with refuses(ConfigError, "short_side=5", "long_side=None"):
        SegmentationEvalTransform(short_side=5, long_side=None)


@pytest.mark.parametrize(("short_side", "antialias"), [(77, True), (77, False), (19, False)])
def test_an_enlarged_or_not_antialiased_image_is_that_of_opencv(
    short_side: int, antialias: bool
) -> None:
    cv2 = pytest.importorskip("cv2")
    pixels = texture(45, 60, seed=1)
    options = {"short_side": short_side, "long_side": 300, "antialias": antialias}
    augment = SegmentationAugment(
        short_side=short_side,
        long_side=300,
        scale=(1, 1),
        crop=None,
        hflip=0,
        photometric=False,
    )
    evaluation = SegmentationEvalTransform(**options)
    training = SegmentationTrainTransform(augment, antialias=antialias)
    for transform in (evaluation, training):
        ours = transform.decode(encoded(pixels)).image
        theirs = cv2.resize(pixels, (ours.shape[2], ours.shape[1]), interpolation=cv2.INTER_LINEAR)
        assert ours.shape[1] == short_side
        assert np.abs(theirs.astype(int) - ours.permute(1, 2, 0).numpy()).max() <= 1
    assert evaluation.options == options


def test_a_turned_image_goes_with_a_mask_of_either_frame() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = texture(24, 36, seed=0)
    image = EncodedImage(jpeg(stored, exif=exif), "a.jpg")
    upright = decode_image(image)
    assert upright.shape == (3, 36, 24)
    transform = SegmentationEvalTransform(short_side=None, long_side=None)
    for size in [(36, 24), (24, 36)]:
        result = transform.decode(image, class_map(0, size=size), "m.png")
        assert result.image.shape[1:] == size
        assert result.original_size == size
    plain = decode_image(EncodedImage(jpeg(stored), "a.jpg"))
    assert torch.equal(transform.decode(image, class_map(0, size=(24, 36))).image, plain)


def test_other_sizes_are_named_with_both_files() -> None:
    with refuses(ImageError, "'m.png'", "40 x 57", "'a.png'", "40 x 56", "files"):
        SegmentationEvalTransform().decode(
            encoded(paint(class_map())), class_map(size=(40, 57)), "m.png"
        )
