"""Loading a trained model from every kind of source, and the errors of other files."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from safetensors.torch import save_file

import vision
from vision.errors import CheckpointError, ConfigError, VisionError, WeightsError
from vision.optim.averages import WEIGHTS_KEY
from vision.predict.load import build, load
from vision.tasks import Classification
from vision.weights.model_file import write_model

NAMES = tuple("abcdefgh")
IMAGES = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Classification, Path]:
    """A task that was trained for an epoch with averaged weights, and its run."""
    run = tmp_path_factory.mktemp("run")
    task = tiny_task(ema_decay=0.5, lr=0.01, compile=False)
    trainer = quiet_trainer(run, max_epochs=1)
    trainer.fit(task, TinyData(class_names=NAMES))
    (run / "checkpoints").mkdir()
    trainer.save_checkpoint(run / "checkpoints" / "best.ckpt")
    return task.eval(), run


@pytest.fixture
def checkpoint(trained: tuple[Classification, Path]) -> dict[str, Any]:
    path = trained[1] / "checkpoints" / "best.ckpt"
    return torch.load(path, weights_only=True)


def save(contents: Any, path: Path) -> Path:
    torch.save(contents, path)
    return path


def test_a_run_and_its_checkpoint(trained: tuple[Classification, Path]) -> None:
    run = trained[1]
    for source in (run, run / "checkpoints" / "best.ckpt", str(run)):
        model = vision.load(source)
        assert model.path == run / "checkpoints" / "best.ckpt"
        assert model.class_names == NAMES
        assert model.kind == "classification"
        assert not model.task.training
        assert model.description["step"] == 3


def test_averaged_weights_are_taken(
    trained: tuple[Classification, Path], checkpoint: dict[str, Any]
) -> None:
    model = load(trained[1])
    assert model.description["averaged"]
    averaged = checkpoint[WEIGHTS_KEY]
    key = "head.fc.weight"
    assert torch.equal(model.task.state_dict()[key], averaged[key])
    assert not torch.equal(averaged[key], checkpoint["state_dict"][key])


@pytest.mark.parametrize("kind", ["classification", "detection", "segmentation"])
def test_a_safetensors_file_and_a_folder_for_the_hub(kind: str, tmp_path: Path) -> None:
    model = tiny_model(kind)
    path = write_model(
        tmp_path / "hub" / "model.safetensors", model.task.state_dict(), model.description
    )
    for source in (path, path.parent, f"hf://{path.parent}"):
        loaded = load(source)
        assert (loaded.kind, loaded.class_names) == (kind, model.class_names)
        assert loaded.description == model.description
        assert loaded.preprocessing == model.preprocessing
        for key, tensor in model.task.state_dict().items():
            assert torch.equal(loaded.task.state_dict()[key], tensor)
    image = IMAGES[0]
    ours, theirs = (m.predict_image(image, threshold=0.0).to_dict() for m in (model, loaded))
    assert ours == theirs


class _Runs:
    def __reduce__(self) -> Any:
        return os.system, ("touch RAN",)


def test_nothing_in_a_file_is_run(
    tmp_path: Path, checkpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(_Runs()))
    save({**checkpoint, "callbacks": _Runs()}, tmp_path / "zip.ckpt")
    for name in ("plain.ckpt", "zip.ckpt"):
        with pytest.raises(VisionError, match=name):
            load(tmp_path / name)
    assert not (tmp_path / "RAN").exists()
    pickle.loads(pickle.dumps(_Runs()))
    assert (tmp_path / "RAN").exists(), "the file would have run"


def test_a_truncated_checkpoint(trained: tuple[Classification, Path], tmp_path: Path) -> None:
    whole = (trained[1] / "checkpoints" / "best.ckpt").read_bytes()
    for count in (len(whole) // 2, 10, 0):
        (tmp_path / "torn.ckpt").write_bytes(whole[:count])
        assert not zipfile.is_zipfile(tmp_path / "torn.ckpt")
        with pytest.raises(VisionError, match=r"torn\.ckpt"):
            load(tmp_path / "torn.ckpt")


def test_what_does_not_fit_explains_itself(checkpoint: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"

    def message(contents: Any) -> str:
        with pytest.raises(CheckpointError) as error:
            load(save(contents, path))
        assert str(path) in str(error.value)
        return str(error.value)

    described = checkpoint["vision"]
    assert "Did you mean 'Classification'" in message(
        {**checkpoint, "vision": {**described, "task": "Clasification"}}
    )
    assert "does not say which task" in message({"state_dict": {}})
    assert "holds a list" in message([1, 2])
    other = {**described, "hyper_parameters": {**described["hyper_parameters"], "num_classes": 5}}
    text = message({**checkpoint, "vision": {**other, "class_names": None}})
    assert "(8, " in text
    assert "(5, " in text
    options = {**described["hyper_parameters"], "no_such_option": 1}
    text = message({**checkpoint, "vision": {**described, "hyper_parameters": options}})
    assert "no_such_option" in text
    assert described["version"] in text


def test_tensors_that_are_missing_or_too_many() -> None:
    model = tiny_model("classification")
    state = model.task.state_dict()
    less = {key: tensor for key, tensor in state.items() if key != "head.fc.bias"}
    with refuses(CheckpointError, "'head.fc.bias'", "1", "0"):
        build(less, model.description)
    with refuses(CheckpointError, "'x'", "0", "missing", "1", "many"):
        build({**state, "x": torch.zeros(1)}, model.description)


def test_weights_without_a_description(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "official.safetensors")
    with refuses(CheckpointError, "tensors", "description"):
        load(tmp_path / "official.safetensors")


def test_sources_that_hold_no_model(tmp_path: Path) -> None:
    with refuses(WeightsError, "write", "hf://owner/model"):
        load("owner/model")
    with pytest.raises(WeightsError, match="holds no model"):
        load(tmp_path)
    (tmp_path / "version_0").mkdir()
    (tmp_path / "version_1").mkdir()
    with refuses(ConfigError, "choose", "version_1"):
        load(tmp_path)


def test_a_task_and_a_backbone_of_your_own(tmp_path: Path) -> None:
    class Mine(Classification):
        """A task that is not the suite's."""

    backbone = tiny_task().backbone
    task = Mine(backbone, 8).eval()
    path = write_model(tmp_path / "m.safetensors", task.state_dict(), task.describe())
    with pytest.raises(CheckpointError, match="'Mine'"):
        load(path)
    own = tiny_task(drop_rate=0.0).backbone
    loaded = load(path, task=Mine, backbone=own, device="cpu")
    assert type(loaded.task) is Mine
    assert loaded.task.backbone is own
    with torch.no_grad():
        assert torch.equal(loaded(IMAGES), task(IMAGES))
