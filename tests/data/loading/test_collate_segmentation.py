import torch
from helpers.refusals import refuses

from vision.contracts.segmentation import IGNORED
from vision.data.loading.collate import BatchOfSamples
from vision.data.loading.collate_segmentation import CanvasSample, collate_segmentation
from vision.errors import DataError


def sample(
    size: tuple[int, int], mask: tuple[int, int] | None, fill: int, path: str = "a.jpg"
) -> CanvasSample:
    made: CanvasSample = {
        "image": torch.full((3, *size), fill, dtype=torch.uint8),
        "original_size": torch.tensor(mask or size),
        "path": path,
    }
    if mask is not None:
        made["mask"] = torch.full(mask, fill, dtype=torch.uint8)
    return made


def test_images_and_masks_are_padded_by_themselves() -> None:
    batch = collate_segmentation([sample((4, 6), (2, 9), 7), sample((5, 3), (8, 3), 9, "b.jpg")])
    assert batch["image"].shape == (2, 3, 5, 6)
    assert batch["image"].dtype == torch.uint8
    assert batch["mask"].shape == (2, 8, 9)
    assert batch["mask"].dtype == torch.int64
    assert batch["size"].tolist() == [[4, 6], [5, 3]]
    assert batch["original_size"].tolist() == [[2, 9], [8, 3]]
    assert batch["path"] == ["a.jpg", "b.jpg"]
    for place, (height, width) in enumerate([(2, 9), (8, 3)]):
        inside = batch["mask"][place, :height, :width]
        assert (inside == [7, 9][place]).all()
        assert (batch["mask"][place] == IGNORED).sum() == 8 * 9 - height * width
    assert batch["image"][0, :, 4:].sum() == batch["image"][1, :, :, 3:].sum() == 0


def test_a_canvas_is_the_least_size() -> None:
    samples = [sample((4, 6), (4, 6), 7), sample((5, 3), (5, 3), 9)]
    for one in samples:
        one["canvas"] = (8, 6)
    batch = collate_segmentation(samples)
    assert batch["image"].shape == (2, 3, 8, 6)
    assert batch["mask"].shape == (2, 8, 6)
    assert (batch["mask"][:, 5:] == IGNORED).all()
    assert batch["image"][:, :, 5:].sum() == 0
    assert "canvas" not in batch


def test_images_to_predict_have_no_masks() -> None:
    batch = BatchOfSamples(collate_segmentation)([{**sample((2, 2), None, 1), "index": 5}])
    assert {*batch} == {"image", "size", "original_size", "path", "index"}
    assert batch["index"].tolist() == [5]


def test_other_images_are_refused() -> None:
    with refuses(DataError, "sample", "torch.float32"):
        collate_segmentation([{**sample((2, 2), None, 1), "image": torch.zeros(3, 2, 2)}])
