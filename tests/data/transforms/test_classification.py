import pickle
import threading
from io import BytesIO

import numpy as np
import pytest
import torch
from helpers.pictures import jpeg, texture
from helpers.refusals import refuses
from PIL import ExifTags, Image, ImageOps

from vision.data.images.read import EncodedImage
from vision.data.transforms.classification import EvalTransform, TrainTransform
from vision.data.transforms.crops import Box, resize_crop, sample_crop
from vision.data.transforms.options import Augment
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError, ImageError

POLICY = "rand-m9-mstd0.5-inc1"


def smooth_image(height: int, width: int) -> torch.Tensor:
    rows = torch.linspace(0, 6, height)[:, None]
    columns = torch.linspace(0, 9, width)[None]
    waves = [torch.sin(rows + i) * torch.cos(columns * (1 + i / 3)) for i in range(3)]
    return (torch.stack(waves) * 127 + 128).byte()


def as_pillow(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


@pytest.mark.parametrize(("height", "width"), [(90, 60), (60, 90), (64, 64), (21, 33)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_evaluation_is_pillow_s_resize_and_the_central_crop(
    height: int, width: int, interpolation: str
) -> None:
    image = smooth_image(height, width)
    actual = EvalTransform(28, crop=0.875, interpolation=interpolation)(image)
    # 28 / 0.875 = 32 on the short side, the long side in proportion, rounded down.
    size = [32 * width // min(height, width), 32 * height // min(height, width)]
    resized = as_pillow(image).resize(size, Image.Resampling[interpolation.upper()])
    left, top = round((size[0] - 28) / 2), round((size[1] - 28) / 2)
    expected = np.asarray(resized.crop((left, top, left + 28, top + 28))).astype(int)
    assert actual.dtype == torch.uint8
    assert np.abs(actual.permute(1, 2, 0).numpy() - expected).max() <= 1


@pytest.mark.parametrize("shape", [(1, 50_000), (50_000, 1)])
def test_a_thread_of_pixels_costs_no_gigabytes(shape: tuple[int, int]) -> None:
    image = torch.zeros(3, *shape, dtype=torch.uint8)
    image[:, shape[0] // 2, shape[1] // 2] = 255
    result = EvalTransform(32, crop=1.0, interpolation="bilinear")(image)
    assert result.shape == (3, 32, 32)
    assert result.max() > 200  # the middle is kept


def test_a_training_crop_covers_the_asked_share_of_the_area() -> None:
    # Each pixel tells its own place, so that a crop's corners tell its extent.
    side = 128
    ramp = torch.arange(side, dtype=torch.uint8)
    image = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)] * 2)[:3]
    transform = TrainTransform(64, Augment(min_scale=0.25, hflip=0.0, interpolation="bilinear"))
    shares = []
    for seed in range(60):
        torch.manual_seed(seed)
        crop = transform(image).int()
        assert crop.shape == (3, 64, 64)
        width = (crop[0].max() - crop[0].min() + 1).item()
        height = (crop[1].max() - crop[1].min() + 1).item()
        assert 0.7 < width / height < 1.4
        shares.append(width * height / side**2)
    assert 0.22 < min(shares) < 0.4
    assert max(shares) > 0.8


def test_mirroring_has_its_probability() -> None:
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[..., 4:] = 255
    for hflip, expected in ((0.0, 0), (1.0, 50)):
        transform = TrainTransform(8, Augment(min_scale=1.0, hflip=hflip, interpolation="bilinear"))
        mirrored = sum(bool(transform(image)[0, 0, 0] > 128) for _ in range(50))
        assert mirrored == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 0.0}, ("crop=0.0",)),
        ({"crop": 1.5}, ("crop=1.5",)),
        ({"interpolation": "cubic"}, ("'cubic'", "bilinear")),
        ({"image_size": 0}, ("image_size=0",)),
    ],
)
def test_values_out_of_range_are_named(options: dict, message: tuple[str, ...]) -> None:
    defaults = {"image_size": 8, "interpolation": "bicubic", "crop": 1.0}
    with refuses(ConfigError, *message):
        EvalTransform(**{**defaults, **options})


def test_an_impossible_size_is_named() -> None:
    with pytest.raises(ConfigError, match="image_size=0"):
        TrainTransform(0)


