import torch

from vision.contracts.panoptic import PanopticSample
from vision.contracts.segments import VOID
from vision.data.loading.collate_panoptic import collate_panoptic

INFO = {"id": 5, "category_id": 0, "isthing": True, "iscrowd": False}


def sample(
    size: tuple[int, int], mask: tuple[int, int], canvas: tuple[int, int] | None = None
) -> PanopticSample:
    made: PanopticSample = {
        "image": torch.full((3, *size), 9, dtype=torch.uint8),
        "original_size": torch.tensor(mask),
        "path": "a.jpg",
        "mask": torch.full(mask, 5, dtype=torch.int32),
        "segments": [INFO],
    }
    if canvas is not None:
        made["canvas"] = torch.tensor(canvas)
    return made


def test_images_fill_their_canvas_and_masks_stay_those_of_the_files() -> None:
    batch = collate_panoptic([sample((4, 6), (2, 9), (8, 7)), sample((5, 3), (3, 4), (8, 7))])
    assert batch["image"].shape == (2, 3, 8, 7)
    assert batch["size"].tolist() == [[4, 6], [5, 3]]
    assert batch["canvas"].tolist() == [[8, 7], [8, 7]]
    assert batch["mask"].shape == (2, 3, 9)
    assert batch["mask"].dtype == torch.int32
    assert batch["original_size"].tolist() == [[2, 9], [3, 4]]
    assert (batch["mask"][1, :3, :4] == 5).all()
    assert (batch["mask"] == VOID).sum() == 2 * 27 - 18 - 12
    assert batch["segments"] == [[INFO], [INFO]]


def test_masks_in_training_have_the_size_of_the_padded_images() -> None:
    batch = collate_panoptic([sample((4, 6), (4, 6), (8, 7)), sample((5, 3), (5, 3), (8, 7))])
    assert batch["mask"].shape == (2, 8, 7)
    without = collate_panoptic([sample((4, 6), (4, 6)), sample((5, 3), (5, 3))])
    assert without["image"].shape == (2, 3, 5, 6)
    assert without["mask"].shape == (2, 5, 6)
    assert "canvas" not in without


def test_images_to_predict_have_no_segments() -> None:
    one = sample((4, 6), (4, 6))
    del one["mask"], one["segments"]
    assert {*collate_panoptic([one])} == {"image", "size", "original_size", "path"}
