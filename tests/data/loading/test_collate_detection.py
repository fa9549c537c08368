import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from vision.contracts.detection import PADDED_TO, DetectionSample
from vision.data.loading.collate import BatchOfSamples
from vision.data.loading.collate_detection import collate_detection
from vision.errors import DataError

SIZES = st.lists(st.tuples(st.integers(1, 70), st.integers(1, 70)), min_size=1, max_size=4)


def sample_of(height: int, width: int, image_id: int, count: int, masks: bool) -> DetectionSample:
    number = torch.tensor(image_id)
    sample: DetectionSample = {
        "image": torch.randint(1, 256, (3, height, width), dtype=torch.uint8),
        "original_size": torch.tensor([2 * height, 3 * width]),
        "image_id": number,
        "target": {
            "boxes": torch.rand(count, 4),
            "labels": torch.arange(count),
            "iscrowd": torch.zeros(count, dtype=torch.bool),
            "area": torch.rand(count),
            "image_id": number,
        },
    }
    if masks:
        sample["target"]["masks"] = torch.rand(count, height, width) < 0.5
    return sample


@given(SIZES, st.booleans())
@examples(40)
def test_images_and_masks_lie_on_one_canvas(sizes: list[tuple[int, int]], masks: bool) -> None:
    samples = [
        sample_of(*size, image_id=7 + i, count=i, masks=masks) for i, size in enumerate(sizes)
    ]
    batch = collate_detection(samples)
    height, width = batch["image"].shape[2:]
    for side, own in ((height, [h for h, _ in sizes]), (width, [w for _, w in sizes])):
        assert side % PADDED_TO == 0
        assert max(own) <= side < max(own) + PADDED_TO
    assert batch["size"].tolist() == [list(size) for size in sizes]
    assert batch["original_size"].tolist() == [[2 * h, 3 * w] for h, w in sizes]
    assert batch["image_id"].tolist() == list(range(7, 7 + len(sizes)))
    assert batch["image"].dtype == torch.uint8
    assert "path" not in batch
    for i, (sample, (h, w)) in enumerate(zip(samples, sizes, strict=True)):
        assert torch.equal(batch["image"][i, :, :h, :w], sample["image"])
        assert batch["image"][i].count_nonzero() == sample["image"].numel()
        target = batch["target"][i]
        for key in ("boxes", "labels", "iscrowd", "area", "image_id"):
            assert torch.equal(target[key], sample["target"][key])
        assert ("masks" in target) == masks
        if masks:
            assert target["masks"].shape == (i, height, width)
            assert target["masks"].dtype == torch.bool
            assert torch.equal(target["masks"][:, :h, :w], sample["target"]["masks"])
            assert target["masks"].sum() == sample["target"]["masks"].sum()


def test_images_to_predict_keep_their_paths() -> None:
    samples: list[DetectionSample] = []
    for name in ("a.png", "b.png"):
        sample = sample_of(40, 50, 1, 0, masks=False)
        del sample["target"]
        samples.append({**sample, "path": name})
    batch = collate_detection(samples)
    assert batch["path"] == ["a.png", "b.png"]
    assert "target" not in batch
    assert batch["image"].shape == (2, 3, 64, 64)


def test_the_keys_of_every_dataset_pass_through() -> None:
    samples = [{**sample_of(40, 50, i, 2, masks=True), "index": 10 + i} for i in range(2)]
    samples[1]["bad_images"] = ["image 'c.png' is empty"]
    batch = BatchOfSamples(collate_detection)(samples)
    assert batch["index"].tolist() == [10, 11]
    assert batch["bad_images"] == ["image 'c.png' is empty"]
    assert len(batch["target"]) == 2


def test_other_images_are_refused() -> None:
    sample = sample_of(4, 5, 0, 0, masks=False)
    sample["image"] = sample["image"].float()
    with pytest.raises(DataError, match=r"torch\.float32"):
        collate_detection([sample])
