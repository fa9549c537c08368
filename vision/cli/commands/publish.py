"""Hand a trained model over: under the names of another implementation, or as a folder for the hub.

    vision publish keys runs/NAME/version_0 --naming timm --out model.safetensors
    vision publish keys CKPT --naming mmseg --out model.pth
    vision publish hub CKPT --out FOLDER --licence apache-2.0 --dataset imagenet-1k
    vision publish hub CKPT --out FOLDER --push owner/name

`keys` writes the weights under the names of `official` (the code of the backbone's authors),
`timm`, `huggingface` (transformers), `mmdet` or `mmseg`; they load there with `strict=True`. Of a
detector or a segmentor `official` is only the backbone. A `.pth` for mmdet and mmseg also has the
names of the classes.

`hub` writes `model.safetensors`, `config.json`, a model card `README.md`, and the run's
`config.yaml` where it lies beside the checkpoint. `vision.load("hf://owner/name")` and
`vision.load(FOLDER)` read it. Nothing is sent anywhere without `--push`.

The exit status is 2 if the model cannot be read or has no such names.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vision.cli.announce import announce
from vision.cli.arguments import add_task
from vision.cli.ending import command_parser, end
from vision.errors import ConfigError
from vision.outputs import check_output_file, check_output_folder
from vision.task_parts import read_column

# Those of `vision.weights.names.write`, which needs torch.
NAMINGS = ("official", "timm", "huggingface", "mmdet", "mmseg")
SUFFIXES = (".safetensors", ".pth")


def add_keys(commands: Any) -> None:
    """Add the command `keys` to the parsers of argparse."""
    parser = commands.add_parser("keys", help="weights under the names of another implementation")
    parser.add_argument("checkpoint", help="a checkpoint, the folder of a run, or hf://owner/name")
    parser.add_argument("--naming", required=True, choices=NAMINGS, help="whose names")
    parser.add_argument("--out", required=True, type=Path, help=".safetensors or .pth")
    add_task(parser)
    parser.set_defaults(run=run_keys)


def add_hub(commands: Any) -> None:
    """Add the command `hub` to the parsers of argparse."""
    parser = commands.add_parser("hub", help="a folder for the Hugging Face hub")
    parser.add_argument("checkpoint", help="a checkpoint, the folder of a run, or a .safetensors")
    parser.add_argument("--out", required=True, type=Path, help="the folder")
    parser.add_argument("--name", help="name of the model on its card")
    parser.add_argument("--licence", help="identifier of the licence, such as apache-2.0")
    parser.add_argument("--dataset", help="training dataset, an id of the hub if it has one")
    parser.add_argument("--push", metavar="OWNER/NAME", help="send it to this repository")
    parser.add_argument("--private", action="store_true", help="make that repository private")
    add_task(parser)
    parser.set_defaults(run=run_hub)


def run_keys(arguments: argparse.Namespace) -> None:
    """Write the weights of a model under other names."""
    import vision
    from vision.weights.names.write import OPENMMLAB, to_naming
    from vision.weights.state_file import write_state

    if arguments.out.suffix not in SUFFIXES:
        raise ConfigError(f"--out {arguments.out}: expected a name in .safetensors or .pth.")
    check_output_file(arguments.out, option="--out")
    model = vision.load(arguments.checkpoint, task=arguments.task)
    naming = arguments.naming
    state = to_naming(model.task, naming)
    names = list(model.class_names) if naming in OPENMMLAB else None
    write_state(arguments.out, state, class_names=names)
    # Only the classifier of a backbone's authors has names of theirs.
    has_classifier = any(key.startswith("head.fc.") for key in model.task.state_dict())
    backbone_only = naming == "official" and not has_classifier
    what = f"{len(state)} tensors{' of the backbone' if backbone_only else ''}"
    print(f"wrote {what} under the names of {naming}: {arguments.out}")


def run_hub(arguments: argparse.Namespace) -> None:
    """Write the folder, and send it where that was asked for."""
    import vision
    from vision.cli.trained import find_run
    from vision.interop.hub import FILES, RUN_CONFIG, check_repo, push_folder, write_folder
    from vision.interop.model_card import CardOptions

    check_output_folder(arguments.out, option="--out", levels=0)
    for name in FILES:
        check_output_file(arguments.out / name, option="--out")
    if arguments.push:
        check_repo(arguments.push)
    model = vision.load(arguments.checkpoint, task=arguments.task)
    card = CardOptions(
        name=arguments.name,
        licence=arguments.licence,
        dataset=arguments.dataset,
        repo=arguments.push,
        hub=read_column(model.task, "hub"),
    )
    run = model.path and find_run(model.path)
    folder = write_folder(
        arguments.out,
        model.task.state_dict(),
        model.description,
        card=card,
        run_config=run and run / RUN_CONFIG,
    )
    print(f"wrote {', '.join(sorted(path.name for path in folder.iterdir()))} to {folder}")
    print(f'load it: vision.load("{folder}")')
    if arguments.push:
        push_folder(folder, arguments.push, private=arguments.private)
        print(f'sent: vision.load("hf://{arguments.push}")')


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("publish", __doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_keys(commands)
    add_hub(commands)
    return parser


def main(words: Sequence[str]) -> int:
    """Run the command; 2 for a model or an option that does not fit."""

    def run() -> int:
        parsed = build_parser().parse_args(words)
        announce(f"publish {parsed.checkpoint}")
        parsed.run(parsed)
        return 0

    return end(run)
