"""Every backbone with every detector, and the detector in the loops of a trainer."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_detection import SMALL, random_batch, tiny_detector
from helpers.tiny_lvis import write_tiny_lvis
from helpers.tiny_models import TINY
from helpers.tiny_task import quiet_trainer
from pycocotools import coco
from pycocotools.cocoeval import COCOeval

from vision.data.datasets.coco import COCO
from vision.data.datasets.lvis import LVIS
from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError, DataError
from vision.tasks.detection import Detection


@pytest.mark.parametrize("detector", SMALL)
@pytest.mark.parametrize("family", TINY)
def test_every_backbone_trains_and_predicts_with_every_detector(family: str, detector: str) -> None:
    task = tiny_detector(family, detector).train()
    batch = random_batch()
    task.log_losses = lambda stage, terms, size: torch.stack(tuple(terms.values())).sum()
    loss = task.training_step(batch, 0)
    loss.backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    predictions = task.eval()(torch.randint(0, 256, (2, 3, 65, 97), dtype=torch.uint8))
    assert len(predictions) == 2
    for prediction in predictions:
        assert ("masks" in prediction) == ("mask" in detector)
        assert prediction["boxes"].shape == (len(prediction["scores"]), 4)
        if len(prediction["boxes"]):
            assert prediction["boxes"].amin() >= 0
            assert (prediction["boxes"].amax(dim=0) <= torch.tensor([97, 65, 97, 65])).all()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    write_tiny_coco(root)
    return root


def data_of(root: Path, **options: Any) -> COCO:
    small = {"augment": DetectionAugment(short_sides=(64, 80)), "short_side": 64}
    defaults = {"batch_size": 2, "num_workers": 0, "cache_dir": None}
    return COCO(root=root, **{**defaults, **small, **options})


def test_what_validation_logs_is_what_pycocotools_says(dataset: Path, tmp_path: Path) -> None:
    # With a low threshold even a fresh detector finds something.
    task = tiny_detector(head_options={"score_threshold": 0.01})
    data = data_of(dataset)
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.fit(task, datamodule=data)
    logged = trainer.validate(task, datamodule=data, verbose=False)[0]
    results = task.evaluator.results(data.category_ids)
    assert results
    truth = coco.COCO(dataset / "annotations" / "instances_val2017.json")
    for kind, prefix in (("bbox", "box"), ("segm", "mask")):
        judge = COCOeval(truth, truth.loadRes(results), kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
        for place, name in enumerate(("AP", "AP50", "AP75", "AP_small")):
            assert logged[f"val/{prefix}_{name}"] == pytest.approx(judge.stats[place], abs=1e-6)
    assert task.class_names == ["disc", "egg", "pebble"]


class Federated(COCO):
    """Rare categories, every image checked for all of them."""

    evaluation = "lvis"

    def ground_truth(self, stage: Any) -> Any:
        truth = self.index("val").ground_truth()
        present = {(one["image_id"], one["category_id"]) for one in truth["annotations"]}
        for image in truth["images"]:
            numbers = [one["id"] for one in truth["categories"]]
            absent = [number for number in numbers if (image["id"], number) not in present]
            image |= {"neg_category_ids": absent, "not_exhaustive_category_ids": []}
        truth["categories"] = [{**one, "frequency": "r"} for one in truth["categories"]]
        return truth


def test_the_data_chooses_the_rules(dataset: Path, tmp_path: Path) -> None:
    task = tiny_detector(head_options={"score_threshold": 0.01})
    data = data_of(dataset)
    federated = Federated(root=dataset, batch_size=2, num_workers=0, cache_dir=None, short_side=64)
    logged = [
        quiet_trainer(tmp_path).validate(task, datamodule=one, verbose=False)[0]
        for one in (data, federated)
    ]
    # Every image is checked for everything and no detection is beyond the hundredth: it is COCO's.
    for name in ("val/box_AP", "val/mask_AP50"):
        assert logged[0][name] == pytest.approx(logged[1][name], abs=1e-6)
    assert logged[1]["val/box_AP_rare"] == logged[1]["val/box_AP"]
    assert logged[1]["val/mask_AP_common"] == -1
    assert "val/box_AP_rare" not in logged[0]


def test_predictions_do_not_depend_on_the_batch() -> None:
    task = tiny_detector(head_options={"score_threshold": 0.01}).eval()
    images = random_batch(counts=(1, 1, 1))["image"] * 40 + 128
    together = task(images)
    for image, prediction in zip(images, together, strict=True):
        alone = task(image[None])[0]
        assert len(alone["boxes"]) == len(prediction["boxes"]) > 0
        torch.testing.assert_close(alone["scores"], prediction["scores"], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(alone["boxes"], prediction["boxes"], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("detector", SMALL)
@pytest.mark.parametrize("family", ["swin", "rmt", "convnext", "tnt"])
def test_detections_do_not_depend_on_a_larger_image_in_the_batch(
    family: str, detector: str
) -> None:
    task = tiny_detector(family, detector, head_options={"score_threshold": 0.01}).eval()
    sizes = torch.tensor([[50, 90], [120, 160], [64, 96]])
    images = torch.zeros(3, 3, 128, 160)
    generator = torch.Generator().manual_seed(0)
    for image, (height, width) in zip(images, sizes.tolist(), strict=True):
        image[:, :height, :width] = torch.randn(3, height, width, generator=generator)
    batch: Any = {"image": images, "size": sizes}
    with torch.no_grad():
        together = task.run(batch)
        larger = task.run({"image": images[1:2], "size": sizes[1:2]})
        # On the canvas of 64 x 96 both small images are run together.
        small = {"image": images[::2, :, :64, :96], "size": sizes[::2]}
        smaller = task.run(small)
    assert sum(together["count"].tolist()) > 0
    for key, values in together.items():
        for i, (alone, place) in enumerate([(smaller, 0), (larger, 0), (smaller, 1)]):
            count = int(together["count"][i])
            expected, found = alone[key][place], values[i]
            if key != "count":
                expected, found = expected[:count], found[:count]
            assert torch.equal(found, expected), (key, i)


def test_one_batch_is_learnt_by_heart(dataset: Path) -> None:
    task = tiny_detector(backbone_options={**TINY["convnext"][1], "layer_scale": 1.0}).train()
    data = data_of(dataset, augment=DetectionAugment(short_sides=(96,), hflip=0.0))
    data.setup("fit")
    batch = data.collate([data.train_dataset[i] for i in range(2)])
    batch["image"] = task.normalize(batch["image"])
    task.log_losses = lambda stage, terms, size: torch.stack(tuple(terms.values())).sum()
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-3)
    losses = []
    for step in range(25):
        torch.manual_seed(step)
        loss = task.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


def test_a_checkpoint_holds_the_detector(dataset: Path, tmp_path: Path) -> None:
    task, data = tiny_detector(detector="fcos"), data_of(dataset)
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    trainer.fit(task, datamodule=data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = Detection.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert again.class_names == ["disc", "egg", "pebble"]
    for (name, ours), theirs in zip(
        task.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"detector": "mask_rcn"}, ("'mask_rcnn'",)),
        (
            {"head_options": {"score_treshold": 0.1}},
            ("head_options.score_treshold", "score_threshold"),
        ),
        ({"head_options": {"rpn": {"batch_size": 1}}}, ("'batch_size_per_image'",)),
        ({"neck_options": {"channels": 1}}, ("neck_options.channels",)),
        ({"loss_options": {"beta": 1}}, ("loss_options.beta",)),
    ],
)
def test_a_wrong_option_is_named_with_the_right_one(
    options: dict[str, Any], named: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *named):
        Detection("convnext", backbone_options=TINY["convnext"][1], **options)


def test_masks_that_a_mask_branch_needs_are_missed_before_the_first_step(
    dataset: Path, tmp_path: Path
) -> None:
    data, trainer = data_of(dataset, masks=False), quiet_trainer(tmp_path, max_epochs=1)
    with refuses(DataError, "'train'", "detector"):
        trainer.fit(tiny_detector(), datamodule=data)
    assert trainer.global_step == 0
    data.trainer = None
    task = tiny_detector(detector="faster_rcnn")
    quiet_trainer(tmp_path, fast_dev_run=1).validate(task, datamodule=data, verbose=False)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"head_options": {"encoder": "hybird"}}, ("head_options.encoder='hybird'", "'hybrid'")),
        (
            {"head_options": {"design": {"activation": "rel"}}},
            ("head_options.design.activation='rel'", "Did you mean 'relu'"),
        ),
        ({"head_options": {"denoising": {"queries": "x"}}}, ("denoising.queries='x'", "int")),
        ({"neck_options": {"strides": 8}}, ("strides", "got 8", "(4, 8, 16, 32)")),
        ({"neck_options": {"strides": [4, 8]}}, ("neck_options.strides=[4, 8]", "32")),
    ],
)
def test_options_of_query_detectors_that_do_not_fit(
    options: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *parts):
        tiny_detector(detector="dino", **options)


def test_a_federated_loss_weighs_classes_by_their_training_images(tmp_path: Path) -> None:
    options = write_tiny_lvis(tmp_path / "lvis")
    data = LVIS(
        **options, augment=DetectionAugment(short_sides=(64,)), num_workers=0, repeat_threshold=0.9
    )
    contents = json.loads((tmp_path / "lvis/annotations/lvis_v1_train.json").read_text())
    pairs = {(one["image_id"], one["category_id"]) for one in contents["annotations"]}
    counts = [sum(category == wanted for _, category in pairs) for wanted in (3, 7, 90)]
    task = tiny_detector(
        head_options={"classifier": "sigmoid"}, loss_options={"federated_classes": 2}
    )
    quiet_trainer(tmp_path, fast_dev_run=1, limit_val_batches=0).fit(task, datamodule=data)
    torch.testing.assert_close(task.criterion.federated.weights, torch.tensor(counts).sqrt())
    assert len(data.train_dataloader().sampler) > len(data.train_dataset)
    with refuses(ConfigError, "loss_options.classifier='softmax'", "head_options.classifier"):
        tiny_detector(
            head_options={"classifier": "sigmoid"}, loss_options={"classifier": "softmax"}
        )


def test_a_federated_loss_needs_the_numbers_of_images(tmp_path: Path) -> None:
    task = tiny_detector(
        head_options={"classifier": "sigmoid"}, loss_options={"federated_classes": 2}
    )
    loader = torch.utils.data.DataLoader([random_batch()], batch_size=None)
    with refuses(ConfigError, "federated_classes", "class_image_counts", "LVIS"):
        quiet_trainer(tmp_path, fast_dev_run=1, limit_val_batches=0).fit(task, loader)
