"""Training batches of volumes: each patch with its classes, without its padding."""

import torch

from vision.contracts.volumes import IGNORED
from vision.draw.figure import class_color
from vision.draw.train_batches import TrainBatch, draw_train_batch
from vision.draw.volumes_cells import train_cells

NAMES = ("background", "NCR", "ED")


def batch_of_patches() -> dict[str, object]:
    generator = torch.Generator().manual_seed(1)
    volume = torch.randn(3, 2, 16, 16, 16, generator=generator)
    mask = torch.zeros(3, 16, 16, 16, dtype=torch.uint8)
    mask[0, 4:8, 4:8, 4:8] = 2
    mask[0, 5:7, 5:7, 5:7] = 1
    mask[1] = IGNORED
    mask[1, :8] = 0
    size = torch.tensor([[16, 16, 16], [12, 16, 16], [16, 16, 16]])
    affine = torch.diag(torch.tensor([-1.0, -1, 2, 1])).repeat(3, 1, 1)
    return {"volume": volume, "mask": mask, "size": size, "affine": affine}


def test_patches_are_drawn_with_their_share_of_foreground() -> None:
    cells = train_cells(TrainBatch([], batch_of_patches(), NAMES))
    assert [text for _, text in cells] == [
        "2 classes, 1.6% foreground",
        "no foreground",
        "no foreground",
    ]
    pictures = [picture for picture, _ in cells]
    assert len({picture.shape[1] for picture in pictures}) == 1
    # A patch without its padding is narrower: 12 of 16 cells to the left and right.
    assert pictures[1].shape[2] < pictures[0].shape[2] == pictures[2].shape[2]
    for label, expected in ((1, [True, False, False]), (2, [True, False, False])):
        color = torch.tensor(class_color(label), dtype=torch.uint8)[:, None, None]
        found = [bool((picture == color).all(dim=0).any()) for picture in pictures]
        assert found == expected
    assert draw_train_batch(train_cells, TrainBatch([], batch_of_patches(), NAMES)) is not None


def test_batches_without_masks_have_no_picture() -> None:
    batch = batch_of_patches()
    del batch["mask"]
    assert draw_train_batch(train_cells, TrainBatch([], batch, NAMES)) is None
