import torch

from vision.contracts.detection3d import Boxes3DSample
from vision.data.loading.collate_boxes3d import collate_boxes3d


def sample(height: int, **more: object) -> Boxes3DSample:
    return {  # type: ignore[return-value]
        "image": torch.full((3, height, 8), height, dtype=torch.uint8),
        "original_size": torch.tensor([40, 100]),
        "path": f"{height}.png",
        "camera": torch.full((3, 4), float(height)),
        "camera_size": torch.tensor([40, 100]),
        **more,
    }


def test_images_are_padded_and_objects_stay_in_lists() -> None:
    targets = [{"labels": torch.arange(n)} for n in (0, 2)]
    batch = collate_boxes3d([sample(5, target=targets[0]), sample(7, target=targets[1])])
    assert batch["image"].shape == (2, 3, 7, 8)
    assert batch["size"].tolist() == [[5, 8], [7, 8]]
    assert not batch["image"][0, :, 5:].any()
    assert batch["camera"][:, 0, 0].tolist() == [5, 7]
    assert batch["camera_size"].tolist() == batch["original_size"].tolist() == 2 * [[40, 100]]
    assert batch["path"] == ["5.png", "7.png"]
    assert batch["target"] is not targets
    assert [len(one["labels"]) for one in batch["target"]] == [0, 2]
    assert "truth" not in batch


def test_what_samples_lack_a_batch_lacks() -> None:
    truth = {"names": ["Van"]}
    assert collate_boxes3d([sample(5, truth=truth)])["truth"] == [truth]
    assert {"target", "truth"}.isdisjoint(collate_boxes3d([sample(5)]))
