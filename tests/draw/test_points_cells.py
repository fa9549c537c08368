"""Training batches of points: each cloud by itself, in its colours and its classes."""

import numpy as np
import torch

from vision.contracts.points import IGNORED
from vision.draw.points_cells import train_cells
from vision.draw.train_batches import TrainBatch, draw_train_batch

NAMES = ("floor", "wall", "chair")


def batch_of_clouds() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    counts = torch.tensor([300, 200])
    label = torch.randint(0, 2, (500,), generator=generator)
    label[300:] = IGNORED
    return {
        "coords": 20 * torch.rand(500, 3, generator=generator),
        "colors": torch.randint(0, 100, (500, 3), generator=generator).to(torch.uint8),
        "label": label,
        "counts": counts,
    }


def test_clouds_are_drawn_with_their_classes() -> None:
    palette = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    shown = TrainBatch([], batch_of_clouds(), NAMES, palette)
    cells = train_cells(shown)
    assert [text for _, text in cells] == ["300 voxels, 2 classes", "200 voxels, 0 classes"]
    pictures = [picture for picture, _ in cells]
    assert len({picture.shape for picture in pictures}) == 1
    for color, expected in (((255, 0, 0), [True, False]), ((0, 0, 255), [False, False])):
        wanted = torch.tensor(color, dtype=torch.uint8)[:, None, None]
        assert [bool((p == wanted).all(dim=0).any()) for p in pictures] == expected
    assert draw_train_batch(train_cells, shown) is not None


def test_batches_without_labels_have_no_picture() -> None:
    batch = batch_of_clouds()
    del batch["label"]
    assert draw_train_batch(train_cells, TrainBatch([], batch, NAMES)) is None
