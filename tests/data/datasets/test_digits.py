import os
import time

import pytest
import torch
from helpers.refusals import refuses
from sklearn.datasets import load_digits

from vision.data import Digits
from vision.data.datasets.digits import jitter
from vision.data.formats.digits import split_digits
from vision.errors import ConfigError


@pytest.fixture(scope="module")
def digits() -> Digits:
    data = Digits()
    data.setup("fit")
    return data


def held_out(data: Digits) -> list[int]:
    return data.val_dataset.names.tolist()


def test_the_split_is_fixed_and_stratified(digits: Digits) -> None:
    assert (digits.train_size, len(digits.val_dataset)) == (1437, 360)
    train, val = digits.train_dataset.names.tolist(), held_out(digits)
    assert sorted(train + val) == list(range(1797))
    target = torch.from_numpy(load_digits().target)
    assert torch.equal(digits.train_dataset.labels, target[train])
    assert torch.equal(digits.val_dataset.labels, target[val])
    share = target[val].bincount() / target.bincount()
    assert (share - 0.2).abs().max() < 0.01

    other = Digits(seed=7, image_size=40)
    other.setup("fit")
    assert held_out(other) == val


def test_images_are_the_scaled_up_originals(digits: Digits) -> None:
    sample = digits.val_dataset[5]
    assert sample["image"].shape == (3, 32, 32)
    assert sample["image"].dtype == torch.uint8
    assert torch.equal(sample["image"][0], sample["image"][2])
    # Averaged down again each image is, but for rounding and overshoot, what it was.
    small = torch.nn.functional.avg_pool2d(digits.val_dataset.images.float(), 4) * 16 / 255
    original = torch.from_numpy(load_digits().images[held_out(digits)]).float()
    assert (small - original).abs().mean() < 1
    native = Digits(image_size=8)
    native.setup("fit")
    expected = (original * 255 / 16).round().byte()
    assert torch.equal(native.val_dataset.images, expected)


def test_samples_of_a_stage(digits: Digits) -> None:
    assert digits.class_names == tuple("0123456789")
    assert digits.num_classes == 10
    assert digits.test_dataset is digits.val_dataset
    batch = next(iter(digits.predict_dataloader()))
    assert set(batch) == {"image", "size", "path", "index"}
    assert batch["path"][0] == f"digits/{held_out(digits)[0]:04d}"
    assert torch.equal(batch["image"], next(iter(digits.val_dataloader()))["image"])


def test_training_images_move_and_others_do_not(digits: Digits) -> None:
    still = Digits(augment=False)
    still.setup("fit")
    assert torch.equal(still.train_dataset[3]["image"][0], digits.train_dataset.images[3])
    assert torch.equal(digits.val_dataset[3]["image"], digits.val_dataset[3]["image"])
    assert not torch.equal(digits.train_dataset[3]["image"], digits.train_dataset[3]["image"])


def test_jitter_moves_a_little_and_never_mirrors() -> None:
    side = 64
    image = torch.zeros(side, side, dtype=torch.uint8)
    image[28:36, 12:20] = 255  # a block left of the centre
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    centres = []
    for seed in range(100):
        torch.manual_seed(seed)
        weight = jitter(image).float()
        centre = [(weight * axis).sum() / weight.sum() for axis in (rows, columns)]
        centres.append(torch.stack(centre))
    moves = torch.stack(centres) - torch.tensor([31.5, 15.5])
    # A shift of at most 0.06 * 64 = 3.8 pixels, and 10 degrees at 16 pixels from the centre: 2.8.
    assert moves.abs().max() <= 3.84 + 16 * 0.175 + 0.1
    assert (moves.amin(dim=0) < -2).all()
    assert (moves.amax(dim=0) > 2).all()


def test_an_epoch_takes_less_than_a_second(digits: Digits) -> None:
    loader = digits.train_dataloader()
    begin = os.times().user
    batches = sum(1 for _ in loader)
    assert batches == 1437 // 64
    assert os.times().user - begin < 1


def test_the_images_are_in_memory_before_the_first_epoch() -> None:
    begin = time.process_time()
    Digits().setup("fit")
    assert time.process_time() - begin < 3


def test_images_below_the_native_size_are_refused() -> None:
    with refuses(ConfigError, "image_size=7", "8"):
        Digits(image_size=7)


def test_the_split_is_that_of_the_datamodule(digits: Digits) -> None:
    labels = torch.from_numpy(load_digits().target)
    train, val = split_digits(labels)
    assert torch.equal(train, digits.train_dataset.names)
    assert torch.equal(val, digits.val_dataset.names)
