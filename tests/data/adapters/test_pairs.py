import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.refusals import refuses
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from vision.data.adapters.pairs import Pairs, to_image, to_label
from vision.errors import ConfigError, DataError, ImageError

ARRAY = texture(12, 15)
TENSOR = torch.from_numpy(ARRAY).permute(2, 0, 1)
IMAGE = Image.fromarray(ARRAY)


@pytest.mark.parametrize(
    "value",
    [
        IMAGE,
        ARRAY,
        TENSOR,
        tv_tensors.Image(TENSOR),
        F.to_dtype(F.to_image(IMAGE), torch.float32, scale=True),  # as ToTensor
    ],
)
def test_every_form_of_an_image(value: object) -> None:
    image = to_image(value)
    assert type(image) is torch.Tensor
    torch.testing.assert_close(image, TENSOR)


@pytest.mark.parametrize("value", [TENSOR[:1], TENSOR[0], ARRAY[..., 0], IMAGE.getchannel("R")])
def test_grey_becomes_three_channels(value: object) -> None:
    torch.testing.assert_close(to_image(value), TENSOR[:1].expand(3, -1, -1))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (TENSOR.float(), ("0..1", "Normalize")),
        ((TENSOR / 255 - 0.5) * 4, ("0..1", "normalises")),
        (TENSOR.long(), ("int64", "uint8")),
        (TENSOR.permute(1, 2, 0), ("(12, 15, 3)",)),
        ("a.jpg", ("str", "PIL image")),
    ],
)
def test_what_is_no_image_is_refused(value: object, says: tuple[str, ...]) -> None:
    with refuses(ImageError, *says):
        to_image(value)


class Broken:
    """Fails at some samples."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> object:
        if index == 1:
            raise OSError("the file is cut off")
        if index == 2:
            return {"image": IMAGE, "label": 0}
        if index == 3:
            return IMAGE, 1, 2
        if index == 4:
            return [][index]
        return "a.jpg", 0


def test_errors_name_the_sample() -> None:
    pairs = Pairs(Broken(), "training set")
    with refuses(ImageError, "sample 0 of the training set", "str"):
        pairs.read(0)
    with refuses(ImageError, "sample 1 of the training set", "cut off"):
        pairs.read(1)
    with refuses(DataError, "sample 2 of the training set", "dict with 'image', 'label'", "pair"):
        pairs.read(2)
    with refuses(DataError, "sample 3 of the training set", "tuple of 3"):
        pairs.read(3)
    with pytest.raises(IndexError) as caught:
        pairs.read(4)
    assert caught.value.__notes__ == ["while reading sample 4 of the training set"]


def test_a_dataset_has_a_length_and_items() -> None:
    with refuses(ConfigError, "the training set is a generator", "(image, target)"):
        Pairs((pair for pair in []), "training set")


@pytest.mark.parametrize("value", [2, np.int64(2), torch.tensor(2), torch.tensor([2]), np.array(2)])
def test_every_form_of_a_label(value: object) -> None:
    label = to_label(value, 3, "sample 7")
    assert (label, type(label)) == (2, int)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (3, ("label 3", "0 to 2", "subtract 1")),
        (-1, ("label -1", "0 to 2", "classes=[...]")),
        (9, ("label 9", "classes=[...]")),
        (1.0, ("label 1.0", "class index")),
        ("cat", ("'cat'",)),
        (True, ("True",)),
        (torch.tensor([0, 1]), ("tensor([0, 1])",)),
    ],
)
def test_what_is_no_label_is_refused(value: object, says: tuple[str, ...]) -> None:
    with refuses(DataError, "sample 7", *says):
        to_label(value, 3, "sample 7")
