import torch

from vision.data.transforms.mixup import blend_objects
from vision.data.transforms.objects import MappedObjects


def one(label: int, *, masks: bool = True) -> MappedObjects:
    return MappedObjects(
        boxes=torch.tensor([[0.0, 0, 2, 1]]),
        labels=torch.tensor([label]),
        crowd=torch.tensor([label > 3]),
        areas=torch.tensor([2.0]),
        masks=torch.tensor([[[label > 3, True]]]) if masks else None,
    )


def test_the_result_is_the_mean_with_the_objects_of_both() -> None:
    first = torch.tensor([[[0, 255]], [[10, 255]], [[3, 0]]], dtype=torch.uint8)
    second = torch.tensor([[[255, 255]], [[20, 254]], [[4, 1]]], dtype=torch.uint8)
    image, objects = blend_objects(first, one(2), second, one(5))
    assert image.dtype == torch.uint8
    assert image.tolist() == [[[128, 255]], [[15, 255]], [[4, 1]]]  # halves are rounded up
    assert objects.labels.tolist() == [2, 5]
    assert objects.crowd.tolist() == [False, True]
    assert objects.masks is not None
    assert objects.masks.tolist() == [[[False, True]], [[True, True]]]
    assert blend_objects(first, one(2, masks=False), second, one(5, masks=False))[1].masks is None
