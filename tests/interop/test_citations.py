"""Papers of every architecture that the suite has."""

from pathlib import Path

import pytest

from vision.backbones.registry import families_of
from vision.interop.citations import papers, papers_of
from vision.kinds import KINDS
from vision.task_parts import find_part

DESIGNS = dict.fromkeys(
    name for kind, row in KINDS.items() if row.designs for name in find_part(kind, "designs")
)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", [*families_of("image"), *families_of("points"), *DESIGNS])
def test_everything_has_a_paper(name: str) -> None:
    # mmsegmentation's heads have as many papers as there are heads.
    assert (name in papers()) == (name != "mmseg")


@pytest.mark.parametrize("family", families_of("image"))
def test_papers_of_backbones_are_those_of_the_documentation(family: str) -> None:
    paper = papers()[family]
    lines = [line for line in (DOCS / "backbones.md").read_text().splitlines() if paper.url in line]
    assert any(paper.title in line and f"{paper.venue} {paper.year}" in line for line in lines)


def test_the_papers_of_a_model_in_order() -> None:
    keys = [paper.key for paper in papers_of("swin_tiny", ["mask_rcnn"])]
    assert keys == ["liu2021swin", "he2017mask", "lin2017fpn"]
    assert [paper.key for paper in papers_of("timm/resnet50", [])] == ["wightman2019timm"]
    volumes = papers_of("swin_volume_48", ["swin_unetr"])
    assert [paper.key for paper in volumes] == ["liu2021swin", "hatamizadeh2022swin"]
    assert [paper.key for paper in papers_of("swin3d_large", ["swin3d"])] == ["yang2023swin3d"]
    points = papers_of("flatformer_128", ["centerpoint"])
    assert [paper.key for paper in points] == ["liu2023flatformer", "yin2021centerpoint"]
    assert papers_of("MyOwn", ["unheard_of"]) == []


def test_an_entry_is_bibtex() -> None:
    entry = papers()["tnt"].bibtex()
    assert entry.startswith("@inproceedings{han2021tnt,\n  title = {{Transformer in Transformer}},")
    assert entry.count("{") == entry.count("}")
    assert len({paper.key for paper in papers().values()}) == len(papers())
