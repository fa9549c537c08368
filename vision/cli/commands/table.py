"""The commands of `vision`, one row each. Nothing is imported here, so that help answers at once.

A row's function takes the words after the command's name, runs the command to its end and returns
the exit code. `train.py` and the scripts of `tools` run the same functions.
"""

from typing import NamedTuple


class Command(NamedTuple):
    """A row.

    Attributes:
        help: What the command does, in a line.
        run: Import path of its function, as `module:function`.
    """

    help: str
    run: str


COMMANDS = {
    "fit": Command(
        "train, validate after each epoch, keep the best checkpoint",
        "vision.cli.commands.training:fit",
    ),
    "validate": Command(
        "measure a checkpoint on the validation set", "vision.cli.commands.training:validate"
    ),
    "test": Command("measure a checkpoint on the test set", "vision.cli.commands.training:test"),
    "predict": Command("predict images, folders or a video", "vision.cli.commands.predict:main"),
    "evaluate": Command(
        "a report on a trained model, or on predictions in files",
        "vision.cli.commands.evaluate:main",
    ),
    "embed": Command(
        "features of images, by a model or a published backbone", "vision.cli.commands.embed:main"
    ),
    "export": Command(
        "write a model for other programs, and compare it", "vision.cli.commands.export:main"
    ),
    "quantize": Command(
        "make an int8 model, and measure its accuracy", "vision.cli.commands.quantize:main"
    ),
    "compare": Command("show runs side by side", "vision.cli.commands.compare:main"),
    "demo": Command("a page in the browser to try a model", "vision.cli.commands.demo:main"),
    "publish": Command(
        "hand a model over: for the hub, or under others' names", "vision.cli.commands.publish:main"
    ),
    "check-dataset": Command(
        "list all that is wrong with a dataset", "vision.cli.commands.check_dataset:main"
    ),
    "make-samples": Command(
        "compose a small dataset to try things", "vision.cli.commands.make_samples:main"
    ),
    "shard": Command("make, index and check tar shards", "vision.cli.commands.shard:main"),
    "prepare-imagenet": Command(
        "unpack ImageNet's archives", "vision.cli.commands.prepare_imagenet:main"
    ),
    "prepare-kitti-database": Command(
        "crop KITTI's objects, to paste them in training",
        "vision.cli.commands.prepare_kitti_database:main",
    ),
    "configs": Command("list the configs, with their results", "vision.cli.commands.configs:main"),
    "models": Command("list the backbones", "vision.cli.commands.models:main"),
    "benchmark": Command("measure speed and memory", "vision.cli.commands.benchmark:main"),
    "doctor": Command(
        "versions, devices and disk, for a bug report", "vision.cli.commands.doctor:main"
    ),
}