def distance(actual: torch.Tensor, expected: np.ndarray) -> np.ndarray:
    assert actual.dtype == torch.uint8
    return np.abs(actual.permute(1, 2, 0).numpy().astype(int) - expected)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_a_crop_of_a_file_is_that_of_pillow(interpolation: str, subsampling: str) -> None:
    """Decoders agree exactly; of the resize, 1 in 10,000 values may be two levels off."""
    data = jpeg(texture(375, 500), subsampling=subsampling)
    options = {"hflip": 0.0, "interpolation": interpolation, "reduced_decode": False}
    transform = TrainTransform(112, Augment(**options))
    kernel = Image.Resampling[interpolation.upper()]
    differences = []
    for seed in range(12):
        torch.manual_seed(seed)
        top, left, height, width = sample_crop(375, 500, 0.08, SampleRng())
        crop = Image.open(BytesIO(data)).crop((left, top, left + width, top + height))
        # One direction after the other: only Pillow chooses the order by cost.
        resized = crop.resize((112, height), kernel).resize((112, 112), kernel)
        torch.manual_seed(seed)
        differences.append(distance(transform.decode(EncodedImage(data, "a")), np.asarray(resized)))
    difference = np.stack(differences)
    assert difference.max() <= 2
    assert (difference > 1).mean() < 1e-4
    assert difference.mean() < 0.01


def test_the_file_and_its_pixels_give_the_same() -> None:
    data = jpeg(texture(200, 260))
    image = torch.from_numpy(np.asarray(Image.open(BytesIO(data))).transpose(2, 0, 1).copy())
    transform = TrainTransform(48, Augment(rand_augment=POLICY, reduced_decode=False))
    for seed in range(10):
        torch.manual_seed(seed)
        from_file = transform.decode(EncodedImage(data, "a"))
        torch.manual_seed(seed)
        assert torch.equal(from_file, transform(image))


@pytest.mark.parametrize(("size", "reduction"), [(200, 2), (100, 4), (50, 8)])
def test_reduced_decoding_changes_little(size: int, reduction: int) -> None:
    """Below 1.5 levels on average, against a full decode of the crop on the reduction's grid."""
    data = jpeg(texture(600, 800))
    whole = torch.from_numpy(np.array(Image.open(BytesIO(data)))).permute(2, 0, 1)
    transform = TrainTransform(size, Augment(min_scale=0.75, hflip=0.0))
    compared = 0
    for seed in range(8):
        torch.manual_seed(seed)
        box = sample_crop(600, 800, 0.75, SampleRng())
        if not reduction * size <= min(box.height, box.width) < 2 * reduction * size:
            continue
        compared += 1
        on_grid = Box(*(value * reduction for value in box.reduced(reduction)))
        expected = resize_crop(whole, on_grid, size, "bicubic").int()
        torch.manual_seed(seed)
        actual = transform.decode(EncodedImage(data, "a")).int()
        difference = (actual - expected).abs().float()
        assert 0 < difference.mean() < 1.5
        assert max(abs(a - b) for a, b in zip(box, on_grid, strict=True)) <= reduction
    assert compared > 3


def test_small_images_are_decoded_whole() -> None:
    data = EncodedImage(jpeg(texture(120, 120)), "a")
    images = []
    for reduced in (False, True):
        torch.manual_seed(0)
        images.append(TrainTransform(64, Augment(reduced_decode=reduced)).decode(data))
    assert torch.equal(*images)


def test_random_interpolation_takes_either() -> None:
    image = torch.from_numpy(texture(90, 90)).permute(2, 0, 1)
    options = {"hflip": 0.0, "min_scale": 1.0}
    fixed = {}
    for name in ("bicubic", "bilinear"):
        torch.manual_seed(0)
        fixed[name] = TrainTransform(32, Augment(interpolation=name, **options))(image)
    # The whole image is the crop where the ratio of sides comes out at 1.
    transform = TrainTransform(32, Augment(interpolation="random", **options))
    found = []
    for seed in range(60):
        torch.manual_seed(seed)
        result = transform(image).int()
        torch.manual_seed(seed)
        box_only = TrainTransform(32, Augment(interpolation="bicubic", **options))(image).int()
        found.append(torch.equal(result, box_only))
    assert 15 < sum(found) < 45
    assert not torch.equal(*fixed.values())


@pytest.mark.parametrize(
    "options", [{}, {"rand_augment": POLICY}, {"color_jitter": 0.4, "interpolation": "random"}]
)
def test_the_seed_decides(options: dict) -> None:
    data = EncodedImage(jpeg(texture(150, 200)), "a")
    transform = TrainTransform(64, Augment(**options))
    copy = pickle.loads(pickle.dumps(transform))
    results: list[torch.Tensor] = []
    for each in (transform, copy):
        torch.manual_seed(7)
        results.append(torch.stack([each.decode(data) for _ in range(6)]))
    assert torch.equal(*results)
    assert results[0].shape == (6, 3, 64, 64)
    assert results[0].is_contiguous()
    assert len({image.numpy().tobytes() for image in results[0]}) == 6


