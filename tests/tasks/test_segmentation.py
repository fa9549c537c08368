"""Every backbone with every model, and the model in the loops of a trainer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_models import TINY
from helpers.tiny_segmentation import CLASSES, SMALL, random_batch, tiny_segmentor
from helpers.tiny_task import quiet_trainer
from torch import Tensor
from torchmetrics.functional.classification import multiclass_jaccard_index

from vision.contracts.segmentation import IGNORED, SegmentationBatch
from vision.tasks.segmentation import Segmentation


def summed(stage: str, terms: dict[str, Tensor], size: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


@pytest.mark.parametrize("segmentor", SMALL)
@pytest.mark.parametrize("family", TINY)
def test_every_backbone_trains_and_predicts_with_every_model(family: str, segmentor: str) -> None:
    task = tiny_segmentor(family, segmentor).train()
    task.log_losses = summed
    task.training_step(random_batch(), 0).backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    task.eval()
    with torch.no_grad():
        logits = task(torch.randint(0, 256, (2, 3, 65, 97), dtype=torch.uint8))["logits"]
        assert logits.shape == (2, CLASSES, 65, 97)
        (prediction, _) = task.run(random_batch((61, 47), valid=((61, 47), (33, 40))))
    assert prediction["mask"].shape == (61, 47)


def test_timm_models_are_backbones_too() -> None:
    task = Segmentation("timm/resnet10t", 3, segmentor="segformer", head_options={"channels": 8})
    assert task.eval()(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))["logits"].shape[1] == 3


@pytest.fixture
def unlike() -> SegmentationBatch:
    """A batch of images of three sizes and two original sizes, padded."""
    sizes = torch.tensor([[64, 96], [48, 64], [64, 96], [40, 40]])
    images = torch.randn(4, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    return {
        "image": images,
        "size": sizes,
        "original_size": sizes * torch.tensor([[2], [1], [2], [3]]),
        "path": [f"{i}.jpg" for i in range(4)],
    }


@pytest.mark.parametrize("mode", ["whole", "slide"])
def test_predictions_do_not_depend_on_the_batch(unlike: SegmentationBatch, mode: str) -> None:
    options = {"mode": mode, "window": (48, 48), "stride": (32, 32)}
    task = tiny_segmentor(inference=options).double().eval()
    unlike["image"] = unlike["image"].double()
    with torch.no_grad():
        together = task.run(unlike)
        for i, prediction in enumerate(together):
            height, width = unlike["size"][i].tolist()
            alone: Any = {key: value[i : i + 1] for key, value in unlike.items()}
            alone["image"] = alone["image"][:, :, :height, :width]
            assert torch.equal(task.run(alone)[0]["mask"], prediction["mask"])
            assert list(prediction["mask"].shape) == unlike["original_size"][i].tolist()


def test_what_is_evaluated_is_what_torchmetrics_says() -> None:
    task = tiny_segmentor().eval()
    batch = random_batch((64, 80))
    with torch.no_grad():
        found = task.run(batch)
    task.evaluate("val", found, batch)
    result = task.evaluator.compute()
    predicted, target = [], []
    for prediction, mask in zip(found, batch["mask"], strict=True):
        height, width = prediction["mask"].shape
        predicted.append(prediction["mask"].flatten())
        target.append(mask[:height, :width].flatten())
    options: dict[str, Any] = {"num_classes": CLASSES, "ignore_index": IGNORED, "average": None}
    iou = multiclass_jaccard_index(torch.cat(predicted), torch.cat(target), **options)
    torch.testing.assert_close(torch.as_tensor(result.iou).float(), iou, rtol=1e-5, atol=1e-7)


def test_one_batch_is_learnt_by_heart() -> None:
    options = {**TINY["convnext"][1], "layer_scale": 1.0}
    task = tiny_segmentor(backbone_options=options).train()
    task.log_losses = summed
    batch = random_batch()
    # Left and right, one of them brighter.
    batch["mask"][:, :, :48], batch["mask"][:, :, 48:] = 1, 2
    batch["image"][..., 48:] += 1.0
    optimizer = torch.optim.AdamW(task.parameters(), lr=5e-3)
    losses = []
    for step in range(30):
        torch.manual_seed(step)
        loss = task.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.4 * losses[0]


def test_the_auxiliary_head_is_not_run_in_evaluation() -> None:
    task = tiny_segmentor().eval()
    assert task.auxiliary is not None
    task.auxiliary.forward = None  # type: ignore[assignment]
    task.run(random_batch((64, 64)))


def test_a_checkpoint_holds_the_model(tmp_path: Path) -> None:
    task = tiny_segmentor("swin", inference={"mode": "slide"}, class_names=["a", "b", "c", "d"])
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = Segmentation.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert again.class_names == ["a", "b", "c", "d"]
    assert again.inference == task.inference
    for (name, ours), theirs in zip(
        task.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name
