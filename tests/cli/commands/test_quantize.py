"""Runs of the digits and of a mask folder become int8 models whose accuracy is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_masks import write_mask_folder
from helpers.tiny_predict import tiny_model
from helpers.tiny_volumes import write_brats
from helpers.train_runs import run_here

from vision.cli.commands import quantize
from vision.data.datasets.digits import Digits
from vision.export.onnx import run_onnx
from vision.weights.model_file import write_model

pytest.importorskip("onnxruntime")
DIGITS = """
model:
  class_path: Classification
  init_args:
    backbone: convnext
    backbone_options: {dims: [16, 32, 48, 64], depths: [1, 1, 1, 1]}
    optim: {lr: 4.0e-3, warmup_epochs: 0}
data: {class_path: Digits}
"""
MASKS = """
model:
  class_path: Segmentation
  init_args:
    backbone: convnext
    backbone_options: {dims: [8, 8, 16, 16], depths: [1, 1, 1, 1]}
    segmentor: semantic_fpn
    neck_options: {out_channels: 8}
    head_options: {channels: 8}
    optim: {lr: 3.0e-2, warmup_steps: 0}
data:
  class_path: MaskFolder
  init_args:
    root: masks
    short_side: 64
    long_side: 128
    augment: {short_side: 64, long_side: 128, crop: [64, 64]}
    batch_size: 2
    num_workers: 0
"""
BOXES = """
model:
  class_path: Detection
  init_args:
    backbone: convnext
    backbone_options: {dims: [16, 32, 64, 128], depths: [1, 1, 1, 1], layer_scale: 1.0}
    detector: fcos
    neck_options: {out_channels: 32}
    head_options: {channels: 32, num_convs: 1, num_groups: 4}
    optim: {lr: 5.0e-3, warmup_steps: 0}
data:
  class_path: COCO
  init_args:
    train_annotations: coco/annotations/instances_train2017.json
    train_images: coco/train2017
    # What was learnt by heart is evaluated.
    val_annotations: coco/annotations/instances_train2017.json
    val_images: coco/train2017
    short_side: 96
    long_side: 128
    cache_dir: null
    augment: {short_sides: [96], long_side: 128, hflip: 0}
    batch_size: 2
    num_workers: 0
"""
VOLUMES = """
model:
  class_path: VolumeSegmentation
  init_args:
    backbone: swin_volume
    backbone_options: {dim: 6, depths: [1, 1], num_heads: [1, 1], window_size: 4}
    inference: {window: [16, 16, 16]}
    optim: {lr: 1.0e-2, warmup_epochs: 0}
data:
  class_path: BraTS
  init_args:
    root: brats
    folds: 2
    augment: {patch_size: [16, 16, 16]}
    num_workers: 0
