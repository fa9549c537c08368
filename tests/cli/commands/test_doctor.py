"""The report for a bug: what it holds, and what it must not hold."""

import getpass
import json
import platform
import socket
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from vision.cli.commands.doctor import main


@pytest.fixture(scope="module")
def report() -> dict[str, dict[str, str]]:
    """The report as JSON, and its text under `text`."""
    with pytest.MonkeyPatch.context() as context:
        written: list[str] = []
        context.setattr("builtins.print", lambda text, **_: written.append(text))
        assert main(["--json"]) == 0
        found = json.loads(written.pop())
        assert main([]) == 0
        return {**found, "text": {"all": "\n".join(written)}}


def test_versions_are_those_that_are_installed(report: dict[str, dict[str, str]]) -> None:
    versions = report["versions"]
    assert versions["python"].startswith(platform.python_version())
    for name in ("torch", "lightning", "jsonargparse", "pyyaml"):
        assert versions[name] == version(name)
    assert report["machine"]["PyTorch"].startswith(torch.__version__)
    assert report["problems"] == []


def test_devices_and_disks_are_described(report: dict[str, dict[str, str]]) -> None:
    assert report["machine"]["threads"] == f"{torch.get_num_threads()} of PyTorch"
    assert (report["machine"]["GPUs"] == "none") is not torch.cuda.is_available()
    places = {"current folder", "published weights", "Hugging Face", "annotations"}
    assert report["free disk"].keys() == places
    for free in report["free disk"].values():
        least, whole = (float(word) for word in free.removesuffix(" GiB").split(" GiB of "))
        assert 0 <= least <= whole


def test_optional_packages_are_named_by_their_extra(report: dict[str, dict[str, str]]) -> None:
    assert {"export", "streaming", "demo"} <= report["optional packages"].keys()
    text = report["text"]["all"]
    assert "optional packages\n" in text
    for extra, packages in report["optional packages"].items():
        assert packages.startswith("without ") or version(packages.split()[0]) in packages
        assert f"  {extra} " in text


def test_it_names_no_person_and_no_folder(report: dict[str, dict[str, str]]) -> None:
    text = report["text"]["all"].lower()
    for secret in (getpass.getuser(), socket.gethostname(), str(Path.home()), str(Path.cwd())):
        if len(secret) > 4:  # "root" is a word of its own
            assert secret.lower() not in text


def test_what_is_absent_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "vision.cli.commands.doctor.requirements",
        lambda extra: ["torch", "nothing-like-this>=1"] if extra is None else ["torch"],
    )
    assert main([]) == 1
    assert "nothing-like-this is absent" in capsys.readouterr().err
