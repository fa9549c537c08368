"""List the configs of the suite: task, dataset, backbone, published and own result.

    vision configs
    vision configs coco/swin
    vision configs "*_upernet*" --json

PATTERN is a part of the names, or a pattern for whole names. The first column is what --config
accepts; a config names what it builds on, so that it makes a run by itself.
"""

import argparse
import json
from collections.abc import Sequence
from itertools import groupby

from vision.cli.ending import command_parser, end
from vision.line_width import cut_line
from vision.wording import counted


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("configs", __doc__)
    parser.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="which ones")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    return parser


def list_configs(options: argparse.Namespace) -> int:
    """Print the list; returns the exit status."""
    from vision.cli.config_cards import list_cards, shortened
    from vision.cli.config_files import configs_folder, short_name

    cards = list_cards(options.pattern)
    if options.json:
        print(json.dumps([card._asdict() for card in cards], indent=2, ensure_ascii=False))
        return 0
    for (task, dataset), group in groupby(cards, key=lambda card: (card.task, card.dataset)):
        rows = [
            (short_name(card.name), card.backbone, shortened(card.published), shortened(card.ours))
            for card in group
        ]
        print(f"{task} on {dataset}")
        rows.insert(0, ("config", "backbone", "published", "ours"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = zip(row, widths, strict=True)
            line = "  ".join(cell.ljust(width) for cell, width in cells).rstrip()
            print(cut_line(f"  {line}"))
        print()
    print(f"{counted(len(cards), 'configs')} in {configs_folder()}")
    return 0


def main(words: Sequence[str]) -> int:
    """Run the command; 2 for a pattern that no config matches."""
    return end(lambda: list_configs(build_parser().parse_args(words)))
