"""Every backbone with the head, and what the task says of images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_models import TINY
from helpers.tiny_panoptic import CLASSES, THINGS, random_batch, tiny_panoptic
from helpers.tiny_task import quiet_trainer
from torch import Tensor

from vision.contracts.panoptic import PanopticBatch
from vision.ops.mask_targets import make_mask_targets
from vision.tasks.panoptic import PanopticSegmentation


def summed(stage: str, terms: dict[str, Tensor], size: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


@pytest.mark.parametrize("family", TINY)
def test_every_backbone_trains_and_predicts(family: str) -> None:
    task = tiny_panoptic(family).train()
    task.log_losses = summed
    task.training_step(random_batch(), 0).backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    task.eval()
    with torch.no_grad():
        outputs = task(torch.randint(0, 256, (2, 3, 65, 97), dtype=torch.uint8))
        assert outputs["class_logits"].shape == (2, 6, CLASSES + 1)
        (prediction, _) = task.run(random_batch((65, 97)))
    assert prediction["mask"].shape == prediction["semantic"].shape == (65, 97)


def test_a_batch_without_objects_reaches_every_parameter() -> None:
    task = tiny_panoptic().train()
    task.log_losses = summed
    loss = task.training_step(random_batch(boxes=0), 0)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())


def test_frozen_parts_get_no_gradient() -> None:
    task = tiny_panoptic(frozen_stages=2).train()
    task.log_losses = summed
    task.training_step(random_batch(), 0).backward()
    without = {name for name, p in task.named_parameters() if p.grad is None}
    assert without == {name for name, p in task.named_parameters() if not p.requires_grad}
    assert any(name.startswith("backbone.stages.1.") for name in without)


def test_the_loss_keeps_nothing_of_all_queries_at_full_size() -> None:
    task, batch = tiny_panoptic().train(), random_batch()
    outputs = task._head(batch["image"])
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    targets = make_mask_targets(batch["mask"], batch["segments"], (16, 24))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        task.criterion(outputs, targets)
    queries = outputs["mask_logits"].shape[1]
    cells = max(queries, task.head.prediction.features.conv.out_channels) * 16 * 24
    assert max(sizes) <= 2 * cells < 2 * queries * 64 * 96


@pytest.fixture
def unlike() -> PanopticBatch:
    """A batch of images of three sizes and two original sizes, padded."""
    sizes = torch.tensor([[65, 97], [48, 66], [65, 97], [41, 40]])
    images = torch.randn(4, 3, 65, 97, generator=torch.Generator().manual_seed(1))
    return {
        "image": images.double(),
        "size": sizes,
        "original_size": sizes * torch.tensor([[2], [1], [2], [3]]),
        "path": [f"{i}.jpg" for i in range(4)],
    }


@pytest.mark.parametrize("canvas", [None, (65, 97)])
def test_predictions_do_not_depend_on_the_batch(
    unlike: PanopticBatch, canvas: tuple[int, int] | None
) -> None:
    options = {"thing_threshold": 0.0, "stuff_threshold": 0.0, "overlap_threshold": 0.0}
    task = tiny_panoptic(merge=options).double().eval()
    # Masks that differ enough to be sure of pixels.
    torch.nn.init.constant_(task.head.prediction.mask_norm.weight, 9.0)
    if canvas is not None:
        unlike["canvas"] = torch.tensor([canvas] * 4)
    with torch.no_grad():
        together = task.run(unlike)
        for i, prediction in enumerate(together):
            height, width = canvas or unlike["size"][i].tolist()
            alone: Any = {key: value[i : i + 1] for key, value in unlike.items()}
            alone["image"] = alone["image"][:, :, :height, :width]
            (again,) = task.run(alone)
            assert torch.equal(again["mask"], prediction["mask"])
            assert torch.equal(again["semantic"], prediction["semantic"])
            assert again["segments"] == prediction["segments"]
            assert list(prediction["mask"].shape) == unlike["original_size"][i].tolist()
    assert any(prediction["segments"] for prediction in together)


def test_a_checkpoint_holds_the_model(tmp_path: Path) -> None:
    task = tiny_panoptic("swin", merge={"mask_exponent": 0.0}, class_names=["a", "b", "c", "d"])
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = PanopticSegmentation.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert (again.class_names, again.things) == (["a", "b", "c", "d"], THINGS)
    assert again.merge == task.merge
    for (name, ours), theirs in zip(
        task.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name
