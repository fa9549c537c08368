"""What is written and shown: names that lead elsewhere, links, unwritable paths, markup."""

import json
import os
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adversarial.case import Case, check, command, table, tool
from helpers.report_cases import classification_case, subject
from helpers.run_folders import write_run
from helpers.tiny_predict import tiny_model
from PIL import Image

from vision.cli.run_names import check_run_names
from vision.documents.csv_text import read_csv
from vision.documents.csv_writing import read_cell, write_table
from vision.documents.json_text import parse_json
from vision.documents.json_writing import to_json
from vision.draw.classification import ClassifiedImage, draw_classification
from vision.draw.classification_cells import train_cells
from vision.draw.curves import Curve, draw_curves
from vision.draw.detection import draw_detections
from vision.draw.figure import save_png
from vision.draw.labels import draw_labels
from vision.draw.train_batches import TrainBatch, draw_train_batch
from vision.files import replace_file, write_text
from vision.interop.hub import write_folder
from vision.interop.model_card import CardOptions
from vision.predict.job import predict_folder
from vision.predict.options import PredictOptions
from vision.report.build import write_report
from vision.report.compare import compare_runs, write_csv
from vision.report.compare_page import write_comparison
from vision.report.runs import read_runs

QUICKSTART = "configs/classification/digits/convnext_linear.yaml"
# What a page, a card, a table or a picture must not take for anything but text.
HOSTILE = (
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><b>", "&lt;b&gt;"),
    *("javascript:alert(1)", "a\nb", "a\x00b", "$x_{", "$x_{$", "\udce9", "\u202eabc", "", "😀"),
    *("x" * 10_000, "=1+1", "'=1", "-1", "@a", "\tb", "---", "```", "[a](http://b)"),
)


def run(*words: object) -> Callable[[Path], str]:
    """The quickstart's training with further options; it is refused before it starts."""
    return lambda folder: command("fit", "--config", QUICKSTART, "--runs_dir", folder, *words)


