"""What every task inherits: construction, weights, checkpoints, resuming, compilation."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.graphs import CountingCompiler
from helpers.refusals import refuses
from helpers.tiny_task import (
    TINY_CONVNEXT,
    TinyData,
    quiet_trainer,
    random_images,
    random_labels,
    tiny_task,
)
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn

from vision import create_backbone
from vision.backbones.encoder import MemoryMode
from vision.contracts.features import InputSpec
from vision.errors import CheckpointError, ConfigError, WeightsError
from vision.optim.settings import OptimSettings
from vision.tasks import Classification, ImageTask
from vision.tasks.build import check_compile
from vision.version import __version__

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen")


def fit(task: Classification, folder: Path, *, names: Any = (), **options: Any) -> Trainer:
    trainer = quiet_trainer(folder, **{"max_epochs": 1, "limit_val_batches": 0, **options})
    trainer.fit(task, TinyData(class_names=names))
    return trainer


def loss_of(task: Classification) -> Tensor:
    task.train()
    images = task.normalize(random_images(4))
    batch = {"image": images, "label": random_labels(4)}
    return task.criterion(task.run({"image": images}), batch)["loss_cls"]


# Images


def test_images_are_normalised_once_whoever_calls(tmp_path: Path) -> None:
    seen = []
    task = tiny_task()
    embed = task.embed
    task.embed = lambda images: (seen.append(images.clone()), embed(images))[1]
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.validate(task, TinyData(val=4))
    trainer.test(task, TinyData(val=4))
    trainer.predict(task, TinyData(val=4))
    task.eval()(random_images(4))
    expected = task.normalize(random_images(4))
    assert len(seen) == 4
    assert all(torch.equal(images, expected) for images in seen)


def test_bytes_equal_floats_and_the_backbone_sees_its_published_input() -> None:
    task = tiny_task().eval()
    images = random_images(2)
    logits = task(images)
    assert torch.equal(logits, task(images.float()))
    mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
    std = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    by_hand = task.head.fc(task.backbone.embed((images / 255 - mean) / std))
    torch.testing.assert_close(logits, by_hand, rtol=1e-4, atol=1e-5)


def test_mean_and_std_can_be_replaced() -> None:
    images, half = random_images(2), [0.5, 0.5, 0.5]
    task = tiny_task(mean=half, std=half).eval()
    by_hand = task.head.fc(task.backbone.embed(images / 127.5 - 1))
    torch.testing.assert_close(task(images), by_hand, rtol=1e-4, atol=1e-5)
    own = InputSpec(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    torch.manual_seed(0)
    built = Classification(create_backbone("convnext", **TINY_CONVNEXT, default_input=own), 8)
    assert torch.equal(built.normalize(images), task.normalize(images))


def test_channels_and_statistics_must_agree() -> None:
    with refuses(ConfigError, "mean=", "3 values", "1 channels"):
        tiny_task(backbone_options={"in_channels": 1})
    grey = tiny_task(backbone_options={"in_channels": 1}, mean=[0.5], std=[0.2])
    assert grey.eval()(random_images(2)[:, :1]).shape == (2, 8)
    with pytest.raises(ConfigError, match="std"):
        tiny_task(std=[0.2, 0.0, 0.2])


# Construction


def test_a_wrong_option_gets_the_error_of_the_registry() -> None:
    with refuses(ConfigError, "'dim'", "'dims'"):
        tiny_task(backbone_options={"dim": 8})
    with pytest.raises(ConfigError, match="convnext_tiny"):
        Classification("convnext_tny")
    with pytest.raises(ConfigError, match="num_classes=0"):
        tiny_task(num_classes=0)


def test_drop_path_goes_through_the_backbone_options() -> None:
    torch.manual_seed(0)
    task = tiny_task(backbone_options={"drop_path_rate": 0.5})
    assert task.backbone.stages[3][0].drop_path.rate == 0.5


def test_a_built_backbone_is_used_as_it_is() -> None:
    backbone = create_backbone("convnext", **TINY_CONVNEXT)
    assert tiny_task(backbone=backbone).backbone is backbone
    with pytest.raises(ConfigError, match="already built"):
        tiny_task(backbone=backbone, backbone_options={"drop_path_rate": 0.1})
    with pytest.raises(ConfigError, match="already built"):
        tiny_task(backbone=backbone, pretrained=True)


def test_a_dense_backbone_cannot_classify() -> None:
    with pytest.raises(ConfigError, match="dense=True"):
        tiny_task(backbone_options={"dense": True})


class Dense(ImageTask):
    dense = True

    def __init__(self) -> None:
        super().__init__("convnext", optim=OptimSettings(lr=1.0), backbone_options=TINY_CONVNEXT)

    def run(self, images: Tensor) -> Any:
        return self.backbone(images)

    def evaluate(self, stage: str, outputs: Any, batch: Any) -> None:
        pass


def test_a_dense_task_builds_the_dense_variant() -> None:
    task = Dense()
    assert task.backbone.dense
    maps = task.backbone(task.normalize(random_images(2)))
    assert [x.shape[1] for x in maps] == [16, 32, 64, 128]
    assert task.hparams == {}


def test_channels_last_orders_images_and_convolutions() -> None:
    for enabled in (True, False):
        task = tiny_task(channels_last=enabled)
        weight = task.backbone.downsample[1][1].weight
        assert weight.is_contiguous(memory_format=torch.channels_last) == enabled
        images = task.normalize(random_images(2))
        assert images.is_contiguous(memory_format=torch.channels_last) == enabled


def test_channels_last_leaves_other_parameters_as_they_lie() -> None:
    options = {"dim": 16, "depths": [1, 1, 2, 1], "global_filters": [None, None, [6, 4], [3, 2]]}
    torch.manual_seed(0)
    task = Classification("hornet", 8, backbone_options=options)
    task(random_images(2, side=64)).sum().backward()


# Weights to start from


def test_weights_are_loaded_into_the_whole_task(tmp_path: Path) -> None:
    source = tiny_task()
    nn.init.constant_(source.head.fc.bias, 0.25)
    torch.save({"state_dict": source.state_dict()}, tmp_path / "a.ckpt")
    same = tiny_task(weights=str(tmp_path / "a.ckpt"))
    assert torch.equal(same.head.fc.bias, source.head.fc.bias)
    other = tiny_task(weights=str(tmp_path / "a.ckpt"), num_classes=5)
    assert torch.equal(other.head.fc.bias, torch.zeros(5))
    stem = "downsample.0.0.weight"
    assert torch.equal(other.backbone.get_parameter(stem), source.backbone.get_parameter(stem))
    with pytest.raises(WeightsError, match="absent"):
        tiny_task(weights=str(tmp_path / "absent.ckpt"))


def test_pretrained_weights_bring_their_classifier_where_it_fits(tmp_path: Path) -> None:
    source = tiny_task()
    nn.init.constant_(source.head.fc.bias, 0.25)
    path = str(tmp_path / "a.pth")
    state = {name.removeprefix("backbone."): value for name, value in source.state_dict().items()}
    torch.save(state, path)
    assert torch.equal(tiny_task(pretrained=path).head.fc.bias, source.head.fc.bias)
    assert torch.equal(tiny_task(pretrained=path, num_classes=5).head.fc.bias, torch.zeros(5))


def test_a_rebuilt_task_reads_no_weights_again(tmp_path: Path) -> None:
    start = tmp_path / "start.pth"
    torch.save(tiny_task().state_dict(), start)
    task = tiny_task(weights=str(start), pretrained=str(start))
    trainer = fit(task, tmp_path)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    start.unlink()
    loaded = Classification.load_from_checkpoint(tmp_path / "a.ckpt")
    assert loaded.hparams["weights"] is None
    assert loaded.hparams["pretrained"] is False
    resumed = quiet_trainer(tmp_path, max_epochs=2, limit_val_batches=0)
    resumed.fit(loaded, TinyData(), ckpt_path=tmp_path / "a.ckpt")
    assert resumed.global_step == 6
    # Where they came from is still on record.
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert checkpoint["vision"]["weights"] == checkpoint["vision"]["pretrained"] == str(start)


# Checkpoints


def test_a_checkpoint_loads_safely_and_describes_itself(tmp_path: Path) -> None:
    task = tiny_task(betas=(0.8, 0.9), std=(0.5, 0.5, 0.5))
    trainer = fit(task, tmp_path, names=NAMES)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    description = checkpoint["vision"]
    assert description.pop("hyper_parameters") == checkpoint["hyper_parameters"]
    assert description == {
        "version": __version__,
        "task": "Classification",
        "kind": "classification",
        "backbone": "convnext",
        "class_names": list(NAMES),
        "input": {
            "size": [224, 224],
            "mean": [0.485, 0.456, 0.406],
            "std": [0.5, 0.5, 0.5],
            "crop": 0.875,
            "interpolation": "bicubic",
        },
        "preprocessing": None,
        "palette": None,
        "data": "helpers.tiny_task.TinyData",
        "pretrained": False,
        "weights": None,
        "epoch": 1,
        "step": 3,
        "metrics": {},
        "averaged": False,
    }
    assert checkpoint["class_names"] == list(NAMES)
    assert checkpoint["hyper_parameters"]["optim"]["betas"] == [0.8, 0.9]
    loaded = Classification.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True).eval()
    assert loaded.class_names == list(NAMES)
    assert torch.equal(loaded(random_images(2)), task.eval()(random_images(2)))


def test_no_class_path_is_stored() -> None:
    from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters_context

    given = {"_class_path": "os.system", "num_classes": 8, "backbone": "convnext"}
    with _given_hyperparameters_context(given, "lightning.pytorch.cli.instantiate_module"):
        task = tiny_task()
    assert dict(task.hparams) == {"num_classes": 8, "backbone": "convnext"}


def test_a_task_of_a_built_backbone_needs_it_again(tmp_path: Path) -> None:
    task = tiny_task(backbone=create_backbone("convnext", **TINY_CONVNEXT))
    fit(task, tmp_path).save_checkpoint(tmp_path / "a.ckpt")
    assert torch.load(tmp_path / "a.ckpt", weights_only=True)["vision"]["backbone"] == "ConvNeXt"
    with pytest.raises(CheckpointError, match=r"load_from_checkpoint\(path, backbone=...\)"):
        Classification.load_from_checkpoint(tmp_path / "a.ckpt")
    backbone = create_backbone("convnext", **TINY_CONVNEXT)
    loaded = Classification.load_from_checkpoint(tmp_path / "a.ckpt", backbone=backbone)
    assert loaded.backbone is backbone
    assert torch.equal(loaded.eval()(random_images(2)), task.eval()(random_images(2)))


# Classes


@pytest.mark.parametrize("run", ["fit", "validate", "test"])
def test_another_number_of_classes_ends_before_training(tmp_path: Path, run: str) -> None:
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    with refuses(ConfigError, "num_classes=8", "2 classes", "num_classes=2"):
        getattr(trainer, run)(tiny_task(), TinyData(class_names=("cat", "dog")))


def test_any_images_can_be_predicted(tmp_path: Path) -> None:
    task = tiny_task(class_names=list(NAMES))
    data = TinyData(class_names=("cat", "dog"))
    predictions = quiet_trainer(tmp_path).predict(task, data)[0]
    assert predictions[0]["name"] in NAMES


def test_names_in_another_order_are_refused(tmp_path: Path) -> None:
    task = tiny_task(class_names=list(NAMES))
    with pytest.raises(ConfigError, match="another order"):
        quiet_trainer(tmp_path).test(task, TinyData(class_names=NAMES[::-1]))


def test_given_names_must_be_as_many_as_the_classes() -> None:
    with refuses(ConfigError, "class_names", "2 classes"):
        tiny_task(class_names=["cat", "dog"])


# Training


class StopAfter(Callback):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch + 1 >= self.epochs


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("callback", [True, False], ids=["ModelCheckpoint", "by hand"])
def test_resumed_at_an_epochs_end_equals_uninterrupted(
    tmp_path: Path, accumulate: int, callback: bool
) -> None:
    def run(name: str, stop: int, resume: str | None = None) -> Classification:
        task = tiny_task(
            backbone_options={"drop_path_rate": 0.5},
            drop_rate=0.5,
            ema_decay=0.8,
            memory="lean" if callback else "fast",
            lr=0.01,
            warmup_epochs=1,
        )
        # The process that resumes is in another random state.
        torch.manual_seed(1 if resume is None else 2)
        saver = ModelCheckpoint(tmp_path, name, monitor="val/loss") if callback else Callback()
        trainer = quiet_trainer(
            tmp_path,
            max_epochs=3,
            callbacks=[StopAfter(stop), saver],
            accumulate_grad_batches=accumulate,
            enable_checkpointing=callback,
        )
        path = None if resume is None else tmp_path / f"{resume}.ckpt"
        trainer.fit(task, TinyData(), ckpt_path=path, weights_only=True)
        if not callback:
            trainer.save_checkpoint(tmp_path / f"{name}.ckpt")
        assert trainer.current_epoch == stop
        return task

    def state(name: str) -> dict[str, Any]:
        checkpoint = torch.load(tmp_path / f"{name}.ckpt", weights_only=True)
        keys = ("state_dict", "ema_state_dict", "ema", "optimizer_states", "lr_schedulers", "seed")
        return {key: checkpoint[key] for key in (*keys, "global_step")}

    whole = run("whole", 3)
    run("part", 1)
    rest = run("rest", 3, resume="part")
    exactly = {"rtol": 0, "atol": 0}
    torch.testing.assert_close(rest.state_dict(), whole.state_dict(), **exactly)
    torch.testing.assert_close(rest.average.weights, whole.average.weights, **exactly)
    if not callback:
        torch.testing.assert_close(state("rest"), state("whole"), **exactly)


def test_random_layers_draw_again_at_every_step(tmp_path: Path) -> None:
    drawn = []

    class Draw(Callback):
        def on_before_backward(self, *_: Any) -> None:
            drawn.append(torch.rand(1).item())

    torch.manual_seed(0)
    fit(tiny_task(), tmp_path, max_epochs=2, callbacks=[Draw()])
    assert len(set(drawn)) == 6


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    task = tiny_task(backbone_options={"layer_scale": 1.0})
    loss_of(task).backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("mode", ["lean", "checkpoint"])
def test_modes_of_memory_give_the_same_gradients(mode: MemoryMode) -> None:
    task, fast = tiny_task(memory=mode), tiny_task()
    assert task.backbone.grad_checkpointing == (mode == "checkpoint")
    assert task.backbone.stages[0][0].mlp.lean == (mode == "lean")
    for one in (task, fast):
        loss_of(one).backward()
    for ours, theirs in zip(task.parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_other_precisions_run(tmp_path: Path, precision: str) -> None:
    task = tiny_task(ema_decay=0.9)
    trainer = quiet_trainer(tmp_path, max_epochs=1, precision=precision)
    trainer.fit(task, TinyData())
    assert torch.isfinite(trainer.callback_metrics["train/loss"])
    assert torch.isfinite(trainer.callback_metrics["val/loss"])
    master = {"bf16-mixed": torch.float32, "bf16-true": torch.bfloat16, "64-true": torch.float64}
    assert {parameter.dtype for parameter in task.parameters()} == {master[precision]}


def test_compiled_training_is_the_same(tmp_path: Path, compiler: CountingCompiler) -> None:
    small = {"dims": [16, 32], "depths": [1, 1]}
    plain = tiny_task(backbone_options=small)
    compiled = tiny_task(backbone_options=small, compile=True)
    keys = list(compiled.state_dict())
    images = random_images(2)
    # Outside a trainer nothing waits for a compiler.
    compiled.eval()(images)
    compiled.train()
    fit(plain, tmp_path)
    assert not compiler.graphs
    trainer = fit(compiled, tmp_path)
    assert compiler.graphs
    assert list(compiled.state_dict()) == keys
    torch.testing.assert_close(compiled.state_dict(), plain.state_dict())
    # Another call of a trainer compiles nothing again.
    embed = compiled._embed
    trainer.test(compiled, TinyData(val=4), verbose=False)
    assert compiled._embed is embed
    # A copy is compiled too, and has its own weights.
    twin = copy.deepcopy(compiled).eval()
    nn.init.zeros_(twin.backbone.norm.weight)
    nn.init.zeros_(twin.backbone.norm.bias)
    torch.testing.assert_close(twin(images), twin.head.fc.bias.expand(2, -1))
    torch.testing.assert_close(compiled.eval()(images), plain.eval()(images))
    # Dense tasks call the backbone itself.
    count = len(compiler.graphs)
    compiled.backbone(compiled.normalize(images))
    assert len(compiler.graphs) > count


def test_training_with_compiled_blocks_is_the_same(
    tmp_path: Path, compiler: CountingCompiler
) -> None:
    small = {"dims": [16, 32], "depths": [1, 2]}
    plain = tiny_task(backbone_options=small, memory="checkpoint")
    compiled = tiny_task(backbone_options=small, memory="checkpoint", compile="blocks")
    keys = list(compiled.state_dict())
    fit(plain, tmp_path)
    assert not compiler.graphs
    fit(compiled, tmp_path)
    # The first stage has one block, the second two of a kind.
    assert len(compiler.graphs) == 2
    assert list(compiled.state_dict()) == keys
    torch.testing.assert_close(compiled.state_dict(), plain.state_dict())


def test_what_cannot_be_compiled_by_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="compile='block' must be true, false or 'blocks'"):
        tiny_task(compile="block")
    with pytest.raises(ConfigError, match="compiled whole: compile=true"):
        check_compile("blocks", nn.Linear(1, 1))


def test_lightning_does_not_wonder_who_normalises(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    fit(tiny_task(), tmp_path)
    assert not [w for w in recwarn if "on_after_batch_transfer" in str(w.message)]


def test_each_row_of_the_log_has_its_learning_rate(tmp_path: Path) -> None:
    rows = []

    class Rows(CSVLogger):
        def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
            rows.append(({*metrics} & {"lr", "train/loss"}, step))

    options = {"max_epochs": 3, "limit_val_batches": 0, "accumulate_grad_batches": 2}
    trainer = quiet_trainer(
        tmp_path, logger=Rows(tmp_path), log_every_n_steps=2, callbacks=[], **options
    )
    trainer.fit(tiny_task(), TinyData(train=20))
    # Five batches are three steps per epoch, nine in all.
    assert [step for names, step in rows if "lr" in names] == [1, 3, 5, 7]
    assert all(names == {"lr", "train/loss"} for names, _ in rows)