"""
FIT = ["--trainer.accelerator", "cpu", "--trainer.num_sanity_val_steps", "0", "--threads", "1"]


def fit(folder: Path, config: str, epochs: int, *more: str) -> Path:
    """The folder of a run."""
    (folder / "config.yaml").write_text(config)
    options = ["--config", "config.yaml", "--trainer.max_epochs", str(epochs), *FIT, *more]
    assert run_here(folder, "fit", *options) == 0
    return folder / "runs" / "run" / "version_0"


def run(folder: Path, *argv: object) -> int:
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        return quantize.main([str(one) for one in argv])


def facts(path: Path) -> dict[str, Any]:
    return json.loads(path.with_name(f"{path.name}.json").read_text())


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(tmp_path_factory.mktemp("digits"), DIGITS, 2)


def test_digits(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(digits, digits, "--images", 20, "--rounds", 2) == 0
    path = digits / "weights" / f"{digits.parent.name}_{digits.name}_best.int8.onnx"
    written = facts(path)
    accuracy = written["accuracy"]
    assert (accuracy["metric"], accuracy["images"]) == ("top1", 360)
    assert accuracy["float"] == pytest.approx(written["model"]["metrics"]["val/top1"], abs=1e-6)
    assert accuracy["float"] > 0.7
    data = Digits()
    data.setup("validate")
    batch = data.collate([data.val_dataset[i] for i in range(360)])
    found = run_onnx(path, batch["image"])["scores"].argmax(dim=1)
    assert accuracy["int8"] == pytest.approx((found == batch["label"]).float().mean().item())
    assert abs(accuracy["drop"]) < 0.02
    assert written["calibration"]["images"] == 20
    assert written["bytes"] == path.stat().st_size < 0.6 * written["float_bytes"]
    assert written["inputs"][0]["shape"] == ["batch", 3, "height", "width"]
    shown = capsys.readouterr().out
    change = accuracy["int8"] - accuracy["float"]
    assert f"difference {change:+.4f} on 360 images" in shown
    assert "val/top1" not in shown  # of the one batch on the way to the data


def test_too_large_a_drop_is_a_failure(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = ["--images", 4, "--rounds", 1, "--limit", 10, "--calibrate", "val"]
    assert run(digits, digits, *quick, "--max-drop", -2, "--out", "other.onnx") == 1
    assert "error: top1 drops by" in capsys.readouterr().err
    assert facts(digits / "other.onnx")["accuracy"]["images"] == 10


def test_mistakes(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = tmp_path / "deep" / "folder" / "alone.ckpt"
    alone.parent.mkdir(parents=True)
    alone.write_bytes((digits / "checkpoints" / "best.ckpt").read_bytes())
    assert run(tmp_path, alone) == 2
    assert "Give one: --config FILE." in capsys.readouterr().err
    assert run(tmp_path, tmp_path / "absent.ckpt") == 2
    assert run(digits, digits, "--keep-float", "(") == 2
    assert "not a regular expression" in capsys.readouterr().err
    assert run(digits, digits, "--images", "0") == 2
    assert "--images: '0' is not a whole number" in capsys.readouterr().err


def test_masks(tmp_path: Path) -> None:
    write_mask_folder(tmp_path / "masks", counts={"train": 4, "val": 3}, size=(64, 80))
    folder = fit(tmp_path, MASKS, 12, "--trainer.check_val_every_n_epoch", "12")
    path = tmp_path / "masks.onnx"
    assert run(tmp_path, folder, "--out", path, "--rounds", 1, "--max-drop", 0.05) == 0
    written = facts(path)
    accuracy = written["accuracy"]
    assert (accuracy["metric"], accuracy["images"]) == ("mIoU", 3)
    # Images have the size of their files: the same pixels are compared as in the validation.
    assert accuracy["float"] == pytest.approx(written["model"]["metrics"]["val/mIoU"], abs=1e-3)
    assert accuracy["float"] > 0.2
    assert written["calibration"]["images"] == 4
    found = run_onnx(path, torch.zeros(2, 3, 64, 96, dtype=torch.uint8))
    assert found["labels"].shape == (2, 64, 96)


def test_boxes(tmp_path: Path) -> None:
    write_tiny_coco(tmp_path / "coco", images=4, masks=False)
    folder = fit(tmp_path, BOXES, 16, "--trainer.check_val_every_n_epoch", "16")
    path = tmp_path / "boxes.onnx"
    assert run(tmp_path, folder, "--out", path, "--rounds", 1, "--max-drop", 0.1) == 0
    written = facts(path)
    accuracy = written["accuracy"]
    assert (accuracy["metric"], accuracy["images"]) == ("box_AP", 4)
    # On the canvas there is more of the mean colour around the images than in the validation.
    assert accuracy["float"] == pytest.approx(written["model"]["metrics"]["val/box_AP"], abs=0.1)
    assert accuracy["float"] > 0.1
    assert written["nodes"]["int8"] == written["nodes"]["candidates"] > 20
    assert written["inputs"][0]["shape"] == [1, 3, 128, 128]
    found = run_onnx(path, torch.zeros(1, 3, 128, 128, dtype=torch.uint8))
    assert found["boxes"].shape == (1, found["scores"].shape[1], 4)
    small = [folder, "--out", path, "--canvas", 96, 96]
    assert run(tmp_path, *small) == 2


def test_volumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_brats(tmp_path / "brats", subjects=4, shape=(16, 20, 16))
    folder = fit(tmp_path, VOLUMES, 20, "--trainer.check_val_every_n_epoch", "20")
    path = tmp_path / "volumes.onnx"
    assert run(tmp_path, folder, "--out", path, "--rounds", 1, "--max-drop", 0.05) == 0
    written = facts(path)
    accuracy, nodes = written["accuracy"], written["nodes"]
    assert (accuracy["metric"], accuracy["images"]) == ("Dice", 2)
    assert accuracy["float"] == pytest.approx(written["model"]["metrics"]["val/Dice"], abs=1e-3)
    assert accuracy["float"] > 0.4
    assert written["inputs"][0]["shape"] == ["batch", 4, 16, 16, 16]
    assert nodes["int8"] == nodes["candidates"] > 20
    shown = capsys.readouterr().out
    assert "volumes/s" in shown  # of the training
    assert "on 2 volumes" in shown
    # Windows along the diagonal of each of two volumes.
    assert "calibrated on 6 train windows" in shown


def test_a_model_of_points_says_why_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_model("points")
    file = write_model(tmp_path / "m.safetensors", model.task.state_dict(), model.description)
    assert run(tmp_path, file) == 2
    assert "where the points lie" in capsys.readouterr().err
