"""What a person gives as the input of predict."""

import io
from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.errors import ConfigError, DataError
from vision.predict import inputs
from vision.predict.inputs import camera_index, image_source


def source(given: str, folder: Path, text: str = "", *, allowed: bool = False) -> str | list[str]:
    return image_source(given, folder, allow_downloads=allowed, stdin=io.StringIO(text))


def test_paths_on_standard_input(tmp_path: Path) -> None:
    assert source("-", tmp_path, "a.png\n\n b c.png \na.png\n") == ["a.png", "b c.png"]
    assert source("photos/*.png", tmp_path) == "photos/*.png"
    with refuses(ConfigError, "no paths came on standard input", "one image per line"):
        source("-", tmp_path, "\n")


def test_addresses_are_fetched_where_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fetch(address: str, folder: Path) -> Path:
        if "absent" in address:
            raise DataError(f"'{address}' cannot be fetched: 404.")
        return folder / "copy.png"

    monkeypatch.setattr(inputs, "download_image", fetch)
    with refuses(ConfigError, "https://a/b.png", "--allow-downloads"):
        source("https://a/b.png", tmp_path)
    copy = str(tmp_path / "downloads" / "copy.png")
    assert source("https://a/b.png", tmp_path, allowed=True) == [copy]
    with refuses(DataError, "404"):
        source("https://a/absent.png", tmp_path, allowed=True)
    listed = source("-", tmp_path, "x.png\nhttps://a/absent.png\nhttps://a/b.png", allowed=True)
    assert [listed[0], listed[2]] == ["x.png", copy]
    assert not Path(listed[1]).exists()
    assert "404" in caplog.text


def test_the_number_of_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert camera_index("0") == 0
    assert camera_index("12") == 12
    assert [camera_index(given) for given in ("0.png", "-", "photos", "./0", "1234")] == [None] * 5
    Path("0").touch()
    assert camera_index("0") is None