def test_other_threads_work_too() -> None:
    data = EncodedImage(jpeg(texture(150, 200)), "a")
    transform = TrainTransform(64, Augment(rand_augment=POLICY))
    shapes = []
    threads = [
        threading.Thread(target=lambda: shapes.append(transform.decode(data).shape))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shapes == [(3, 64, 64)] * 4


def test_colour_jitter_stands_beside_rand_augment() -> None:
    image = torch.full((3, 20, 20), 100, dtype=torch.uint8)
    transform = TrainTransform(8, Augment(rand_augment="rand-p0", color_jitter=1.0))
    assert len({transform(image)[0, 0, 0].item() for _ in range(10)}) > 3


def encoded(suffix: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(texture(48, 80)).convert(mode).save(buffer, format=suffix, **options)
    return buffer.getvalue()


def sixteen_bits() -> bytes:
    buffer = BytesIO()
    Image.fromarray(texture(48, 80)[..., 0].astype(np.uint16) * 257).save(buffer, format="PNG")
    return buffer.getvalue()


def animation() -> bytes:
    frames = [Image.new("RGB", (80, 48), colour) for colour in ("red", "blue")]
    buffer = BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


UNUSUAL = {
    "CMYK JPEG": encoded("JPEG", "CMYK"),
    "grey JPEG": encoded("JPEG", "L"),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "palette": encoded("PNG", "P"),
    "16 bits": sixteen_bits(),
    "animation": animation(),
    "webp": encoded("WEBP", lossless=True),
}
WHOLE = {"min_scale": 1.0, "hflip": 0.0}
TRANSFORMS = {
    "training": TrainTransform(24, Augment(**WHOLE)),
    "evaluation": EvalTransform(24, crop=1.0, interpolation="bicubic"),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_files_are_read(name: str, transform: TrainTransform | EvalTransform) -> None:
    image = Image.open(BytesIO(UNUSUAL[name]))
    expected = np.asarray(image.convert("RGB" if not image.mode.startswith("I") else "I"))
    expected = expected / 257 if expected.ndim == 2 else expected.mean(axis=2)
    result = transform.decode(EncodedImage(UNUSUAL[name], "odd"))
    assert result.shape == (3, 24, 24)
    assert abs(result.float().mean() - expected.mean()) < 20  # a crop of it
    assert result.float().std() > 5 or name == "animation"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_files_are_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = jpeg(texture(96, 96), exif=exif)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")
    expected = np.asarray(upright.resize((24, 24), Image.Resampling.BICUBIC))
    evaluation = EvalTransform(24, crop=1.0, interpolation="bicubic")
    assert distance(evaluation.decode(EncodedImage(data, "a")), expected).max() <= 1
    image = torch.from_numpy(np.array(upright)).permute(2, 0, 1)
    for reduced, maximum in ((False, 0), (True, 6)):
        training = TrainTransform(24, Augment(reduced_decode=reduced, **WHOLE))
        torch.manual_seed(0)
        wanted = training(image).permute(1, 2, 0).numpy()
        torch.manual_seed(0)
        assert distance(training.decode(EncodedImage(data, "a")), wanted).mean() <= maximum


def broken_files() -> dict[str, bytes]:
    whole = jpeg(texture(120, 160))
    progressive = jpeg(texture(120, 160), progressive=True)
    places = (2, 20, 200, 400, 700, len(whole) // 2, len(whole) - 2, len(whole) - 1)
    return {
        "empty": b"",
        "no image": b"<html>Not found</html>",
        "zeros": bytes(500),
        **{f"cut at {place}": whole[:place] for place in places},
        **{f"zeros from {place}": whole[:place] + bytes(len(whole) - place) for place in places},
        "progressive, half": progressive[: len(progressive) // 2],
        "png, half": encoded("PNG")[:2000],
    }


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize(("name", "data"), broken_files().items())
def test_a_broken_file_is_named(
    name: str, data: bytes, transform: TrainTransform | EvalTransform
) -> None:
    with pytest.raises(ImageError, match=r"folder/photo\.jpg"):
        transform.decode(EncodedImage(data, "folder/photo.jpg"))


def test_a_damaged_file_reads_or_is_named() -> None:
    whole = jpeg(texture(64, 64))
    generator = np.random.default_rng(0)
    transform = TrainTransform(24)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            damaged[place] = generator.integers(0, 256)
        try:
            assert transform.decode(EncodedImage(bytes(damaged), "a.jpg")).shape == (3, 24, 24)
        except ImageError as error:
            assert "a.jpg" in str(error)  # noqa: PT017 - either outcome is right
