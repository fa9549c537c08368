"""A detector through the commands of train.py: what runs write, resume, share and refuse."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from helpers.forked import Forked
from helpers.tiny_coco import CATEGORIES, FIRST_ID, ID_STEP, write_tiny_coco
from helpers.train_runs import (
    assert_same_end,
    contents,
    read_json,
    read_state,
    run_here,
    start_and_end,
    start_in_two,
    succeed,
)
from pycocotools import mask as coco_mask

from vision.cli.commands import evaluate

# Everything random there is: order by aspect, workers, scales, crops, drop path, samples of
# proposals. 5 images, of which 4 have objects, make 3 batches of 2: the one portrait fills its own.
IMAGES = 5
DETECTIONS = 30
CONFIG = f"""
name: run
model:
  class_path: Detection
  init_args:
    backbone: convnext
    backbone_options: {{dims: [8, 8, 16, 16], depths: [1, 1, 1, 1], drop_path_rate: 0.3}}
    detector: mask_rcnn
    neck_options: {{out_channels: 8}}
    head_options:
      channels: 8
      fc_dim: 16
      batch_size_per_image: 32
      score_threshold: 0.0
      max_per_image: {DETECTIONS}
      rpn: {{channels: 8, post_nms_topk_train: 50, post_nms_topk_test: 50}}
    optim: {{lr: 3.0e-3, warmup_steps: 2}}
    ema_decay: 0.9
data:
  class_path: COCO
  init_args:
    root: coco
    cache_dir: null
    short_side: 64
    augment:
      {{short_sides: [48, 64, 80], crop: detr, crop_sides: [64, 80], crop_size: [48, 72]}}
    batch_size: 2
    num_workers: 2
trainer:
  max_epochs: 2
  log_every_n_steps: 1
  accelerator: cpu
  num_sanity_val_steps: 1
