"""The line that installs optional packages fits how the suite was installed."""

import json
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from vision.extras import extras, install_line, requirements

METADATA = """Metadata-Version: 2.1
Name: vision-suite
Version: 0.1.0
Provides-Extra: export
Provides-Extra: test
Requires-Dist: torch>=2.11
Requires-Dist: onnx>=1.18; extra == "export"
Requires-Dist: onnxruntime>=1.22; extra == "export"
Requires-Dist: vision-suite[export]; extra == "test"
Requires-Dist: pytest>=8; extra == "test"
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of an installed suite; `pip` is found beside the interpreter."""
    info = tmp_path / "vision_suite.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (tmp_path / "pip").write_text("#!/bin/sh\n")
    (tmp_path / "pip").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("vision.extras.distribution", lambda _: PathDistribution(info))
    monkeypatch.chdir(tmp_path)
    return info


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (None, 'pip install "vision-suite[export]"'),
        ({"url": "file://FOLDER", "dir_info": {"editable": True}}, 'pip install -e ".[export]"'),
        ({"url": "file://FOLDER/a%20b", "dir_info": {}}, 'pip install "a b[export]"'),
        (
            {"url": "file://FOLDER/w.whl", "archive_info": {}},
            'pip install "vision-suite[export] @ file://FOLDER/w.whl"',
        ),
        (
            {"url": "https://here/w.whl", "archive_info": {}},
            'pip install "vision-suite[export] @ https://here/w.whl"',
        ),
        (
            {"url": "https://here/r", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            'pip install "vision-suite[export] @ git+https://here/r@abc"',
        ),
        # What it was installed from is gone.
        (
            {"url": "file://FOLDER/old.whl", "archive_info": {}},
            'pip install "onnx>=1.18" "onnxruntime>=1.22"',
        ),
        (
            {"url": "file://FOLDER/gone", "dir_info": {}},
            'pip install "onnx>=1.18" "onnxruntime>=1.22"',
        ),
    ],
)
def test_the_line_names_what_the_suite_was_installed_from(
    suite: Path, tmp_path: Path, found: dict | None, line: str
) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "w.whl").touch()
    if found is not None:
        text = json.dumps(found).replace("FOLDER", str(tmp_path))
        (suite / "direct_url.json").write_text(text)
    assert install_line("export") == line.replace("FOLDER", str(tmp_path))


def test_requirements_of_an_extra_are_its_own(suite: Path) -> None:
    assert requirements(None) == ["torch>=2.11"]
    assert requirements("export") == ["onnx>=1.18", "onnxruntime>=1.22"]
    assert requirements("test") == ["pytest>=8"]
    assert extras() == ["export", "test"]


def test_without_pip_on_the_path_the_interpreter_runs_it(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert install_line("export").startswith("python -m pip install ")
