"""Check a dataset: list all that is wrong with it at once, and what it holds.

    vision check-dataset ImageFolder --root data/flowers
    vision check-dataset COCO --root data/coco --num_workers 8 --json report.json
    vision check-dataset COCO --help

NAME is a dataset of the suite, or the import path of a class of your own; its options are those
that fit accepts as --data.KEY. Layout and annotations are checked, every image is decoded
once, and the splits are looked through for images that they share. What is worth a look but no
problem is printed as a note, and does not change the exit code.
Exit code: 0 the dataset is clean, 1 there are problems, 2 the command is wrong.
"""

import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from vision.cli.dataset_options import build_dataset, dataset_help
from vision.cli.ending import end
from vision.cli.progress_line import ProgressLine
from vision.errors import ConfigError
from vision.files import write_text
from vision.line_width import fit_text, help_width
from vision.outputs import check_output_file
from vision.program import command, with_commands
from vision.wording import counted

OPTIONS = "NAME [--root FOLDER] [--KEY VALUE ...] [--json FILE]"


def usage() -> str:
    """The form of the command."""
    return f"{command('check-dataset')} {OPTIONS}"


def check(name: str, words: Sequence[str], path: Path | None) -> int:
    """Check a dataset; 1 if anything is wrong with it."""
    if path is not None:
        check_output_file(path, option="--json")
    data = build_dataset(name, words, usage=usage(), begins=f"check {name}")
    from vision.data.check.report import check_dataset

    line = ProgressLine(every_s=0.2, log_every_s=5.0)

    def show_progress(done: int, total: int) -> None:
        line(f"read {done:,} of {counted(total, data.unit)}", last=done == total)
        if done == total:
            line.end()

    report = check_dataset(data, partial(print, flush=True), show_progress)
    for text in report.lines():
        print(text)
    if path is not None:
        content = {"dataset": name, **report.to_json()}
        write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return int(bool(report.problems))


def run(words: Sequence[str]) -> int:
    """Check, or say how that is done; returns the exit status."""
    arguments = list(words)
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else None
    if name is None or {"-h", "--help"} & {*arguments}:
        asked = bool({"-h", "--help"} & {*arguments})
        about = fit_text(with_commands(__doc__ or ""), help_width())
        text = f"{about}\n\nusage: {usage()}\n\n{dataset_help(name)}"
        print(text, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    return check(name, *take_report(arguments))


def main(words: Sequence[str]) -> int:
    """Run the command; 2 for a wrong one."""
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    return end(lambda: run(words))


def take_report(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """The options without `--json FILE`, and FILE."""
    rest = list(words)
    for place, word in enumerate(rest):
        flag, equals, path = word.partition("=")
        if flag != "--json":
            continue
        if not equals:
            path = "".join(rest[place + 1 : place + 2])
        if not path or path.startswith("--"):
            raise ConfigError("--json needs a path: --json FILE.")
        del rest[place : place + (1 if equals else 2)]
        return rest, Path(path)
    return rest, None