threads: 1
checkpoint_every_n_steps: 1
"""
ALONE = ["--data.batch_size", "1", "--data.num_workers", "0"]
TWO = [*ALONE, "--trainer.devices", "2", "--trainer.strategy", "ddp"]
NUMBERS = ["predictions.json", "metrics.json", "categories.csv"]
PICTURES = [
    *("examples.png", "best_0.png", "best_1.png", "worst_0.png", "worst_1.png", "random_0.png"),
]


def command(name: str, *options: str) -> list[str]:
    return [name, "--config", "config.yaml", *options]


KILLED = command("fit", "--runs_dir", "killed")
_RECORD = "{class_path: helpers.rank_record.RankRecord, init_args: {folder: ranks}}"
TOGETHER = [
    command(
        *("fit", "--runs_dir", "together", *TWO, "--data.keep_empty", "true"),
        *("--trainer.max_epochs", "1", "--trainer.callbacks", f"[{_RECORD}]"),
    ),
    command("validate", "--runs_dir", "together", *TWO, "--ckpt_path", "best"),
    command("predict", "--runs_dir", "together", *TWO, "--ckpt_path", "best"),
]


class Others(NamedTuple):
    """Processes that run beside this one."""

    killed: Forked  # by itself, in the middle of its second epoch
    two: Forked


def ids_of(split: str) -> list[int]:
    return [FIRST_ID[split] + ID_STEP * i for i in range(IMAGES)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detection")
    (folder / "config.yaml").write_text(CONFIG)
    write_tiny_coco(folder / "coco", images=IMAGES)
    return folder


@pytest.fixture(scope="module")
def others(folder: Path) -> Iterator[Others]:
    started = Others(
        killed=start_and_end(folder, 4, "SIGKILL", *KILLED), two=start_in_two(folder, *TOGETHER)
    )
    yield started
    for process in started:
        process.wait()


@pytest.fixture(scope="module")
def whole(folder: Path, others: Others) -> Path:
    """The folder of an uninterrupted run."""
    assert run_here(folder, *command("fit")) == 0
    return folder / "runs" / "run" / "version_0"


# ------------------------------------------------------------------------------- what is written


def test_fit_writes_checkpoints_and_the_results_of_the_best_epoch(whole: Path) -> None:
    assert sorted(path.name for path in (whole / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
    ]
    written = contents(whole / "validation")
    assert sorted(written) == sorted(NUMBERS + PICTURES)
    numbers = json.loads(written["metrics.json"])
    assert sorted(numbers) == ["bbox", "categories", "segm"]
    assert max(numbers["bbox"]) > 0
    assert [row["name"] for row in numbers["categories"]] == list(CATEGORIES.values())
    best = read_state(whole, "best")["callbacks"]
    (kept,) = (value for key, value in best.items() if key.startswith("ModelCheckpoint"))
    assert numbers["bbox"][0] == pytest.approx(kept["best_model_score"].item(), rel=1e-6)


def test_validating_the_best_checkpoint_writes_the_same_into_the_folder_of_its_run(
    folder: Path, whole: Path
) -> None:
    before = contents(whole / "validation")
    shutil.rmtree(whole / "validation")
    assert run_here(folder, *command("validate", "--ckpt_path", "best")) == 0
    after = contents(whole / "validation")
    assert sorted(after) == sorted(before)
    for name in NUMBERS:
        assert after[name] == before[name], name


def test_the_tool_gives_the_numbers_of_the_run(folder: Path, whole: Path) -> None:
    words = ["coco", "--json", str(folder / "out.json")]
    words += ["--annotations", str(folder / "coco/annotations/instances_val2017.json")]
    words += ["--predictions", str(whole / "validation/predictions.json")]
    assert evaluate.main(words) == 0
    numbers = read_json(whole / "validation" / "metrics.json")
    del numbers["categories"]
    assert read_json(folder / "out.json") == numbers


# ------------------------------------------------------------------------------------ prediction


@pytest.fixture(scope="module")
def predicted(folder: Path, whole: Path) -> list[dict[str, Any]]:
    assert run_here(folder, *command("predict", "--ckpt_path", "best")) == 0
    return read_json(whole / "predictions.json")


def test_predictions_are_as_the_server_of_test_dev_takes_them(
    folder: Path, predicted: list[dict[str, Any]]
) -> None:
    listed = read_json(folder / "coco/annotations/image_info_test-dev2017.json")
    assert "annotations" not in listed
    sizes = {image["id"]: [image["height"], image["width"]] for image in listed["images"]}
    assert list(dict.fromkeys(one["image_id"] for one in predicted)) == ids_of("test")
    assert {one["category_id"] for one in predicted} <= set(CATEGORIES)
    far = dict.fromkeys(sizes, (0.0, 0.0))
    for one in predicted:
        keys = ["bbox", "category_id", "image_id", "score", "segmentation"]
        assert sorted(one) == keys
        assert 0 <= one["score"] <= 1
        assert one["segmentation"]["size"] == sizes[one["image_id"]]
        assert isinstance(one["segmentation"]["counts"], str)
        x, y, width, height = one["bbox"]
        assert min(x, y, width, height) >= 0
        # Masks lie in their boxes: both are in the same pixels.
        left, top, across, down = coco_mask.toBbox(one["segmentation"]).tolist()
        if across:
            assert left > x - 1
            assert top > y - 1
            assert left + across < x + width + 1
            assert top + down < y + height + 1
        before = far[one["image_id"]]
        far[one["image_id"]] = (max(before[0], y + height), max(before[1], x + width))
    for image_id, (bottom, right) in far.items():
        # The image that the model saw has a short side of 64 of 96 pixels.
        assert (torch.tensor([bottom, right]) <= torch.tensor(sizes[image_id]) + 1e-3).all()
        assert bottom > 0.7 * sizes[image_id][0]
        assert right > 0.7 * sizes[image_id][1]


def test_predictions_go_where_they_are_asked_to(
    folder: Path, predicted: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--ckpt_path", "best", "--output", "new/mine.json", "--data.num_workers", "0"]
    assert run_here(folder, *command("predict", *options)) == 0
    assert read_json(folder / "new" / "mine.json") == predicted
    assert f"{len(predicted)} detections in {IMAGES} images" in capsys.readouterr().out
    options = ["--ckpt_path", "best", "--output", "coco"]
    assert run_here(folder, *command("predict", *options)) == 2
    assert "--output 'coco' is a folder" in capsys.readouterr().err


# --------------------------------------------------------------------------------------- resumed


def test_weights_are_moved_to_the_classes_of_the_data(
    folder: Path, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_tiny_coco(tmp_path / "coco", images=IMAGES)
    other = {"disc": "pebble", "egg": "stone", "pebble": "disc"}
    for split in ("train", "val"):
        path = tmp_path / "coco" / "annotations" / f"instances_{split}2017.json"
        content = json.loads(path.read_text())
        for category in content["categories"]:
            category["name"] = other[category["name"]]
        path.write_text(json.dumps(content))
    best = whole / "checkpoints" / "best.ckpt"
    options = ["--data.root", str(tmp_path / "coco"), "--model.weights", str(best)]
    assert run_here(folder, *command("fit", *options, "--trainer.fast_dev_run", "1")) == 0
    assert "mapped 2 of 3 classes by name: pebble, disc; 1 without a counterpart" in caplog.text


def test_a_killed_run_ends_with_the_same_bits(folder: Path, whole: Path, others: Others) -> None:
    run = folder / "killed" / "run" / "version_0"
    assert others.killed.wait()[0].returncode == -9
    before = read_state(run)
    assert (before["epoch"], before["global_step"]) == (1, 4)
    assert run_here(folder, *KILLED, "--ckpt_path", "last") == 0
    assert_same_end(run, whole, steps=6)
    for name in NUMBERS:
        assert (run / "validation" / name).read_bytes() == (
            whole / "validation" / name
        ).read_bytes(), name


# --------------------------------------------------------------------------------- two processes


@pytest.fixture(scope="module")
def together(folder: Path, others: Others) -> Path:
    """The folder of the run of two processes."""
    assert not any("recommended" in done.stderr for done in succeed(others.two))
    return folder / "together" / "run" / "version_0"


def test_two_processes_measure_what_one_does(folder: Path, together: Path) -> None:
    # A batch is one image, whose padding does not depend on others.
    shutil.copytree(together / "checkpoints", folder / "alone" / "checkpoints")
    path = str(folder / "alone" / "checkpoints" / "best.ckpt")
    assert run_here(folder, *command("validate", "--ckpt_path", path, *ALONE)) == 0
    two, one = (contents(run / "validation") for run in (together, folder / "alone"))
    assert sorted(two) == sorted(one) == sorted(NUMBERS + PICTURES)
    for name in NUMBERS:
        assert two[name] == one[name], name
    assert_each_once(json.loads(two["predictions.json"]), ids_of("val"))


def test_two_processes_predict_each_image_once(together: Path) -> None:
    assert_each_once(read_json(together / "predictions.json"), ids_of("test"))


def assert_each_once(rows: list[dict[str, Any]], ids: list[int]) -> None:
    assert list(dict.fromkeys(row["image_id"] for row in rows)) == ids
    assert len({json.dumps(row) for row in rows}) == len(rows)
    assert max(Counter(row["image_id"] for row in rows).values()) <= DETECTIONS


def test_two_processes_agree_also_where_one_has_no_objects(folder: Path, together: Path) -> None:
    first, second = (
        torch.load(folder / "ranks" / f"rank_{rank}.pt", weights_only=True) for rank in (0, 1)
    )
    assert any(
        min(pair) == 0 < max(pair) for pair in zip(first["objects"], second["objects"], strict=True)
    )
    assert first["state_dict"].keys() == second["state_dict"].keys()
    for name, tensor in first["state_dict"].items():
        assert torch.equal(tensor, second["state_dict"][name]), name
    assert read_state(together)["global_step"] == len(first["objects"]) == 3


# ------------------------------------------------------------------------------------ mistakes

TRAIN = "instances_train2017.json"


def image_name(number: int) -> str:
    return f"{FIRST_ID['train'] + ID_STEP * number:012d}.jpg"


def remove_image(number: int) -> Callable[[Path], None]:
    return lambda root: (root / "train2017" / image_name(number)).unlink()


def cut_off(root: Path) -> None:
    path = root / "annotations" / TRAIN
    path.write_bytes(path.read_bytes()[:3000])


def change_annotation(key: str, value: Any) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / "annotations" / TRAIN
        table = read_json(path)
        table["annotations"][1][key] = value
        path.write_text(json.dumps(table))

    return change


def leave(root: Path) -> None:
    """Change nothing: the mistake is in the options."""


@pytest.fixture
def refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Fit with damaged data or wrong options; returns the message."""

    def refused(damage: Callable[[Path], None], *options: str) -> str:
        shutil.copytree(folder / "coco", tmp_path / "coco")
        (tmp_path / "config.yaml").write_text(CONFIG)
        damage(tmp_path / "coco")
        assert run_here(tmp_path, *command("fit", *options)) == 2
        message = capsys.readouterr().err
        assert message.count("error: ") == 1
        assert "Traceback" not in message
        assert len(message.splitlines()) <= 8
        return message

    return refused