def below_file(use: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Give a path that lies below a file, which nobody can write, also not root."""

    def read(folder: Path) -> Any:
        (folder / "file").touch()
        return use(folder / "file" / "out")

    return read


# ------------------------------------------------------------------------------------------- names


def named(name: str, version: str | None = None) -> Callable[[Path], None]:
    """The same question as of `run`, without the time that a command takes."""
    return lambda folder: check_run_names(str(folder), name, version)


@table(
    Case("a name that leads upwards", run("--name", ".."), says=("--name '..'", "below --runs")),
    Case("a name that leads upwards later", named("a/../../b"), says=("--name", "'..'")),
    Case("a name from the root", run("--name", "/abs"), says=("--name '/abs'",)),
    Case("an empty name", named(""), says=("--name ''",)),
    Case("a name of a dot", named("."), says=("--name '.'",)),
    Case("a name of the home folder", named("~"), says=("--name '~'",)),
    Case("a name with a NUL", named("a\0b"), says=("--name 'a\\x00b'",)),
    Case("a name of two lines", named("a\nb"), says=("--name 'a\\nb'",)),
    Case("a name that is no Unicode", named("a\udce9"), says=("--name 'a\\udce9'",)),
    Case("a name with a back-slash", named("a\\b"), says=("--name",)),
    Case("a name that ends in a dot", named("a."), says=("--name 'a.'", "ends in a dot")),
    Case("a name of 300 letters", named("x" * 300), says=("300 bytes", "255")),
    Case("a name of two folders", named("digits/small set")),
    Case("a version of two folders", named("a", "a/b"), says=("--version 'a/b'", "one")),
    Case("a version that leads upwards", run("--version", ".."), says=("--version '..'",)),
    Case("an empty version", named("a", ""), says=("--version ''",)),
    Case("no folder of runs", lambda _: check_run_names("", "a", None), says=("--runs_dir ''",)),
    Case(
        "a folder of runs below a file", below_file(lambda out: run()(out)), says=("not a folder",)
    ),
)
def test_names_of_runs(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "runs").mkdir()
    check(case, tmp_path / "runs", caplog)
    assert os.listdir(tmp_path) == ["runs"]


# ------------------------------------------------------------------------------------------- paths

DEVICE = "/dev/null"
LATENCY = ("latency", "convnext_tiny", "--json")
COCO = ("coco", "--annotations", "absent", "--predictions", "absent")


@table(
    *(
        Case(f"{name} {' '.join(map(str, words[:1]))} below a file", use, says=("not a folder",))
        for name, words in (
            ("predict", ("absent", "absent", "--out")),
            ("export", ("absent.ckpt", "--format", "onnx", "--out")),
            ("quantize", ("absent.ckpt", "--out")),
            ("publish", ("hub", "absent", "--out")),
            ("compare", ("absent", "--html")),
            ("check_dataset", ("Digits", "--json")),
            ("shard", ("make", "absent")),
            ("prepare_imagenet", ("absent", "--root")),
            ("make_samples", ("coco", "--root")),
            ("benchmark", LATENCY),
            ("evaluate", (*COCO, "--csv")),
        )
        for use in [below_file(lambda out, name=name, words=words: tool(name, *words, out))]
    ),
    *(
        Case(f"{name} {option} of a folder", use, says=(option, "is a folder"))
        for name, words, option in (
            ("export", ("absent.ckpt", "--format", "onnx"), "--out"),
            ("quantize", ("absent.ckpt",), "--out"),
            ("compare", ("absent",), "--json"),
            ("compare", ("absent",), "--csv"),
            ("check_dataset", ("Digits",), "--json"),
            ("evaluate", COCO, "--json"),
        )
        for use in [lambda folder, n=name, w=words, o=option: tool(n, *w, o, folder)]
    ),
    Case("a device", lambda _: tool("compare", "absent", "--json", DEVICE), says=("no regular",)),
    Case("a NUL", lambda _: tool("compare", "absent", "--csv", "a\0b"), says=("a\\x00b",)),
    Case("a long name", lambda _: tool("compare", "a", "--csv", "x" * 300), says=("300 bytes",)),
    Case("an empty path", lambda _: tool("predict", "a", "b", "--out", " "), says=("is empty",)),
    Case(
        "keys below a file",
        below_file(
            lambda out: tool("publish", "keys", "a", "--naming", "timm", "--out", f"{out}.pth")
        ),
        says=("--out", "not a folder"),
    ),
    Case(
        "a repository that is none",
        lambda folder: tool("publish", "hub", "absent", "--out", folder, "--push", "../x"),
        says=("'../x'", "owner/name"),
    ),
    Case(
        "predictions below a file",
        below_file(
            lambda out: command(
                *("predict", "--config", QUICKSTART, "--model.weights", "absent", "--output", out)
            )
        ),
        says=("--output", "not a folder"),
    ),
)
def test_paths_are_judged_before_the_work(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(case, tmp_path, caplog)


# ------------------------------------------------------------------------------------------- links


def linked(name: str, use: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """A folder `in` with a link `name` to a folder outside, which must stay as it is."""

    def read(folder: Path) -> Any:
        outside, inside = folder / "outside", folder / "in"
        outside.mkdir()
        (outside / "kept").write_text("kept")
        place = inside / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(outside)
        try:
            return use(inside)
        finally:
            assert [path.name for path in outside.iterdir()] == ["kept"]

    return read


def replaced(name: str, use: Callable[[Path], Any]) -> Callable[[Path], str]:
    """A folder `in` with a link `name` to a file outside; what that file holds afterwards."""

    def read(folder: Path) -> str:
        outside = folder / "outside.txt"
        outside.write_text("kept")
        (folder / "in").mkdir()
        (folder / "in" / name).symlink_to(outside)
        use(folder / "in")
        return outside.read_text()

    return read


def predict_into(out: Path) -> Any:
    (out.parent / "images").mkdir()
    Image.new("RGB", (40, 40)).save(out.parent / "images" / "a.png")
    return predict_folder(
        tiny_model("classification"), out.parent / "images", out, PredictOptions()
    )


def hub_into(out: Path) -> Any:
    model = tiny_model("classification")
    return write_folder(out, model.task.state_dict(), model.description, card=CardOptions())


@table(
    Case("pictures", linked("pictures", predict_into), says=("pictures", "is a link to")),
    Case("masks", linked("masks/deep", predict_into), says=("deep", "outside of the folder")),
    Case(
        "a run of the name",
        linked("run", lambda runs: run("--name", "run")(runs)),
        says=("leads out of --runs_dir",),
    ),
    Case(
        "a version",
        linked("run/one", lambda runs: run("--name", "run", "--version", "one")(runs)),
        says=("leads out of --runs_dir",),
    ),
    Case(
        "a split", linked("train", lambda out: tool("shard", "make", "absent", out)), says=("link",)
    ),
    Case(
        "a class",
        linked("train/n01", lambda out: tool("prepare_imagenet", "absent", "--root", out)),
        says=("n01",),
    ),
    Case(
        "a part of a sample",
        linked("images", lambda out: tool("make_samples", "coco", "--root", out)),
        says=("images", "link"),
    ),
    Case("a card", replaced("README.md", hub_into), gives="kept"),
    Case("a config", replaced("config.json", hub_into), gives="kept"),
    Case("weights", replaced("model.safetensors", hub_into), gives="kept"),
    Case(
        "an unfinished file",
        replaced(".unfinished.a.txt", lambda out: write_text(out / "a.txt", "new")),
        gives="kept",
    ),
    Case(
        "a picture",
        replaced("a.png", lambda out: replace_file(out / "a.png", Image.new("L", (1, 1)).save)),
        gives="kept",
    ),
)
def test_links_are_not_followed_outside(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(case, tmp_path, caplog)


# ----------------------------------------------------------------------------- pages and tables


class Elements(HTMLParser):
    """The elements of a page, with the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, ...]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an element; that a link leads nowhere but into the page is checked at once."""
        self.found.add((tag, *sorted(name for name, _ in attrs)))
        assert all(
            value is None or value.startswith(("#", "data:image/"))
            for name, value in attrs
            if name in ("href", "src")
        )


def report_page(folder: Path, names: tuple[str, ...]) -> set[tuple[str, ...]]:
    folder.mkdir()
    record, source = classification_case(names=names, images=66)
    source.dataset.paths = [f"set/{name.replace('/', '')[:99]}{i}" for i, name in _cycle(names)]
    name = "".join(names)
    about = subject(folder)._replace(data={"name": name, "root": name}, command=name)
    write_report(folder / "out", record, about, source)
    assert len(json.loads((folder / "out" / "report.json").read_text())["classes"]) == len(names)
    return Elements((folder / "out" / "report.html").read_text()).found


def _cycle(names: tuple[str, ...]) -> list[tuple[int, str]]:
    return [(i, names[i % len(names)]) for i in range(66)]


def compare_page(folder: Path, name: str) -> set[tuple[str, ...]]:
    rows: list[dict[str, Any]] = [{"epoch": 0, "step": 1, f"val/{name[:99]}": 0.5}]
    runs = [write_run(folder / f"version_{i}", rows, name=name) for i in range(2)]
    compared = compare_runs(read_runs(runs))
    write_comparison(compared, folder / "page.html")
    write_csv(compared, folder / "table.csv")
    return Elements((folder / "page.html").read_text()).found


def test_pages_have_no_markup_of_names(tmp_path: Path) -> None:
    plain = report_page(tmp_path / "plain", tuple(f"class {i}" for i in range(len(HOSTILE))))
    assert report_page(tmp_path / "evil", HOSTILE) <= plain


def test_comparisons_have_no_markup_of_names(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "evil").mkdir()
    evil = "".join(HOSTILE[:5]) + "=1"
    assert compare_page(tmp_path / "evil", evil) <= compare_page(tmp_path / "plain", "plain")


def test_a_table_gives_back_what_it_took_and_holds_no_formula(tmp_path: Path) -> None:
    texts = [text for text in HOSTILE if "\x00" not in text and "\udce9" not in text]
    write_table(tmp_path / "a.csv", ("=name", "number"), [[text, -1.5] for text in texts])
    rows = read_csv(tmp_path / "a.csv")
    assert [read_cell(row["'=name"]) for row in rows] == texts
    assert {row["number"] for row in rows} == {"-1.5"}
    assert not [row for row in rows if row["'=name"][:1] in ("=", "+", "-", "@", "\t")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\udce9": ["a", -1e400]}])
def test_json_is_read_by_every_reader(value: Any) -> None:
    assert parse_json(to_json({"value": value, "kept": [1, "😀"]}), "it")["kept"] == [1, "😀"]


@pytest.mark.filterwarnings("ignore:Glyph")
def test_pictures_take_every_name(tmp_path: Path) -> None:
    image = torch.zeros(3, 32, 40, dtype=torch.uint8)
    nan, inf = float("nan"), float("inf")
    odd = [[1, 1, 9, 9], [nan] * 4, [0, 0, inf, 1], [9, 9, 1, 1], [-1e30, 0, 1e30, 9]]
    count = len(HOSTILE)
    boxes = torch.tensor([odd[i % len(odd)] for i in range(count)])
    found: Any = {"boxes": boxes, "labels": torch.arange(count), "scores": torch.ones(count)}
    target = {**found, "iscrowd": torch.zeros(count)}
    assert len(draw_detections(image, found, target, class_names=HOSTILE))
    assert len(draw_labels(image, [(i, name, 0.5) for i, name in enumerate(HOSTILE)]))
    batch = {"label": torch.arange(16)}
    assert draw_train_batch(train_cells, TrainBatch([image] * 16, batch, HOSTILE))
    curve = Curve(np.array([1, 2]), np.array([nan, inf]))
    for name in HOSTILE[:8]:
        metric = f"val/{name}"
        curves = {"train/loss": curve, metric: curve}
        figure = draw_curves(curves, title=name, shown=[metric], monitor=(metric, "max"))
        figure.draw_without_rendering()
    shown = [ClassifiedImage(image, i, 1, nan, count) for i in range(count)]
    confused = torch.eye(count, dtype=torch.int64)
    save_png(draw_classification(shown, confused, HOSTILE), tmp_path / "classes.png")


def test_a_page_says_which_chapter_cannot_be_shown(tmp_path: Path) -> None:
    record, source = classification_case()
    source.dataset.__class__ = type("Gone", (type(source.dataset),), {"__getitem__": gone})
    write_report(tmp_path / "out", record, subject(tmp_path), source)
    assert "a.png is gone" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "images.csv").is_file()


def gone(self: object, index: int) -> Any:
    raise FileNotFoundError("a.png is gone")
