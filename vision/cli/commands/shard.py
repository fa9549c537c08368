"""Make, index and check tar shards, for data that do not fit one disk.

    vision shard make data/flowers data/flowers_shards
    vision shard make COCO data/coco_shards --data.root data/coco
    vision shard index FOLDER --classes classes.txt
    vision shard check FOLDER

`make` writes a dataset as shards: the images of class folders (train/CLASS/*, val/CLASS/*, or
CLASS/*), or a dataset of the suite or your own by its name, with its options as --data.KEY VALUE;
`index` makes the index of WebDataset shards that are there already; `check` reads everything.
FOLDER is a folder or a URL (s3://bucket/folder) with *.tar, or with train, val and test that hold
*.tar.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vision.cli.announce import announce
from vision.cli.arguments import real, whole
from vision.cli.dataset_options import build_dataset
from vision.cli.ending import command_parser, end
from vision.documents.text import read_lines
from vision.errors import ConfigError
from vision.options import MAX_PROCESSES, MAX_SEED
from vision.outputs import check_output_folder
from vision.program import command as command_line
from vision.reading import MAX_SETTINGS_BYTES
from vision.task_parts import kinds_with
from vision.wording import counted

if TYPE_CHECKING:
    from vision.data.base.datamodule import DataModule
    from vision.data.shards.index import ShardIndex

USAGE = "SOURCE OUT [--data.KEY VALUE ...]"


def make(arguments: argparse.Namespace) -> int:
    """Write shards."""
    check_output_folder(arguments.out, option="OUT")
    source = read_source(arguments)
    from vision.data.shards.writer import make_shards

    made = make_shards(
        source,
        arguments.out,
        shard_bytes=int(arguments.shard_bytes),
        seed=arguments.seed,
        workers=arguments.workers,
    )
    report({f"{arguments.out}/{split}": index for split, index in made.items()})
    return 0


def read_source(arguments: argparse.Namespace) -> "DataModule":
    """The dataset that SOURCE names: a folder, or a class with the options that are left."""
    source, more = arguments.source, arguments.more
    begins = f"make shards of {source}"
    if not os.path.isdir(source) and os.sep not in source:
        usage = f"{command_line('shard')} make {USAGE}"
        return build_dataset(source, more, usage=usage, begins=begins)
    if more:
        raise ConfigError(f"'{more[0]}' is for the name of a dataset; '{source}' is a folder.")
    announce(begins)
    from vision.data.datasets.image_folder import ImageFolder

    return ImageFolder(
        root=source, val_fraction=arguments.val_fraction, seed=arguments.seed, num_workers=0
    )


def index(arguments: argparse.Namespace) -> int:
    """Make the index of shards."""
    announce(f"index {arguments.folder}")
    from vision.data.shards.folders import index_folder

    classes = arguments.classes and read_lines(
        arguments.classes, max_bytes=MAX_SETTINGS_BYTES, what="file of classes"
    )
    report(
        index_folder(
            arguments.folder,
            class_names=classes,
            kind=arguments.kind,
            field=arguments.field,
            workers=arguments.workers,
        )
    )
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Read everything; 1 if anything is wrong."""
    announce(f"check {arguments.folder}")
    from vision.data.shards.folders import check_folder

    problems = 0
    for problem in check_folder(arguments.folder, field=arguments.field, workers=arguments.workers):
        print(problem)
        problems += 1
    print(f"{counted(problems, 'problems')}." if problems else "everything can be read.")
    return int(problems > 0)


def report(indices: dict[str, "ShardIndex"]) -> None:
    """Say what there is now."""
    for folder, made in indices.items():
        size = sum(shard.size for shard in made.shards)
        print(
            f"{folder}: {counted(len(made), 'images')} of "
            f"{counted(len(made.class_names), 'classes')} in "
            f"{counted(len(made.shards), 'shards')}, {size / 1e9:.3f} GB"
        )


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("shard", __doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "make",
        help="write a dataset as shards",
        allow_abbrev=False,
        epilog="Options of a dataset, such as --data.root FOLDER, come last; "
        f"`{command_line('check-dataset')} NAME --help` lists them.",
    )
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder with train/CLASS/* and val/CLASS/*, or CLASS/*; or the name of a dataset",
    )
    command.add_argument("out", metavar="OUT", help="gets train, val and maybe test")
    command.add_argument("--shard-bytes", type=real(1, 1e15), default=300e6, help="default 300e6")
    command.add_argument(
        "--val-fraction", type=real(0, 1), default=0.2, help="of CLASS/*; default 0.2"
    )
    command.add_argument(
        "--seed", type=whole(0, MAX_SEED), default=0, help="of the order of training; default 0"
    )
    command.add_argument(
        "--workers", type=whole(1, MAX_PROCESSES), default=1, help="shards at a time; default 1"
    )
    command.set_defaults(run=make)
    for run, text in ((index, "make the index of shards"), (check, "read and decode everything")):
        command = commands.add_parser(run.__name__, help=text)
        command.add_argument("folder", metavar="FOLDER", help="a folder or a URL")
        command.add_argument("--field", default="label", help="of KEY.json; default label")
        command.add_argument(
            "--workers", type=whole(1, MAX_PROCESSES), default=1, help="shards at a time; default 1"
        )
        if run is index:
            command.add_argument(
                "--kind",
                choices=kinds_with("shard_form"),
                help="task; default that of an index there",
            )
            command.add_argument("--classes", type=Path, help="names of the classes, a line each")
        command.set_defaults(run=run)
    return parser


def main(words: Sequence[str]) -> int:
    """Run the command; 2 for anything that the user can fix."""

    def run_command() -> int:
        parser = build_parser()
        arguments, more = parser.parse_known_args(words)
        if more and arguments.run is not make:
            parser.error(f"unrecognized arguments: {' '.join(more)}")
        arguments.more = more
        return arguments.run(arguments)

    return end(run_command)
