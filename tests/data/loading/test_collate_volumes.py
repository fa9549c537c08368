"""Batches of volumes of different sizes."""

import torch

from vision.contracts.volumes import IGNORED, VolumeSample
from vision.data.loading.collate_volumes import collate_volumes


def sample(*size: int, mask: tuple[int, ...]) -> VolumeSample:
    return {
        "volume": torch.ones(2, *size),
        "affine": torch.eye(4),
        "original_size": torch.tensor(mask),
        "original_affine": torch.eye(4) * 2,
        "subject": f"s{size[0]}",
        "path": f"s{size[0]}.nii.gz",
        "mask": torch.ones(mask, dtype=torch.uint8),
    }


def test_volumes_and_masks_are_padded_at_their_end_each_to_its_own_size() -> None:
    batch = collate_volumes([sample(2, 5, 3, mask=(4, 1, 1)), sample(4, 1, 3, mask=(2, 2, 2))])
    assert batch["volume"].shape == (2, 2, 4, 5, 3)
    assert batch["mask"].shape == (2, 4, 2, 2)
    assert batch["size"].tolist() == [[2, 5, 3], [4, 1, 3]]
    assert batch["original_size"].tolist() == [[4, 1, 1], [2, 2, 2]]
    assert batch["subject"] == ["s2", "s4"]
    for row, (d, h, w) in enumerate(batch["size"].tolist()):
        assert batch["volume"][row, :, :d, :h, :w].all()
        assert batch["volume"][row].sum() == 2 * d * h * w
    for row, (d, h, w) in enumerate(batch["original_size"].tolist()):
        assert (batch["mask"][row, :d, :h, :w] == 1).all()
        assert (batch["mask"][row] == IGNORED).sum() == 16 - d * h * w


def test_without_masks_a_batch_has_none() -> None:
    one = sample(2, 2, 2, mask=(2, 2, 2))
    del one["mask"]
    assert "mask" not in collate_volumes([one, one])
