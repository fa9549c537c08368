"""Depth and normals: every backbone with every decoder, and the models in the loops of a
trainer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.random_values import random_values
from helpers.tiny_dense import SMALL, TASKS, random_batch, tiny_dense
from helpers.tiny_models import TINY
from helpers.tiny_task import quiet_trainer
from torch import Tensor
from torch.utils.data import DataLoader

from vision.metrics.depth_files import evaluate_depth
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.file_pairs import pair_files
from vision.metrics.normals_files import evaluate_normals

KEYS, DECODERS = [*TASKS], [*SMALL]
# Depth of every family; normals differ in the last layer alone.
CASES = [
    *(("depth", family, decoder) for family in TINY for decoder in DECODERS),
    *(("normals", "convnext", decoder) for decoder in DECODERS),
]


def summed(stage: str, terms: dict[str, Tensor], size: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


@pytest.mark.parametrize(("key", "family", "decoder"), CASES)
def test_every_backbone_trains_and_predicts_with_every_decoder(
    key: str, family: str, decoder: str
) -> None:
    task = tiny_dense(key, decoder, family).train()
    task.log_losses = summed
    task.training_step(random_batch(key), 0).backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    task.eval()
    with torch.no_grad():
        (values, _) = task(torch.randint(0, 256, (2, 3, 65, 97), dtype=torch.uint8))[key]
    assert values.shape == ((65, 97) if key == "depth" else (3, 65, 97))
    if key == "depth":
        assert values.min() >= 1e-3
        assert values.max() <= 10
    else:
        torch.testing.assert_close(values.norm(dim=0), torch.ones(65, 97))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("key", KEYS)
def test_a_batch_without_valid_pixels_has_gradients_of_zero(key: str, decoder: str) -> None:
    task = tiny_dense(key, decoder).train()
    task.log_losses = summed
    batch = random_batch(key)
    batch[key].zero_()
    loss = task.training_step(batch, 0)
    assert loss.item() == 0
    loss.backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("key", KEYS)
def test_predictions_do_not_depend_on_the_batch(key: str, decoder: str) -> None:
    sizes = torch.tensor([[64, 96], [48, 67], [64, 96], [40, 40]])
    batch: Any = {
        "image": torch.randn(4, 3, 64, 96, generator=torch.Generator().manual_seed(1)).double(),
        "size": sizes,
        "original_size": sizes * torch.tensor([[2], [1], [2], [3]]),
        "path": [f"{i}.jpg" for i in range(4)],
    }
    task = tiny_dense(key, decoder).double().eval()
    with torch.no_grad():
        together = task.predict_step(batch, 0)
        for i, prediction in enumerate(together):
            height, width = sizes[i].tolist()
            alone: Any = {name: value[i : i + 1] for name, value in batch.items()}
            alone["image"] = alone["image"][:, :, :height, :width]
            torch.testing.assert_close(task.run(alone)[0][key], prediction[key])
            assert list(prediction[key].shape[-2:]) == batch["original_size"][i].tolist()
            assert prediction["path"] == f"{i}.jpg"


@torch.no_grad()
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("key", KEYS)
def test_with_flip_the_mirrored_image_has_the_mirrored_result(key: str, decoder: str) -> None:
    task = tiny_dense(key, decoder, flip=True).double().eval()
    batch = random_batch(key, (64, 96), valid=((64, 96), (64, 96)))
    batch["image"] = batch["image"].double()
    plain = task.run(batch)[0][key]
    batch["image"] = batch["image"].flip(-1)
    mirrored = task.run(batch)[0][key].flip(-1)
    if key == "normals":
        mirrored[0] *= -1
    torch.testing.assert_close(mirrored, plain)
    task.flip = False
    assert not torch.allclose(task.run(batch)[0][key].flip(-1)[-1:], plain[-1:], atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("key", KEYS)
def test_tiles(key: str) -> None:
    task = tiny_dense(key).eval()
    batch = random_batch(key, (64, 96), valid=((64, 96), (64, 96)))
    whole = torch.stack(
        [one[key] for one in task.run({**batch, "original_size": 2 * batch["size"]})]
    )
    images, original = batch["image"], (128, 192)
    once = task.run_tiled(images, original, tile=(64, 96), overlap=0.5)
    torch.testing.assert_close(once, whole)
    tiles = task.run_tiled(images, original, tile=(48, 48), overlap=0.5)
    assert tiles.shape == whole.shape
    assert not torch.allclose(tiles, whole, atol=1e-6)
    # What one tile alone covers is the tile's own.
    corner = task.values(images[:, :, :48, :48])
    if key == "depth":
        same = task.run_tiled(images, (64, 96), tile=(48, 48), overlap=0.5)
        torch.testing.assert_close(same[:, :16, :20], corner[:, 0, :16, :20])
    else:
        torch.testing.assert_close(tiles.norm(dim=1), torch.ones(2, *original))


OPTIONS: list[dict[str, Any]] = [
    {},
    {"crop": "garg", "scale": "median", "max_depth": 7.0},
    {"scale": "least-squares"},
]


def write(folder: Path, name: str, values: Tensor) -> None:
    folder.mkdir(exist_ok=True)
    array = values.numpy()
    np.save(folder / f"{name}.npy", array if array.ndim == 2 else array.transpose(1, 2, 0))


def evaluated_batch(key: str) -> Any:
    """A batch of two images of one size and of files of two sizes, with padded values."""
    batch = random_batch(key, (64, 96), valid=((64, 96), (64, 96)))
    batch["original_size"] = torch.tensor([[70, 110], [64, 96]])
    batch[key] = random_values(key, 2, (70, 110), seed=3)
    batch[key][..., :5] = 0
    batch[key][1, ..., 64:, :], batch[key][1, ..., 96:] = 0, 0
    return batch


@torch.no_grad()
@pytest.mark.parametrize("evaluation", OPTIONS)
def test_depth_measures_what_the_written_files_have(
    evaluation: dict[str, Any], tmp_path: Path
) -> None:
    task, batch = tiny_dense(evaluation=evaluation).eval(), evaluated_batch("depth")
    found = task.predict_step(batch, 0)
    task.evaluate("val", found, batch)
    for one, truth in zip(found, batch["depth"], strict=True):
        height, width = one["depth"].shape
        name = one["path"].partition(".")[0]
        write(tmp_path / "true", name, truth[:height, :width])
        write(tmp_path / "found", name, one["depth"])
    pairs = pair_files(tmp_path / "true", tmp_path / "found", extensions=(".npy",))
    expected = evaluate_depth(pairs, DepthProtocol(**evaluation))
    result = task.evaluator.compute()
    assert result.scalars() == pytest.approx(expected.scalars(), rel=1e-12)
    assert result.factors() == pytest.approx(expected.factors(), rel=1e-12)
    assert [row["pixels"] for row in result.rows()] == [row["pixels"] for row in expected.rows()]


@torch.no_grad()
def test_normals_measure_what_the_written_files_have(tmp_path: Path) -> None:
    task, batch = tiny_dense("normals").eval(), evaluated_batch("normals")
    found = task.predict_step(batch, 0)
    task.evaluate("val", found, batch)
    for one, truth in zip(found, batch["normals"], strict=True):
        height, width = one["normals"].shape[1:]
        name = one["path"].partition(".")[0]
        write(tmp_path / "true", name, truth[:, :height, :width])
        write(tmp_path / "found", name, one["normals"])
    pairs = pair_files(tmp_path / "true", tmp_path / "found", extensions=(".npy",))
    expected, _ = evaluate_normals(pairs)
    assert task.evaluator.compute().to_json() == pytest.approx(expected.to_json(), rel=1e-12)


@pytest.mark.parametrize(("key", "decoder"), [("depth", "dpt"), ("normals", "polymax")])
def test_one_batch_is_learnt_by_heart(key: str, decoder: str) -> None:
    options = {**TINY["convnext"][1], "layer_scale": 1.0}
    task = tiny_dense(key, decoder, backbone_options=options).train()
    task.log_losses = summed
    batch = random_batch(key, (64, 64), valid=((64, 64), (64, 64)))
    # Left and right, one of them brighter.
    if key == "depth":
        batch[key][..., :32], batch[key][..., 32:] = 2.0, 6.0
    else:
        batch[key][..., :32] = torch.tensor([0.6, 0.0, -0.8])[:, None, None]
        batch[key][..., 32:] = torch.tensor([0.0, -0.6, -0.8])[:, None, None]
    batch["image"][..., 32:] += 1.0
    optimizer = torch.optim.AdamW(task.parameters(), lr=5e-3)
    losses = []
    for step in range(20):
        torch.manual_seed(step)
        loss = task.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.4 * losses[0]


@pytest.mark.parametrize(
    ("key", "metric", "decoder"), [("depth", "abs_rel", "polymax"), ("normals", "mean", "dpt")]
)
def test_a_fit_measures_and_its_checkpoint_holds_the_model(
    key: str, metric: str, decoder: str, tmp_path: Path
) -> None:
    options = {"evaluation": {"crop": "eigen"}, "max_depth": 12.0} if key == "depth" else {}
    task = tiny_dense(key, decoder, flip=True, **options)
    batch = random_batch(key, (64, 64), valid=((64, 64), (64, 64)))
    batch["image"] = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    loader: Any = DataLoader([batch], batch_size=None)  # type: ignore[arg-type]
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.fit(task, loader, loader)
    result = task.depth_result if key == "depth" else task.normals_result
    assert task.monitor == (f"val/{metric}", "min")
    assert trainer.callback_metrics[f"val/{metric}"] == pytest.approx(result.scalars()[metric])
    assert {f"val/{name}" for name in result.scalars()} <= {*trainer.callback_metrics}
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again: Any = TASKS[key].load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert again.readout == task.readout
    assert again.flip
    if key == "depth":
        assert again.evaluator.protocol == DepthProtocol(max_depth=12.0, crop="eigen")
    with torch.no_grad():
        images = batch["image"]
        torch.testing.assert_close(again.eval()(images)[key], task.eval()(images)[key])


def test_other_limits_of_the_evaluation() -> None:
    task = tiny_dense(max_depth=80.0, evaluation={"max_depth": 50.0})
    assert task.criterion.max_depth == task.readout.max_depth == 80.0
    assert task.evaluator.protocol == DepthProtocol(max_depth=50.0)
