"""Check a dataset: list all that is wrong with it at once, and what it holds.

    python tools/check_dataset.py ImageFolder --root data/flowers
    python tools/check_dataset.py COCO --root data/coco --num_workers 8 --json report.json
    python tools/check_dataset.py COCO --help

NAME is a dataset of the suite, or the import path of a class of your own; its options are those
that train.py takes as --data.KEY. Layout and annotations are checked, every image is decoded
once, and the splits are looked through for images that they share. What is worth a look but no
problem is printed as a note, and does not change the exit code.
Exit code: 0 the dataset is clean, 1 there are problems, 2 the command is wrong.
"""

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.cli.dataset_options import build_dataset
from vision.cli.ending import end
from vision.errors import ConfigError
from vision.outputs import check_output_file

USAGE = "python tools/check_dataset.py NAME [--root FOLDER] [--KEY VALUE ...] [--json FILE]"
# Classes that the summary counts one by one; of more it names the rarest and the most frequent.
MAX_CLASSES = 20
SECONDS, SECONDS_ON_TERMINAL = 5.0, 0.2


class Progress:
    """Says on stderr how many images are read: in one line on a terminal, else now and then."""

    def __init__(self) -> None:
        self.on_terminal = sys.stderr.isatty()
        self.read = 0
        self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Note the number of images that are read, and of all."""
        self.read = done
        pause = SECONDS_ON_TERMINAL if self.on_terminal else SECONDS
        if done < total and time.monotonic() - self._said < pause:
            return
        self._said = time.monotonic()
        end = "\r" if self.on_terminal and done < total else "\n"
        print(f"read {done:,} of {total:,} images", end=end, file=sys.stderr, flush=True)


def check(name: str, words: Sequence[str], report: Path | None) -> int:
    """Check a dataset; 1 if anything is wrong with it."""
    if report is not None:
        check_output_file(report, option="--json")
    data = build_dataset(name, words, usage=USAGE)
    progress, problems, remarks = Progress(), [], list[str]()
    for problem in data.problems(progress, remarks):
        problems.append(" ".join(problem.splitlines()))
        print(problems[-1], flush=True)
    splits = data.summary()
    for line in summary_lines(splits, data.unit):
        print(line)
    for remark in remarks:
        print(f"note: {remark}")
    number = f"{len(problems):,} problem{'s' if len(problems) > 1 else ''}"
    print(f"decoded {progress.read:,} {data.unit}: {number if problems else 'all is well'}.")
    if report is not None:
        content = {
            "dataset": name,
            "problems": problems,
            "remarks": remarks,
            "images_decoded": progress.read,
            "splits": splits,
        }
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        try:
            report.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--json {report} cannot be written: {error.strerror}.") from error
    return int(bool(problems))


def summary_lines(splits: Mapping[str, Mapping[str, Any]], unit: str) -> Iterator[str]:
    """What each split holds, in lines to read; a sample is one of the `unit`."""
    for split, found in splits.items():
        parts = [f"{found['images']:,} {unit}"]
        for key in ("objects", "crowd_regions", "empty_images"):
            if key in found:
                parts.append(f"{found[key]:,} {key.replace('_', ' ')}")
        parts += [f"{count:,} {why} dropped" for why, count in found.get("dropped", {}).items()]
        yield f"{split}: {', '.join(parts)}"
        counts = sorted(found.get("classes", {}).items(), key=lambda item: -item[1])
        if len(counts) > MAX_CLASSES:
            first, last = (f"{name} {count:,}" for name, count in (counts[0], counts[-1]))
            absent = sum(not count for _, count in counts)
            yield f"  {len(counts):,} classes, {absent:,} of them absent; from {first} to {last}"
        elif counts:
            yield "  " + ", ".join(f"{name} {count:,}" for name, count in counts)


def help_of(name: str | None) -> str:
    """The usage, and the options of a dataset."""
    from vision.cli.names import CLASSES, find_class
    from vision.cli.parser import class_options

    names = ", ".join(CLASSES["data"])
    text = f"{__doc__}\nusage: {USAGE}\n\nNAME is one of {names}.\n"
    if name is None:
        return text
    options = class_options("data", find_class("data", name, source="command line")).format_help()
    options = options[options.find("  --data.") :].replace("--data.", "--")
    return f"{text}\noptions of {name}:\n{options}"


def run(words: Sequence[str]) -> int:
    """Check, or say how that is done; returns the exit status."""
    arguments = list(words)
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else None
    if name is None or {"-h", "--help"} & {*arguments}:
        asked = bool({"-h", "--help"} & {*arguments})
        print(help_of(name), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    return check(name, *take_report(arguments))


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; 2 for a wrong one."""
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    return end(lambda: run(sys.argv[1:] if words is None else words))


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


if __name__ == "__main__":
    sys.exit(main())
