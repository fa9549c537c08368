"""The page to try a model, in a real browser where there is one."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from helpers.browser import background, complaints, needs_browser, open_browser, overflow, show
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model, write_pictures
from helpers.tiny_volumes import write_nifti
from PIL import Image

from vision.errors import ConfigError
from vision.predict import demo as module
from vision.predict.demo import Demo, build_demo, describe_model, launch_demo

# Asked for without importing it, which takes seconds.
pytestmark = pytest.mark.skipif(find_spec("gradio") is None, reason="gradio is not installed")
# What gradio's own script writes at every start, of a function that it does not use.
OWN = "Method not implemented"
PATIENCE_S = 20


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_pictures(tmp_path_factory.mktemp("pictures"), ("a.png", "b.png"), (120, 160))


@pytest.fixture
def demo() -> Demo:
    return Demo(tiny_model("detection"))


def test_it_shows_what_the_model_predicts(demo: Demo, pictures: list[str]) -> None:
    result, (file, summary, rows, plain, download) = demo.predict(pictures[0], 0.0)
    expected = demo.model.predict_image(pictures[0], threshold=0.0)
    assert [row[1] for row in rows] == [round(s, 3) for s in expected.scores.tolist()]
    assert f"<h3>{len(expected)} objects</h3>" in summary
    assert file == download
    with Image.open(file) as drawn:
        assert np.array_equal(drawn, expected.plot())
    # The visitor sees the name of the picture, and not where this machine keeps it.
    assert plain["path"] == "a.png"
    assert str(Path(pictures[0]).parent) not in json.dumps(plain) + summary
    assert result is not None


def test_a_slider_that_is_moved_runs_no_model(demo: Demo, pictures: list[str]) -> None:
    result, _ = demo.predict(pictures[0], 0.0)
    demo.model.task = None  # type: ignore[assignment]
    setting = float(result.scores[2])
    assert len(demo.show(result, setting)[2]) == int((result.scores >= setting).sum())


def test_a_bad_picture_leaves_nothing_of_the_one_before(demo: Demo, tmp_path: Path) -> None:
    bad = tmp_path / "<i>.png"
    bad.write_bytes(b"no picture")
    result, (file, summary, rows, plain, download) = demo.predict(str(bad), 0.3)
    assert (result, file, rows, plain, download) == (None, None, [], None, None)
    assert 'role="alert"' in summary
    assert "&lt;i&gt;.png" in summary
    assert str(tmp_path) not in summary
    assert demo.predict(None, 0.3)[1][1] == demo.show(None, 0.3)[1]


def test_the_files_of_a_subject_are_shown_by_three_sliders(tmp_path: Path) -> None:
    model = tiny_model("volumes")
    demo = Demo(model)
    values = np.random.default_rng(0).random((2, 8, 9, 8))
    files = [
        str(write_nifti(tmp_path / f"s1_{name}.nii.gz", one))
        for name, one in zip(model.predictor.modalities, values, strict=True)
    ]
    setting = demo.view.setting((50, 50, 50))
    result, (file, summary, rows, plain, _) = demo.predict(files, setting)
    assert np.array_equal(result.mask, model.predict_image(files[::-1]).mask)
    assert Path(str(file)).name == "s1_flair_volumes.png"
    assert [row[:2] for row in rows] == [
        [name, round(ml, 3)] for name, ml in plain["ml"].items() if ml
    ]
    assert summary.count("<li>") == len(rows)
    moved = demo.show(result, demo.view.setting((0, 50, 50)))[0]
    with Image.open(str(file)) as before, Image.open(str(moved)) as after:
        assert not np.array_equal(before, after)
    # One file of two is refused, without the folder that the page keeps it in.
    nothing, (_, summary, *_) = demo.predict(files[:1], setting)
    assert nothing is None
    assert "s1_flair.nii.gz" in summary
    assert str(tmp_path) not in summary
    parts = {getattr(part, "elem_id", None): part for part in build_demo(model).blocks.values()}
    assert {"setting", "setting1", "setting2"} <= {*parts}
    assert (parts["given"].file_count, parts["given"].file_types) == ("multiple", [".nii", ".gz"])


def test_a_number_that_the_model_needs_is_asked_for(pictures: list[str]) -> None:
    demo = Demo(tiny_model("detection3d"))
    near, far = (demo.predict(pictures[0], 0.0, focal)[0] for focal in (60.0, 120.0))
    assert (near.projection[0, 0], far.projection[0, 0]) == (60, 120)
    assert [row[0] for row in demo.show(near, 0.0)[2]] == near.label_names
    for nothing in (None, 0, -3):
        result, (_, summary, *_) = demo.predict(pictures[0], 0.0, nothing)
        assert result is None
        assert "focal length" in summary
    labels = [part["props"].get("label") for part in build_demo(demo.model).config["components"]]
    assert "Focal length" in labels
    assert "Focal length" not in [
        part["props"].get("label")
        for part in build_demo(tiny_model("classification")).config["components"]
    ]


def test_old_drawings_go(demo: Demo, pictures: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    result, _ = demo.predict(pictures[0], 0.3)
    files = [Path(str(demo.show(result, 0.3)[0])) for _ in range(3)]
    assert [file.exists() for file in files] == [False, True, True]
    assert not files[0].parent.exists()


def test_what_is_known_of_a_model() -> None:
    facts = dict(describe_model(tiny_model("detection")))
    assert facts["Task"] == "detection"
    assert facts["Model"] == "mask_rcnn convnext"
    assert facts["Classes"] == "3: egg, disc, pebble"
    assert facts["Preprocessing"] == "short_side 48, long_side 80"
    assert facts["Trained"] == "0 epochs, 0 steps"


def test_an_example_that_is_absent_is_named(tmp_path: Path) -> None:
    with refuses(ConfigError, "example", "absent.png"):
        build_demo(tiny_model("detection"), examples=[tmp_path / "absent.png"])


# In the browser


@pytest.fixture(scope="module")
def address(pictures: list[str]) -> Iterator[str]:
    """Address of a page for a detector."""
    page = build_demo(tiny_model("detection"), examples=pictures)
    yield launch_demo(page, port=None, block=False)
    page.close()


def wait_for(found: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < end, "the page does not get there"
        time.sleep(0.1)
    return value


def test_the_page_may_load_nothing_from_elsewhere(address: str) -> None:
    with urllib.request.urlopen(address) as answer:
        policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_another_host_name_is_refused(address: str) -> None:
    for more in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(urllib.request.Request(address, headers=more))


def test_a_port_that_is_taken_is_said(address: str) -> None:
    port = urlsplit(address).port
    with pytest.raises(ConfigError, match=f"port {port}: .*Give another --port"):
        launch_demo(build_demo(tiny_model("detection")), port=port, block=False)


@needs_browser
def test_a_visitor_tries_the_model(address: str, pictures: list[str], tmp_path: Path) -> None:
    expected = tiny_model("detection").predict_image(pictures[0], threshold=0.0)
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    with open_browser() as driver:

        def find(selector: str) -> Any:
            found = driver.find_elements("css selector", selector)
            return found[0] if found else None

        def said() -> str:
            return find("#summary").text if find("#summary") else ""

        def table_rows() -> list[Any]:
            return driver.find_elements("css selector", "#table tr, #table [role=row]")

        def objects(count: int) -> Callable[[], bool]:
            return lambda: said().startswith(f"{count} object")

        show(driver, width=1280)
        driver.get(address)
        wait_for(lambda: find("#given input[type=file]")).send_keys(pictures[0])
        wait_for(objects(0))
        wait_for(lambda: find("#drawn img"))
        assert f"{len(expected)} have lower scores" in said()
        number = find("#setting input[type=number]")
        minimum = round(float(expected.scores[4]) - 0.005, 2)
        # As a person types it: the old number is chosen, and what is typed takes its place.
        number.send_keys("\ue009a\ue000", str(minimum), "\t")
        count = int((expected.scores >= minimum).sum())
        assert 0 < count < len(expected)
        wait_for(objects(count))
        # The table has a hidden copy of its head and of a row, by which it measures its columns.
        first = [expected.label_names[0], f"{expected.scores[0]:.3f}"]
        wait_for(lambda: any(row.text.split()[:2] == first for row in table_rows()))
        assert not [line for line in complaints(driver) if OWN not in line]

        for width in (390, 1280):
            colours = []
            for dark in (False, True):
                show(driver, width=width, dark=dark)
                driver.get(address)
                wait_for(lambda: find("#given input[type=file]"))
                wait_for(lambda: "Give a picture" in said())
                assert overflow(driver) == 0, (width, dark)
                colours.append(sum(background(driver)))
            assert colours[0] > 600 > 200 > colours[1]

        find("#given input[type=file]").send_keys(str(text))
        wait_for(lambda: find('#summary [role="alert"]'))
        assert "could not be read as a picture" in said()

        requests = [
            json.loads(line["message"])["message"] for line in driver.get_log("performance")
        ]
        addresses = [
            one["params"]["request"]["url"]
            for one in requests
            if one["method"] == "Network.requestWillBeSent"
        ]
        hosts = {urlsplit(url).netloc for url in addresses if url.startswith(("http", "ws"))}
        assert hosts == {urlsplit(address).netloc}
        assert not [line for line in complaints(driver) if "Content Security" in line]
