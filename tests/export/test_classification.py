import torch
from helpers.tiny_task import random_images, tiny_task

from vision.export.classification import ClassificationGraph


@torch.no_grad()
def test_scores_are_the_softmax_of_the_task() -> None:
    task, images = tiny_task().eval(), random_images(2)
    graph = ClassificationGraph(task, logits=True)
    found = graph.named(graph(images))
    torch.testing.assert_close(found["logits"], task(images))
    torch.testing.assert_close(found["scores"], task(images).softmax(dim=1))
    assert graph.axes["scores"] == ("batch", 8)
    assert list(ClassificationGraph(task).axes) == ["scores"]
