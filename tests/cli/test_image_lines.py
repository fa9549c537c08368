"""A line for each of the first images, and the classes of all."""

from typing import Any

import pytest
from helpers.tiny_predict import tiny_model, write_pictures

from vision.cli.image_lines import MAX_LINES, ImageLines


class Found:
    """The result of an image with some dogs."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def in_words(self) -> str:
        return ", ".join(self.names)

    def labels_found(self) -> list[str]:
        return list(self.names)


def test_twenty_images_then_all_together() -> None:
    lines: list[str] = []
    show: Any = ImageLines(lines.append)
    assert show.summary() is None
    for i in range(MAX_LINES + 5):
        show(f"{i}.png", Found("dog", "dog", f"class {i % 7}"))
    assert lines[0] == "0.png: dog, dog, class 0"
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "... (all are in predictions.jsonl)"
    assert show.summary().startswith("found: dog (50), class 0 (4), ")
    assert show.summary().endswith(" and 3 more classes")


def test_lines_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines: list[str] = []
    show: Any = ImageLines(lines.append)
    show("a.png", Found(*(f"class {i}" for i in range(30))))
    assert len(lines[0]) == 80
    assert len(show.summary()) <= 80


@pytest.mark.parametrize("kind", ["classification", "segmentation"])
def test_what_results_say(kind: str, tmp_path: Any) -> None:
    model = tiny_model(kind)
    (path,) = write_pictures(tmp_path, ("a.png",))
    result = model.predict_image(path)
    assert result.labels_found()
    assert set(result.labels_found()) <= set(model.class_names)
    assert result.labels_found()[0] in result.in_words()
