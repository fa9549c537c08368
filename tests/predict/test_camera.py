"""Cameras: frames of FFmpeg's test source in their place."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model

from vision.errors import DataError
from vision.predict import camera
from vision.predict.camera import Camera
from vision.predict.job import read_lines
from vision.predict.options import PredictOptions
from vision.predict.results import Result
from vision.predict.video import predict_video

av = pytest.importorskip("av")
OPTIONS = PredictOptions(batch_size=1)


@pytest.fixture(autouse=True)
def _test_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Camera 0 is an endless picture of FFmpeg, camera 1 cannot be opened."""
    places = ["testsrc=size=64x48:rate=5", "nothing"]
    monkeypatch.setattr(camera, "_device", lambda index: (places[index], "lavfi", {}))


def test_frames_come_with_their_times() -> None:
    found = list(islice(Camera(0), 3))
    assert [time_s for _, time_s in found] == [0, 0.2, 0.4]
    assert all(frame.shape == (3, 48, 64) and frame.dtype == torch.uint8 for frame, _ in found)
    assert Camera(0).rate == 5


def test_a_camera_that_cannot_be_opened() -> None:
    with refuses(DataError, "camera 1 cannot be opened", "other programs"):
        Camera(1)


def test_a_camera_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(camera, "DEVICES", tmp_path)
    monkeypatch.setattr(camera.sys, "platform", "linux")
    with refuses(DataError, "there is no camera 3", "this machine has none", "./3"):
        Camera(3)
    (tmp_path / "video0").touch()
    with refuses(DataError, "there are 0"):
        Camera(3)


def stop(name: str, result: Result) -> None:
    if result.index == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("limit", "show"), [(3, None), (None, stop)], ids=["after some frames", "by Ctrl-C"]
)
def test_predictions_end_in_order(
    tmp_path: Path, limit: int | None, show: Callable[[str, Result], None] | None
) -> None:
    model = tiny_model("classification")
    out = tmp_path / "out"
    summary = predict_video(model, Camera(0), out, OPTIONS, max_frames=limit, show=show)
    assert summary.done == 3
    assert [line["time_s"] for line in read_lines(out / "predictions.jsonl")] == [0, 0.2, 0.4]
    with av.open(str(out / "camera 0.mp4")) as drawn:
        assert len(list(drawn.decode(video=0))) == 3
