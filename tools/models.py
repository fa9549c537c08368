"""Print a table of the backbones: parameters, multiply-adds, published top-1, source of weights.

    python tools/models.py --pattern "swin*"
    python tools/models.py --markdown > table.md

Parameters and multiply-adds are measured with a classifier of 1000 classes, at the input size of
the published result. The top-1 is the authors' own number; `vision/weights/index.json` cites it.
"""

import argparse
import dataclasses
import json
import sys

from vision import list_backbones
from vision.backbones.summary import format_table, summarise
from vision.errors import VisionError


def main() -> int:
    """Run the command; 2 for a wrong pattern."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument(
        "--pattern", default="*", help="which ones, such as 'swin*' or 'timm/resnet*'"
    )
    layout = parser.add_mutually_exclusive_group()
    layout.add_argument("--json", action="store_true", help="print a list of objects")
    layout.add_argument("--markdown", action="store_true", help="print a Markdown table")
    arguments = parser.parse_args()
    try:
        names = list_backbones(arguments.pattern)
        summaries = [summarise(name) for name in names]
    except VisionError as error:
        print(error, file=sys.stderr)
        return 2
    if not summaries:
        print(f"no backbone matches '{arguments.pattern}'.", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps([dataclasses.asdict(summary) for summary in summaries], indent=2))
    else:
        print(format_table(summaries, markdown=arguments.markdown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
