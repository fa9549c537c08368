"""Predicted classes in PNG files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_label_maps import SceneData, Scenes, SceneTask, found_in
from helpers.tiny_task import quiet_trainer
from PIL import Image

from vision.callbacks.results.label_maps import LabelMaps, MaskWriter
from vision.callbacks.results.named_files import name_files
from vision.draw.figure import class_color
from vision.errors import ConfigError, DataError
from vision.ops.label_images import read_labels

NAMES = ["a/one.png", "a/two.png", "b/one.png", "three.png", "four.png"]


def predict(tmp_path: Path, callback: LabelMaps, names: list[str] = NAMES, **more: Any) -> Path:
    scenes = Scenes(tmp_path / "images", names)
    trainer = quiet_trainer(tmp_path, callbacks=[callback])
    task = SceneTask([1.0, 0.5, 0.0, 0.2, 0.9])
    trainer.predict(task, SceneData(scenes, **more), return_predictions=False)
    return callback.folder


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_class_indices_have_the_colours_of_the_data_or_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    palette = np.array([[1, 2, 3], [40, 50, 60], [255, 0, 9]], np.uint8)
    rights = [1.0, 0.5, 0.0, 0.2, 0.9]
    cases: tuple[dict[str, Any], ...] = ({"palette": palette}, {"palette": None}, {})
    for case, more in enumerate(cases):
        folder = predict(tmp_path, LabelMaps(tmp_path / "new" / str(case)), **more)
        assert files(folder) == sorted(NAMES)
        colors = palette if case == 0 else np.array([class_color(label) for label in range(3)])
        for number, name in enumerate(NAMES):
            expected = found_in(number, rights[number]).numpy()
            assert np.array_equal(read_labels(folder / name), expected)
            with Image.open(folder / name) as picture:
                assert picture.mode == "P"
                shown = np.asarray(picture.convert("RGB"))
            assert np.array_equal(shown, colors[expected])
        # The batch that comes again is not counted.
        assert f"5 label maps are in {folder}" in capsys.readouterr().out


def test_values_of_a_server_are_written_in_grey(tmp_path: Path) -> None:
    values = np.array([23, 7, 26], np.uint8)
    data = predict(tmp_path, LabelMaps(tmp_path / "data"), prediction_values=values)
    own = predict(
        tmp_path,
        LabelMaps(tmp_path / "own", values=values),
        prediction_values=np.zeros(3, np.uint8),
    )
    expected = values[found_in(2, 0.0).numpy()]
    for folder in (data, own):
        with Image.open(folder / "b" / "one.png") as picture:
            assert picture.mode == "L"
            assert np.array_equal(np.asarray(picture), expected)
    with refuses(ConfigError, "int64", "(3,)", "uint8"):
        LabelMaps(tmp_path, values=np.arange(3))


def test_files_keep_the_folders_below_the_one_in_common() -> None:
    assert name_files([]) == {}
    assert name_files(["data/images/a.jpg", "data/images/b.v2.png"]) == {
        "data/images/a.jpg": "a.png",
        "data/images/b.v2.png": "b.v2.png",
    }
    assert list(name_files(["val/x/1.jpg", "val/y/1.jpg", "val/2.jpg"]).values()) == [
        "x/1.png",
        "y/1.png",
        "2.png",
    ]
    # As with a data set of one image, and with paths of both kinds.
    assert name_files(["val/x/1.jpg"]) == {"val/x/1.jpg": "1.png"}
    assert list(name_files(["x/1.jpg", str(Path.cwd() / "y" / "1.jpg")]).values()) == [
        "x/1.png",
        "y/1.png",
    ]


def test_images_that_differ_in_their_endings_keep_them() -> None:
    assert list(name_files(["i/a.jpg", "i/a.png", "i/b.png"]).values()) == [
        "a.jpg.png",
        "a.png.png",
        "b.png",
    ]
    with refuses(DataError, "'i/a.jpg'", "'i/a.jpg.bmp'", "'a.jpg.png'"):
        name_files(["i/a.jpg", "i/a.png", "i/a.jpg.bmp"])


def test_an_unknown_image_never_overwrites_another(tmp_path: Path) -> None:
    writer = MaskWriter(tmp_path, {})
    mask = found_in(0)
    assert writer.write("x/1.jpg", mask) == tmp_path / "1.png"
    writer.write("x/1.jpg", mask)
    assert len(writer) == 1
    with refuses(DataError, "'x/1.jpg'", "'y/1.jpg'"):
        writer.write("y/1.jpg", mask)


def test_data_without_a_list_of_paths_do(tmp_path: Path) -> None:
    class Bare(SceneData):
        def __init__(self, scenes: Scenes) -> None:
            super().__init__(scenes)
            del self.predict_dataset

    scenes = Scenes(tmp_path / "images", ["a/one.png", "b/two.png"])
    callback = LabelMaps(tmp_path / "new")
    trainer = quiet_trainer(tmp_path, callbacks=[callback])
    trainer.predict(SceneTask([1.0, 1.0]), Bare(scenes), return_predictions=False)
    assert files(callback.folder) == ["one.png", "two.png"]
