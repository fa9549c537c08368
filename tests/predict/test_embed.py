"""Features of images: those of evaluation, on any model, resumed where a run stopped."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model, write_pictures
from safetensors.torch import save_file

from vision import create_backbone
from vision.data.images.read import read_image
from vision.data.transforms.classification import EvalTransform
from vision.errors import ConfigError, DataError
from vision.predict import embed_job
from vision.predict.embed_job import embed_folder, nearest_neighbours, read_features
from vision.predict.model import Model
from vision.predict.published import load_backbone

FILES = ("cat/a.png", "cat/b.png", "dog/a.png", "dog/c.png", "dog/d.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    write_pictures(root, FILES)
    return root


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("classification")


def expected(model: Model, folder: Path) -> torch.Tensor:
    transform = EvalTransform(**model.preprocessing)
    images = torch.stack([transform(read_image(folder / name)) for name in FILES])
    with torch.inference_mode():
        return model.task.backbone.embed(model.task.normalize(images))


def test_features_are_those_of_evaluation(model: Model, folder: Path) -> None:
    features = model.embed(folder, batch_size=2, num_workers=0)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, expected(model, folder))


@pytest.mark.parametrize("kind", ["detection", "segmentation"])
def test_dense_models_give_the_mean_of_the_coarsest_map(kind: str, folder: Path) -> None:
    model = tiny_model(kind)
    together = model.embed(folder, batch_size=5, num_workers=0)
    alone = torch.cat([model.embed(folder / name, num_workers=0) for name in FILES])
    # Images differ by some rows: what pads a batch does not count.
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert together.shape == (5, model.task.backbone.feature_specs[-1].channels)


def test_a_published_backbone(folder: Path, tmp_path: Path) -> None:
    backbone = create_backbone("timm/test_resnet").eval()
    save_file(backbone.state_dict(), tmp_path / "weights.safetensors")
    model = load_backbone("timm/test_resnet", weights=str(tmp_path / "weights.safetensors"))
    spec = backbone.default_input
    transform = EvalTransform(spec.size[0], crop=spec.crop, interpolation=spec.interpolation)
    images = torch.stack([transform(read_image(folder / name)) for name in FILES]).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std))
    with torch.inference_mode():
        wanted = backbone.embed((images - mean) / std)
    torch.testing.assert_close(model.embed(folder, num_workers=0), wanted, rtol=1e-4, atol=1e-5)


def test_a_file_of_features(model: Model, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npz"
    seen: list[tuple[int, int | None]] = []
    summary = embed_folder(
        model, folder, out, num_workers=0, progress=lambda done, total: seen.append((done, total))
    )
    assert (summary.done, summary.earlier, summary.width) == (5, 0, 128)
    features, paths = read_features(out)
    assert paths == list(FILES)
    torch.testing.assert_close(torch.from_numpy(features), expected(model, folder))
    assert seen[-1] == (5, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["features.npz"]


def test_an_interrupted_job_goes_on(
    model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = tmp_path / "features.npz", tmp_path / "whole.npz"
    embed_folder(model, folder, whole, num_workers=0)

    def stop(done: int, total: int | None) -> None:
        if done == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        embed_folder(model, folder, out, batch_size=1, num_workers=0, progress=stop)
    part = tmp_path / "features.npz.part"
    assert not out.exists()
    # A process that is killed may leave half of a line, and features that are not in the list.
    with (part / "predictions.jsonl").open("a") as lines:
        lines.write('{"image": "dog')
    with (part / embed_job.FEATURES).open("ab") as features:
        features.write(b"\0" * 7)
    summary = embed_folder(model, folder, out, num_workers=0)
    assert (summary.done, summary.earlier) == (5, 2)
    (mine, our_paths), (theirs, their_paths) = read_features(out), read_features(whole)
    assert our_paths == their_paths
    # In batches of another size.
    np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


class StoppedError(Exception):
    """The first part of a job is over."""


def test_images_that_cannot_be_read_are_left_out(model: Model, tmp_path: Path) -> None:
    write_pictures(tmp_path, FILES)
    (tmp_path / FILES[1]).write_bytes(b"no image")
    out = tmp_path / "out.npz"
    summary = embed_folder(model, tmp_path, out, num_workers=0)
    assert (summary.done, len(summary.bad)) == (4, 1)
    assert FILES[1] in summary.bad[0]
    assert read_features(out)[1] == [name for name in FILES if name != FILES[1]]


def test_neighbours_by_the_folders_of_classes(model: Model, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npz"
    embed_folder(model, folder, out, num_workers=0)
    assert nearest_neighbours(out, out, k=1).top1 == 1.0  # each image is its own neighbour
    assert nearest_neighbours(out, out, k=5).top5 == 1.0
    flat = tmp_path / "flat.npz"
    embed_folder(model, folder / "cat", flat, num_workers=0)
    with refuses(DataError, "flat.npz", "a.png", "one folder of images per class"):
        nearest_neighbours(flat, out)


def test_files_that_hold_no_features_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, other=np.zeros(3))
    with refuses(DataError, "x.npz", "embed"):
        read_features(path)
    path.write_bytes(b"PK\x03\x04 no archive")
    with refuses(DataError, "x.npz"):
        read_features(path)
    np.savez(path, features=np.zeros((2, 3)), paths=np.array(["a"]))
    with refuses(DataError, "x.npz", "damaged"):
        read_features(path)


def test_unfinished_features_of_another_folder_are_refused(
    model: Model, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "features.npz"

    def stop(done: int, total: int | None) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        embed_folder(model, folder, out, num_workers=0, progress=stop)
    with refuses(ConfigError, "features.npz.part", "input"):
        embed_folder(model, folder / "cat", out, num_workers=0)
