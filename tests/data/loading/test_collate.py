import numpy as np
import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from vision.data.loading.collate import collate_images, pad_images
from vision.errors import DataError

SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5)


def random_image(height: int, width: int) -> torch.Tensor:
    return torch.randint(1, 256, (3, height, width), dtype=torch.uint8)


@given(SIZES)
@examples()
def test_images_lie_at_the_top_left_of_zeros(sizes: list[tuple[int, int]]) -> None:
    images = [random_image(*size) for size in sizes]
    batch, size = pad_images(images)
    assert size.dtype == torch.int64
    assert size.tolist() == [list(pair) for pair in sizes]
    assert batch.dtype == torch.uint8
    expected = np.zeros((len(sizes), 3, max(h for h, _ in sizes), max(w for _, w in sizes)))
    for canvas, image in zip(expected, images, strict=True):
        canvas[:, : image.shape[1], : image.shape[2]] = image.numpy()
    np.testing.assert_array_equal(batch.numpy(), expected)


def test_labels_are_stacked_and_paths_listed() -> None:
    labelled = [{"image": random_image(4, 5), "label": torch.tensor(i)} for i in (7, 2)]
    batch = collate_images(labelled)
    assert set(batch) == {"image", "size", "label"}
    assert batch["label"].dtype == torch.int64
    assert batch["label"].tolist() == [7, 2]
    unlabelled = [{"image": random_image(4, 5), "path": name} for name in ("a.png", "b.png")]
    assert collate_images(unlabelled)["path"] == ["a.png", "b.png"]


def test_soft_labels_keep_their_classes() -> None:
    soft = torch.tensor([0.25, 0.75])
    batch = collate_images([{"image": random_image(4, 5), "label": soft}] * 3)
    torch.testing.assert_close(batch["label"], soft.expand(3, 2))


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(4, 5, 3, dtype=torch.uint8),
        torch.zeros(3, 4, 5),
        torch.zeros(4, 5, dtype=torch.uint8),
    ],
    ids=["channels last", "float", "grey"],
)
def test_other_images_are_refused_with_their_shape(image: torch.Tensor) -> None:
    with pytest.raises(DataError) as caught:
        collate_images([{"image": image}])
    assert str(tuple(image.shape)) in str(caught.value)
    assert str(image.dtype) in str(caught.value)
