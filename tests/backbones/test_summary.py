import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from vision.backbones.summary import Summary, format_table, summarise

ROOT = Path(__file__).parents[2]
ROWS = [
    Summary("swin_tiny", 28_288_354, 4.4907, (224, 224), 81.2, "authors", "https://x/y.pth"),
    Summary("cvt", 1_000, 10.0, (64, 32), None, None, None),
]


def test_a_published_variant() -> None:
    summary = summarise("convnext_tiny")
    assert summary.parameters == 28_589_128
    assert round(summary.gmacs, 4) == 4.4555  # facts.json
    assert (summary.input_size, summary.top1) == ((224, 224), 82.1)
    assert summary.publisher == "authors"
    assert summary.address.startswith("https://")


def test_a_model_of_timm() -> None:
    summary = summarise("timm/resnet18")
    assert summary.parameters == 11_689_512  # torchvision's count of the same network
    assert (summary.top1, summary.address) == (None, None)


def test_columns_of_text_are_aligned() -> None:
    assert format_table(ROWS).splitlines() == [
        "variant    parameters  GMACs  input  top-1  weights",
        "swin_tiny  28,288,354   4.49    224   81.2  authors: https://x/y.pth",
        "cvt             1,000  10.00  64x32      -  -",
    ]


def test_markdown() -> None:
    lines = format_table(ROWS, markdown=True).splitlines()
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: | --- |"
    assert lines[3] == "| cvt | 1,000 | 10.00 | 64x32 | - | - |"


def test_the_tool_prints_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = ROOT / "tools" / "models.py"
    monkeypatch.setattr(sys, "argv", [str(tool), "--pattern", "convnext_[st]*", "--json"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tool), run_name="__main__")
    assert ended.value.code == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["convnext_small", "convnext_tiny"]
    assert rows[1]["parameters"] == 28_589_128


def test_the_tool_refuses_a_pattern_without_a_match() -> None:
    # As a process of its own, as people start it.
    command = [sys.executable, str(ROOT / "tools" / "models.py"), "--pattern", "swim*"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (result.returncode, result.stdout) == (2, "backbones: loading PyTorch ...\n")
    assert "no backbone matches 'swim*'" in result.stderr
