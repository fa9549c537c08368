"""Print a table of the backbones: parameters, multiply-adds, published top-1, source of weights.

    vision models --pattern "swin*"
    vision models --markdown > table.md

Parameters and multiply-adds are measured with a classifier of 1000 classes, at the input size of
the published result. The top-1 is the authors' own number; `vision/weights/index.json` cites it.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence

from vision.cli.announce import announce
from vision.cli.ending import command_parser, end
from vision.errors import ConfigError
from vision.line_width import cut_line


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("models", __doc__)
    parser.add_argument(
        "--pattern", default="*", help="which ones, such as 'swin*' or 'timm/resnet*'"
    )
    layout = parser.add_mutually_exclusive_group()
    layout.add_argument("--json", action="store_true", help="print a list of objects")
    layout.add_argument("--markdown", action="store_true", help="print a Markdown table")
    return parser


def list_models(arguments: argparse.Namespace) -> int:
    """Print the table; returns the exit status."""
    if not (arguments.json or arguments.markdown):
        announce("backbones")
    from vision.backbones.registry import list_backbones
    from vision.backbones.summary import format_table, summarise

    summaries = [summarise(name) for name in list_backbones(arguments.pattern)]
    if not summaries:
        raise ConfigError(f"no backbone matches '{arguments.pattern}'.")
    if arguments.json:
        print(json.dumps([dataclasses.asdict(summary) for summary in summaries], indent=2))
    else:
        lines = format_table(summaries, markdown=arguments.markdown).splitlines()
        print("\n".join(lines if arguments.markdown else map(cut_line, lines)))
    return 0


def main(words: Sequence[str]) -> int:
    """Run the command; 2 for a wrong pattern."""
    return end(lambda: list_models(build_parser().parse_args(words)))
