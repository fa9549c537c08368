from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.tiny_predict import tiny_model, write_pictures

from vision.cli.commands.demo import main
from vision.weights.model_file import write_model


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    model = tiny_model("classification")
    return write_model(tmp_path / "m.safetensors", model.task.state_dict(), model.description)


def test_the_command_serves_the_model_that_it_is_given(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = write_pictures(model_file.parent, ("a.png",))
    seen: dict[str, Any] = {}

    def build(model: Any, *, examples: Any) -> Any:
        seen.update(model=model, examples=examples)
        return SimpleNamespace(block_thread=lambda: seen.update(blocked=True))

    def launch(page: Any, **options: Any) -> str:
        seen.update(options)
        return "http://here"

    monkeypatch.setattr("vision.predict.demo.build_demo", build)
    monkeypatch.setattr("vision.predict.demo.launch_demo", launch)
    words = [str(model_file), "--port", "9000", "--device", "cpu", "--examples", example]
    assert main(words) == 0
    assert seen["model"].kind == "classification"
    assert seen["examples"] == [Path(example)]
    assert (seen["host"], seen["port"], seen["share"]) == ("127.0.0.1", 9000, False)
    assert seen["blocked"]
    assert "the page is at http://here" in capsys.readouterr().out


def test_a_model_that_is_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.ckpt")]) == 2
    assert "absent.ckpt" in capsys.readouterr().err
