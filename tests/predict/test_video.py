"""Videos: frames, times, the drawn video, what is wrong with one."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model
from PIL import Image

from vision.errors import ConfigError, DataError, MissingPackageError
from vision.predict import video as video_module
from vision.predict.job import read_lines
from vision.predict.options import PredictOptions
from vision.predict.video import Video, VideoWriter, is_video, predict_video

SIZE = (64, 96)
SHADES = (10, 60, 110, 160, 210)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of grey, each lighter, eight in a second; written without the code under test."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for shade in SHADES:
            pixels = np.full((*SIZE, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def decoded(path: Path) -> tuple[list[np.ndarray], Fraction]:
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], rate


def test_frames_come_with_their_times(film: Path) -> None:
    video = Video(film)
    assert (video.rate, video.frames) == (8, 5)
    frames = list(video)
    assert [time_s for _, time_s in frames] == [i / 8 for i in range(5)]
    for (frame, _), shade in zip(frames, SHADES, strict=True):
        assert frame.shape == (3, *SIZE)
        assert abs(frame.float().mean() - shade) < 4


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("segmentation", "classes"),
        ("classification", "top"),
        ("panoptic", "segments"),
        ("depth", "depth"),
    ],
)
def test_every_frame_is_predicted_and_drawn(
    kind: str, key: str, film: Path, tmp_path: Path
) -> None:
    model = tiny_model(kind)
    shown: list[tuple[int, int | None]] = []
    options = PredictOptions(batch_size=2, threshold=0.2)
    summary = predict_video(
        model, film, tmp_path / "out", options, progress=lambda *state: shown.append(state)
    )
    assert summary.done == 5
    assert shown[-1] == (5, 5)
    lines = list(read_lines(tmp_path / "out" / "predictions.jsonl"))
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line["time_s"] for line in lines] == [i / 8 for i in range(5)]
    frames, _ = decoded(film)
    for line, result in zip(lines, model.predict(frames, batch_size=2, threshold=0.2), strict=True):
        expected = result.to_dict()
        assert line[key] == expected[key]
    drawn, rate = decoded(tmp_path / "out" / "film.mp4")
    assert rate == 8
    assert [frame.shape for frame in drawn] == [(*SIZE, 3)] * 5
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"run.json", "predictions.jsonl", "film.mp4"}


def test_boxes_in_space_are_drawn_beside_the_frame(film: Path, tmp_path: Path) -> None:
    """One camera is that of all frames; without one nothing is written."""
    model = tiny_model("detection3d")
    with refuses(ConfigError, "--camera"):
        predict_video(model, film, tmp_path / "out", PredictOptions())
    assert not (tmp_path / "out").exists()
    options = PredictOptions(threshold=0.0, camera=60)
    assert predict_video(model, film, tmp_path / "out", options, max_frames=2).done == 2
    drawn, _ = decoded(tmp_path / "out" / "film.mp4")
    frames, _ = decoded(film)
    picture = model.predict_image(frames[0], threshold=0.0, camera=60).plot()
    assert [frame.shape for frame in drawn] == [(picture.height, picture.width, 3)] * 2
    assert picture.width > picture.height * SIZE[1] / SIZE[0]


def test_a_video_is_not_read_far_ahead(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    plain = Video.__iter__

    def counted(self: Video) -> Any:
        nonlocal read
        for one in plain(self):
            read += 1
            yield one

    monkeypatch.setattr(Video, "__iter__", counted)
    model = tiny_model("classification")
    results = model.predict((frame for frame, _ in Video(film)), batch_size=1)
    next(results)
    assert read <= 3
    results.close()


@pytest.mark.parametrize("size", [(33, 47), (64, 48)])
def test_sides_may_be_odd(size: tuple[int, int], tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a" / "b.mp4", size, Fraction(30000, 1001))
    for shade in (0, 250):
        writer.write(Image.new("RGB", (2 * size[1], 2 * size[0]), (shade, 0, 0)))
    assert not (tmp_path / "a" / "b.mp4").exists()
    writer.finish()
    frames, rate = decoded(tmp_path / "a" / "b.mp4")
    assert rate == Fraction(30000, 1001)
    assert [frame.shape[:2] for frame in frames] == [size] * 2
    assert frames[1][..., 0].mean() > 200


def test_another_encoder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_module, "ENCODERS", ("no_such_encoder", "mpeg4"))
    writer = VideoWriter(tmp_path / "a.mp4", SIZE, Fraction(5))
    writer.write(Image.new("RGB", SIZE[::-1]))
    writer.finish()
    assert len(decoded(tmp_path / "a.mp4")[0]) == 1
    monkeypatch.setattr(video_module, "ENCODERS", ("no_such_encoder",))
    with refuses(DataError, "encoders", "no_such_encoder"):
        VideoWriter(tmp_path / "b.mp4", SIZE, Fraction(5))


def test_a_stopped_video_leaves_no_half_files(film: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    model = tiny_model("classification")
    with pytest.raises(KeyboardInterrupt):
        predict_video(model, film, tmp_path / "out", PredictOptions(), progress=stop)
    assert not list((tmp_path / "out").glob("*.mp4"))
    assert not (tmp_path / "out" / "predictions.jsonl").exists()
    assert predict_video(model, film, tmp_path / "out", PredictOptions()).done == 5


def test_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    with refuses(DataError, "a.mp4", "video"):
        Video(tmp_path / "a.mp4")
    with refuses(DataError, "video", "absent.mp4"):
        Video(tmp_path / "absent.mp4")
    assert is_video("A.MP4")
    assert not is_video("a.jpg")


def test_a_list_of_other_files_or_an_address_is_no_video(film: Path, tmp_path: Path) -> None:
    for text in (
        f"ffconcat version 1.0\nfile {film.name}\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{film.name}\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ):
        (film.parent / "list.mp4").write_text(text)
        with refuses(DataError, "list.mp4", "video"):
            Video(film.parent / "list.mp4")


def test_frames_beyond_the_limit_are_not_decoded(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISION_MAX_PIXELS", "100")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with refuses(DataError, "video", "refused", "states"):
        Video(film)


def test_without_pyav(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with refuses(MissingPackageError, "install", "[video]"):
        Video(film)