@pytest.mark.parametrize(
    ("damage", "options", "words"),
    [
        pytest.param(
            remove_image(2), [], [image_name(2), str(FIRST_ID["train"] + 2 * ID_STEP)], id="image"
        ),
        pytest.param(
            change_annotation("image_id", 5),
            *([], [TRAIN, "annotation 999983", "image_id 5", "'images'"]),
            id="image id",
        ),
        pytest.param(cut_off, [], [TRAIN, "cut off"], id="truncated"),
        pytest.param(
            change_annotation("category_id", 4),
            *([], [TRAIN, "annotation 999983", "category_id 4", "'categories'"]),
            id="category id",
        ),
        pytest.param(
            change_annotation("bbox", [1.0, float("nan"), 5.0, 5.0]),
            *([], [TRAIN, "annotation 999983", "nan", "expected finite numbers"]),
            id="NaN",
        ),
        pytest.param(
            leave,
            ["--model.detector", "mask_rcn"],
            ["detector='mask_rcn'", "Did you mean 'mask_rcnn'"],
            id="detector",
        ),
        pytest.param(
            leave,
            ["--model.head_options.score_treshold", "0.1"],
            ["head_options.score_treshold", "Did you mean 'score_threshold'"],
            id="head option",
        ),
    ],
)
def test_a_mistake_is_named_before_a_run_begins(
    refused: Callable[..., str],
    tmp_path: Path,
    damage: Callable[[Path], None],
    options: list[str],
    words: list[str],
) -> None:
    message = refused(damage, *options)
    assert message.startswith("error: ")
    for word in words:
        assert word in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_image_that_is_missing_later_on_is_named(
    refused: Callable[..., str], workers: str
) -> None:
    message = refused(remove_image(IMAGES - 1), "--data.num_workers", workers)
    assert image_name(IMAGES - 1) in message
