"""Where published weights are available, from the data file `index.json` beside this module.

Every variant has the top-1 that its authors published, and sources of the same weights in order of
preference. The SHA-256 of a file is given where its publisher gives one; the hub gives it with
each file, and it is checked there.
"""

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class WeightsSource:
    """One place that offers the weights of a variant.

    Attributes:
        publisher: `"authors"`, `"timm"` or `"Hugging Face"`.
        keys: Whose key names the file has: `"official"`, `"timm"` or `"huggingface"`.
        licence: Licence of the weights as their publisher states it.
        dataset: What the weights were trained on.
        num_classes: Classes of the classifier in the file; None if the publisher does not say.
        url: Address of the file, or None.
        hub: `"hf://owner/repo[/file]"`, or None.
        page: Page of a drive from which only a person can download, or None.
        sha256: SHA-256 of the file in hexadecimal, or None.
        sha256_prefix: Its first digits, where the publisher gives no more, or None.
        note: A note for downloads by hand.
    """

    publisher: str
    keys: str
    licence: str
    dataset: str
    num_classes: int | None = None
    url: str | None = None
    hub: str | None = None
    page: str | None = None
    sha256: str | None = None
    sha256_prefix: str | None = None
    note: str | None = None

    @property
    def address(self) -> str:
        """The URL, hub id or page, whichever the source has."""
        return self.url or self.hub or self.page or ""


@dataclass(frozen=True)
class PublishedWeights:
    """The published weights of a variant.

    Attributes:
        top1: Published ImageNet-1k top-1 in percent, or None if these weights have none.
        input_size: Side in pixels of the square image at which `top1` was measured.
        citation: Where `top1` is published.
        sources: Where the weights are, in order of preference.
    """

    top1: float | None
    input_size: int
    citation: str
    sources: tuple[WeightsSource, ...]


@functools.cache
def published_weights() -> dict[str, PublishedWeights]:
    """The index: variant name, such as `"swin_tiny"`, to its published weights."""
    text = resources.files("vision.weights").joinpath("index.json").read_text(encoding="utf-8")
    return {name: _entry(row) for name, row in json.loads(text).items()}


def _entry(row: dict[str, Any]) -> PublishedWeights:
    sources = tuple(WeightsSource(**source) for source in row["sources"])
    return PublishedWeights(row["top1"], row["input_size"], row["citation"], sources)
