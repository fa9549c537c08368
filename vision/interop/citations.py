"""The papers to cite for a model, as BibTeX, for model cards.

They are in the data file `vision/weights/papers.json`.
"""

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes:
        key: Key of the entry.
        title: Title.
        authors: Authors, joined as in BibTeX.
        venue: Conference or journal.
        year: Year of publication.
        url: URL of the paper or the software.
        also: Name of a part that comes with it, whose paper is cited too; None for none.
    """

    key: str
    title: str
    authors: str
    venue: str
    year: int
    url: str
    also: str | None = None

    def bibtex(self) -> str:
        """The BibTeX entry."""
        fields = {
            "title": f"{{{self.title}}}",
            "author": self.authors,
            "booktitle": self.venue,
            "year": str(self.year),
            "url": self.url,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@inproceedings{{{self.key},", *lines, "}"])


@functools.cache
def papers() -> dict[str, Paper]:
    """The paper of each backbone family, detector, neck and head, by name."""
    text = resources.files("vision.weights").joinpath("papers.json").read_text(encoding="utf-8")
    return {name: Paper(**row) for name, row in json.loads(text).items()}


def papers_of(backbone: str, parts: Iterable[str]) -> list[Paper]:
    """The papers of a model.

    Args:
        backbone: Name of the backbone, such as `"swin_tiny"` or `"timm/resnet50"`.
        parts: Names of the parts on it, such as `"mask_rcnn"`; those without a paper here are
            skipped.

    Returns:
        The papers, the backbone's first; each once, where backbone and head have the same.
    """
    names = [backbone.partition("/")[0].partition("_")[0].lower(), *parts]
    known = papers()
    found = [known[name] for name in dict.fromkeys(names) if name in known]
    return [one for paper in found for one in (paper, *([known[paper.also]] if paper.also else []))]
