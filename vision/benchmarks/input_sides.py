"""The training inputs of classification that are compared: ours, timm's and torchvision's.

All make the same training images for ImageNet from the same files: a random crop at 224 pixels with
antialiased bicubic resizing, mirroring and RandAugment (rand-m9-mstd0.5-inc1). timm's side goes on
to normalise and erase, as its loader does without a prefetcher; ours and torchvision's end at
uint8. With `whole`, a side draws nothing: it makes the whole image square, to be compared.
"""

from typing import Any

from PIL import Image

from vision.benchmarks.input_rows import Make
from vision.data.images.read import read_file
from vision.data.transforms.classification import TrainTransform
from vision.data.transforms.options import Augment

SIZE = 224
POLICY = "rand-m9-mstd0.5-inc1"
# A crop of the whole area has the aspect of the files, and so is the whole image.
WHOLE: dict[str, Any] = {"scale": (1.0, 1.0), "ratio": (4 / 3, 4 / 3)}


def ours(*, whole: bool = False, antialias: bool = True, **options: Any) -> Make:
    """Our pipeline.

    Args:
        whole: Whether to draw nothing.
        antialias: As in `TrainTransform`.
        options: Of `Augment`.
    """
    if whole:
        options = {"min_scale": 1.0, "hflip": 0.0}
    transform = TrainTransform(SIZE, Augment(**options), antialias=antialias)
    return lambda path: transform.decode(read_file(path))


def published(*, reduced: bool = True) -> Make:
    """Our pipeline with RandAugment; `reduced` is `Augment.reduced_decode`."""
    return ours(rand_augment=POLICY, reduced_decode=reduced)


def timm_side(*, whole: bool = False) -> Make:
    """Pillow as timm's `ImageDataset` uses it, then its `create_transform`."""
    from timm.data import create_transform

    options: dict[str, Any] = {"auto_augment": POLICY, "re_prob": 0.25, "re_mode": "pixel"}
    if whole:
        options = {**WHOLE, "hflip": 0.0, "color_jitter": None, "mean": (0,) * 3, "std": (1,) * 3}
    transform: Any = create_transform(SIZE, is_training=True, interpolation="bicubic", **options)
    if not whole:
        _fix_posterize(transform.transforms[2])
    return lambda path: transform(Image.open(path).convert("RGB"))


def torchvision_side(*, whole: bool = False) -> Make:
    """`ImageFolder`'s loader, torchvision's crop and flip, and timm's RandAugment."""
    from timm.data.auto_augment import rand_augment_transform
    from torchvision.datasets.folder import pil_loader
    from torchvision.transforms import v2

    options = {"img_mean": (124, 116, 104), "interpolation": Image.Resampling.BICUBIC}
    augment = rand_augment_transform(POLICY, options)
    _fix_posterize(augment)
    crop = v2.RandomResizedCrop(
        SIZE,
        interpolation=v2.InterpolationMode.BICUBIC,
        antialias=True,
        **(WHOLE if whole else {}),
    )
    steps = [crop] if whole else [crop, v2.RandomHorizontalFlip(), augment]
    transform = v2.Compose([*steps, v2.PILToTensor()])
    return lambda path: transform(pil_loader(path))


def _fix_posterize(rand_augment: Any) -> None:
    """Keep one bit where timm asks Pillow for none, which Pillow 13 refuses."""
    for operator in rand_augment.ops:
        if operator.name.startswith("Posterize"):
            argument = operator.level_fn
            operator.level_fn = lambda *given, of=argument: (max(1, of(*given)[0]),)
