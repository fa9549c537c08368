"""A count that has risen fails; the counts stored with the package are of all families."""

import json
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from torch import nn

from vision.benchmarks.check import STORED, check_counts
from vision.benchmarks.counts import COUNTED, SHORTENED, count_graphs, count_kept
from vision.benchmarks.operators import count_operators
from vision.benchmarks.waits import WAITING
from vision.errors import ConfigError


def stored_counts(path: Path, counts: dict[str, float]) -> Path:
    contents = {"versions": {"torch": "1.0"}, "counts": {"swin_tiny": counts}}
    path.write_text(json.dumps(contents))
    return path


def check(file: Path, found: dict[str, float], *, store: bool = False) -> int:
    return check_counts(names=["swin_tiny"], file=file, store=store, count=lambda name: found)


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        ({"FLOPs": 1000, "graphs": 1}, 0, "0 changed, 0 risen"),
        ({"FLOPs": 1020, "graphs": 1}, 0, "changed: swin_tiny, FLOPs: 1,020"),
        ({"FLOPs": 500, "graphs": 1}, 0, "where 1,000 is stored (-50.0%)"),
        ({"FLOPs": 1021, "graphs": 1}, 1, "RISE: swin_tiny, FLOPs: 1,021"),
        ({"FLOPs": 1000, "graphs": 2}, 1, "RISE: swin_tiny, graphs: 2"),
        ({"FLOPs": 1000, "syncs": 0}, 1, "RISE: swin_tiny, syncs: 0, where none is stored"),
    ],
)
def test_a_rise_above_two_percent_fails_and_is_named(
    found: dict[str, float],
    status: int,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = stored_counts(tmp_path / "counts.json", {"FLOPs": 1000, "graphs": 1})
    assert check(file, found) == status
    printed = capsys.readouterr().out
    assert says in printed
    assert ("vision benchmark check --store" in printed) == bool(status)
    assert ("stored with torch 1.0; this is" in printed) == bool(status)


def test_stored_counts_are_what_is_compared_with_afterwards(tmp_path: Path) -> None:
    file = stored_counts(tmp_path / "counts.json", {"FLOPs": 1000})
    assert check(file, {"FLOPs": 2000}) == 1
    assert check(file, {"FLOPs": 2000}, store=True) == 0
    assert check(file, {"FLOPs": 2000}) == 0


def test_a_name_or_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with refuses(ConfigError, "swin_tinny", "Did you mean 'swin_tiny'"):
        check_counts(names=["swin_tinny"])
    with refuses(ConfigError, "none.json is absent", "--store"):
        check(tmp_path / "none.json", {})
    (tmp_path / "list.json").write_text("{}")
    with refuses(ConfigError, "list.json", "holds no counts"):
        check(tmp_path / "list.json", {})


def test_counts_of_every_family_and_kind_are_stored() -> None:
    stored = json.loads(STORED.read_text())["counts"]
    assert stored.keys() == {*COUNTED}
    for names in (SHORTENED, WAITING):
        assert len({frozenset(stored[name]) for name in names}) == 1


def test_bytes_kept_are_those_stored() -> None:
    stored = json.loads(STORED.read_text())["counts"]["convnext_tiny"]
    for what, count in count_kept("convnext_tiny").items():
        assert count <= 1.02 * stored[what]


def test_operators_and_graph_breaks_are_counted() -> None:
    called = count_operators(lambda: (torch.ones(2) + 1).relu())
    assert called.total() == 3

    class Breaks(nn.Module):
        def embed(self, images: torch.Tensor) -> torch.Tensor:
            images = images + 1
            torch._dynamo.graph_break()
            return images * 2

    assert count_graphs(Breaks()) == 2
