import torch
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import random_images

from vision.export.segmentation import SegmentationGraph


@torch.no_grad()
def test_labels_are_the_highest_logits_of_the_task() -> None:
    task, images = tiny_segmentor().eval(), random_images(1, side=64)[:, :, :50]
    expected = task(images)["logits"]
    (labels,) = SegmentationGraph(task)(images)
    assert labels.shape == (1, 50, 64)
    assert labels.dtype == torch.int64
    assert torch.equal(labels, expected.argmax(dim=1))
    graph = SegmentationGraph(task, logits=True)
    assert torch.equal(graph(images)[0], expected)
    assert graph.axes == {"logits": ("batch", 4, "height", "width")}
