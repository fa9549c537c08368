"""Every backbone with the head, and what the task says of images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from helpers.tiny_panoptic import CLASSES, THINGS, random_batch, tiny_panoptic
from helpers.tiny_segments import write_panoptic
from helpers.tiny_task import quiet_trainer
from torch import Tensor

from vision.contracts.panoptic import PanopticBatch
from vision.data.datasets.coco_panoptic import COCOPanoptic
from vision.errors import ConfigError
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


def test_the_things_of_the_data_are_the_tasks_and_in_its_file(tmp_path: Path) -> None:
    data = COCOPanoptic(
        root=write_panoptic(tmp_path / "data", counts={"train": 1, "val": 3}),
        long_side=65,
        canvas=(65, 65),
        batch_size=2,
        num_workers=0,
    )
    task = tiny_panoptic(things=None, merge={"thing_threshold": 0.0, "stuff_threshold": 0.0})
    torch.nn.init.constant_(task.head.prediction.mask_norm.weight, 9.0)
    trainer = quiet_trainer(tmp_path)
    trainer.validate(task, data, verbose=False)
    logged = {name.removeprefix("val/"): float(x) for name, x in trainer.callback_metrics.items()}
    assert {"PQ", "SQ", "RQ", "PQ_things", "PQ_stuff", "mIoU", "mask_AP"} <= logged.keys()
    assert task.things == [*data.things]
    assert task.panoptic_result is not None
    assert task.panoptic_result.images == 3
    assert logged["PQ"] == pytest.approx(task.panoptic_result.groups()["all"]["PQ"])
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = PanopticSegmentation.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert (loaded.things, loaded.class_names) == (task.things, task.class_names)
    # As `vision predict --config` does: images to predict do not say which classes are things.
    fresh = tiny_panoptic(things=None)
    found = trainer.predict(fresh, data, ckpt_path=tmp_path / "a.ckpt", weights_only=True)
    assert found is not None
    assert fresh.things == task.things
    with refuses(ConfigError, "the task and the checkpoint differ", "which classes are things"):
        trainer.predict(tiny_panoptic(things=[0]), data, ckpt_path=tmp_path / "a.ckpt")


@pytest.mark.parametrize(("mixed", "steps"), [(False, 12), (True, 3)])
def test_one_batch_is_learnt_by_heart(mixed: bool, steps: int) -> None:
    options = {**TINY["convnext"][1], "layer_scale": 1.0}
    task = tiny_panoptic(backbone_options=options, head_options={"drop_path_rate": 0.0}).train()
    task.log_losses = summed
    batch = random_batch()
    # What is seen is the segment.
    batch["image"] = batch["mask"][:, None].expand(-1, 3, -1, -1) / 2.0 - 1
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-2)
    losses = []
    for step in range(steps):
        torch.manual_seed(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = task.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < (0.99 if mixed else 0.85) * losses[0]


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
