"""One line per variant: parameters, multiply-adds, published top-1, where the weights are."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from vision.backbones.measure import count_gmacs, count_parameters
from vision.backbones.registry import create_backbone
from vision.weights.index import published_weights

NUM_CLASSES = 1000
_HEADINGS = ("variant", "parameters", "GMACs", "input", "top-1", "weights")


@dataclass(frozen=True)
class Summary:
    """One row of the table: a variant and its numbers.

    Attributes:
        name: Name that `create_backbone` takes.
        parameters: Number of parameters with a classifier of 1000 classes.
        gmacs: Billions of multiply-adds of `embed` and that classifier for one image.
        input_size: Height and width of that image in pixels.
        top1: Published ImageNet-1k top-1 in percent, or None.
        publisher: Who publishes the first source of the weights, or None if nobody does.
        address: URL, hub id or page of that source, or None.
    """

    name: str
    parameters: int
    gmacs: float
    input_size: tuple[int, int]
    top1: float | None
    publisher: str | None
    address: str | None


def summarise(name: str) -> Summary:
    """Measure a variant on the meta device, without using memory or computing anything.

    Args:
        name: Name of a variant, or `"timm/NAME"`.

    Raises:
        ConfigError: There is no such backbone.
    """
    with torch.device("meta"):
        backbone = create_backbone(name).eval()
    size = backbone.default_input.size
    published = published_weights().get(name)
    source = published.sources[0] if published else None
    return Summary(
        name=name,
        parameters=count_parameters(backbone, num_classes=NUM_CLASSES),
        gmacs=count_gmacs(backbone, size, num_classes=NUM_CLASSES),
        input_size=size,
        top1=published.top1 if published else None,
        publisher=source.publisher if source else None,
        address=source.address if source else None,
    )


def format_table(summaries: Iterable[Summary], *, markdown: bool = False) -> str:
    """Format summaries as a text or Markdown table.

    Args:
        summaries: The rows, in order.
        markdown: Whether to write Markdown.
    """
    rows = [_HEADINGS, *map(_cells, summaries)]
    if markdown:
        rows.insert(1, ("---", "---:", "---:", "---:", "---:", "---"))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # Numbers to the right, words to the left.
    align = (str.ljust, str.rjust, str.rjust, str.rjust, str.rjust, str.ljust)
    return "\n".join(
        "  ".join(
            put(cell, width) for put, cell, width in zip(align, row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _cells(summary: Summary) -> tuple[str, ...]:
    height, width = summary.input_size
    return (
        summary.name,
        f"{summary.parameters:,}",
        f"{summary.gmacs:.2f}",
        str(height) if height == width else f"{height}x{width}",
        "-" if summary.top1 is None else f"{summary.top1:.1f}",
        f"{summary.publisher}: {summary.address}" if summary.address else "-",
    )
