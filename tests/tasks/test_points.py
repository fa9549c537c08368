"""The segmentation of point clouds: training, points of files, what data and files bring."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_point_task import (
    COUNTS,
    NAMES,
    OPTIONS,
    POINT_COUNTS,
    evaluation_batch,
    tiny_points,
    training_batch,
)
from helpers.tiny_task import quiet_trainer
from lightning.pytorch import LightningDataModule
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from vision.contracts.points import IGNORED
from vision.errors import ConfigError
from vision.metrics.segmentation import SegmentationEvaluator
from vision.ops.point_rotations import rotate_clouds
from vision.tasks.points import PointSegmentation
from vision.weights.names.write import to_naming


def summed(stage: str, terms: dict[str, Tensor], size: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


@pytest.mark.parametrize(
    "options",
    [{}, {"loss_options": {"terms": {"cross_entropy": 1, "lovasz": 1}}, "exchange_yz": True}],
    ids=["plain", "lovasz"],
)
@pytest.mark.parametrize("labelled", [True, False])
def test_every_parameter_is_trained(options: dict[str, Any], labelled: bool) -> None:
    task = tiny_points(**options).train()
    task.log_losses = summed  # type: ignore[method-assign]
    batch = training_batch()
    if not labelled:
        batch["label"].fill_(IGNORED)
    loss = task.training_step(batch, 0)
    loss.backward()
    assert bool(loss) is labelled
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_one_batch_is_learnt_by_heart() -> None:
    task, batch = tiny_points().train(), training_batch()
    task.log_losses = summed  # type: ignore[method-assign]
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-2)
    losses = []
    for step in range(12):
        loss = task.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("votes", [1, 3])
@torch.no_grad()
def test_points_have_the_class_of_their_voxel_and_clouds_do_not_depend_on_the_batch(
    votes: int,
) -> None:
    task, batch = tiny_points(votes=votes).eval(), evaluation_batch()
    together = task.run(batch)
    assert [len(one["label"]) for one in together] == [*POINT_COUNTS]
    first = 0
    for i, (count, points) in enumerate(zip(COUNTS, POINT_COUNTS, strict=True)):
        rows = slice(sum(COUNTS[:i]), sum(COUNTS[: i + 1]))
        voxel_of = batch["voxel_of"][first : first + points] - sum(COUNTS[:i])
        alone: Any = {
            "coords": batch["coords"][rows],
            "colors": batch["colors"][rows],
            "counts": torch.tensor([count]),
            "voxel_of": voxel_of,
            "point_counts": torch.tensor([points]),
        }
        (again,) = task.run(alone)
        torch.testing.assert_close(again["scores"], together[i]["scores"])
        assert torch.equal(again["label"], together[i]["label"])
        by_voxel = torch.full((count,), -1)
        by_voxel[voxel_of] = again["label"]
        assert torch.equal(by_voxel[voxel_of], again["label"])
        first += points
    assert torch.cat([one["label"] for one in together]).unique().numel() > 1


@torch.no_grad()
def test_votes_are_the_mean_of_logits_over_their_sizes() -> None:
    task, batch = tiny_points(votes=2).eval(), evaluation_batch()
    plain = task(batch["coords"], batch["colors"], batch["counts"])
    turned = rotate_clouds(batch["coords"], batch["counts"], 0.5)
    other = task(turned.coords, batch["colors"][turned.rows], turned.counts)[turned.cell_of]
    assert not torch.allclose(plain, other)
    votes = (F.normalize(plain, p=1, dim=1) + F.normalize(other, p=1, dim=1)) / 2
    expected = votes.argmax(dim=1)[batch["voxel_of"]].split(list(POINT_COUNTS))
    for one, label in zip(task.run(batch), expected, strict=True):
        assert torch.equal(one["label"], label)
        assert ((one["scores"] > 1 / 3 - 1e-6) & (one["scores"] <= 1)).all()


@torch.no_grad()
def test_colours_are_pixels_and_axes_may_be_exchanged() -> None:
    task, batch = tiny_points().eval(), training_batch()
    coords, counts = batch["coords"], batch["counts"]
    plain = task(coords, batch["colors"], counts)
    assert torch.equal(plain, task(coords, batch["colors"].float(), counts))
    exchanged = tiny_points(exchange_yz=True).eval()
    torch.testing.assert_close(exchanged(coords[:, [0, 2, 1]], batch["colors"], counts), plain)


class TinyClouds(LightningDataModule):
    """One batch to evaluate, with what the data knows of it."""

    kind = "points"
    class_names = NAMES

    def __init__(self) -> None:
        super().__init__()
        self.preprocessing = {"voxel_size": 0.04}

    def val_dataloader(self) -> Any:
        return DataLoader([evaluation_batch()], batch_size=None)  # type: ignore[arg-type]

    def predict_dataloader(self) -> Any:
        batch = {key: value for key, value in evaluation_batch().items() if key != "label"}
        return DataLoader([batch], batch_size=None)  # type: ignore[arg-type]


def test_numbers_are_those_of_the_predictions_and_a_file_has_the_model(tmp_path: Path) -> None:
    task = tiny_points(class_names=None, votes=2)
    data, trainer = TinyClouds(), quiet_trainer(tmp_path)
    trainer.validate(task, data, verbose=False)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    found = trainer.predict(task, data)
    assert found is not None
    pixels = SegmentationEvaluator(3, boundary=False)
    labels = evaluation_batch()["label"].split(list(POINT_COUNTS))
    for one, target in zip(found[0], labels, strict=True):
        pixels.update(one["label"][None], target[None])
    expected = pixels.compute()
    assert logged["val/mIoU"] == pytest.approx(expected.mIoU)
    assert logged["val/mAcc"] == pytest.approx(expected.mAcc)
    assert logged["val/OA"] == pytest.approx(expected.aAcc)
    assert [(one["room"], one["path"]) for one in found[0]] == [
        ("first", "first.ply"),
        ("second", "second.ply"),
    ]
    assert task.point_result is not None
    assert task.point_result.rooms == ("first", "second")
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = PointSegmentation.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert (loaded.class_names, loaded.votes) == (NAMES, 2)
    assert loaded.preprocessing == data.preprocessing
    for name, value in task.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"backbone": "convnext_tiny", "backbone_options": {}}, ["points", "PointSegmentation"]),
        ({"backbone": torch.nn.Linear(3, 3), "backbone_options": {}}, ["Linear", "swin3d_small"]),
        ({"num_classes": 256}, ["num_classes=256", "from 2 to 255"]),
        ({"compile": True}, ["compile=True", "windows"]),
        ({"votes": 0}, ["votes=0", "from 1 to 360 rotations"]),
        ({"decoder": "swin2d"}, ["decoder='swin2d'", "swin3d"]),
        ({"loss_options": {"terms": {"dice": 1}}}, ["'dice'", "cross_entropy"]),
        ({"head_options": {"upsample": "cubic"}}, ["cubic", "linear_attn"]),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options: dict[str, Any], parts: list[str]) -> None:
    with refuses(ConfigError, *parts):
        tiny_points(**options)


def test_a_model_of_the_authors_is_a_start_for_other_classes(tmp_path: Path) -> None:
    theirs = tiny_points(num_classes=5, class_names=list("abcde"))
    file = tmp_path / "theirs.safetensors"
    save_file(to_naming(theirs, "official"), file)
    ours = tiny_points(weights=str(file))
    expected = theirs.state_dict()
    for name, value in ours.state_dict().items():
        if not name.startswith("head.classifier.3."):
            assert torch.equal(value, expected[name]), name
    same = tiny_points(num_classes=5, class_names=list("abcde"), weights=str(file))
    for name, value in same.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("options", [{}, {"knn_down": False}, {"stem_transformer": False}], ids=str)
def test_gradients_in_half_precision_are_the_same_inside_and_outside_autocast(
    options: dict[str, Any],
) -> None:
    found = []
    for inside in (False, True):
        task = tiny_points(backbone_options={**OPTIONS, **options}).train()
        batch = training_batch()
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = task(batch["coords"], batch["colors"], batch["counts"])
            loss = sum(task.criterion(logits, batch["label"]).values())
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
        found.append([p.grad for p in task.parameters()])
    for one, other in zip(*found, strict=True):
        assert one is not None
        torch.testing.assert_close(one, other, rtol=0.05, atol=1e-3)
