"""Options of a run that are the suite's own, beside those of trainer, task and dataset."""

from argparse import SUPPRESS
from typing import Any

from vision.callbacks.run.finite import NonFinite
from vision.cli.config_files import BASE


def add_run_options(parser: Any, command: str) -> None:
    """Add the options to a parser of jsonargparse.

    Args:
        parser: The parser.
        command: `"fit"`, `"validate"`, `"test"` or `"predict"`.
    """
    # Of config files alone: `find_configs` puts what it names before its config.
    parser.add_argument(f"--{BASE}", default=SUPPRESS, help=SUPPRESS)
    parser.add_argument("--name", type=str, default="run", help="Name of the runs' folder.")
    parser.add_argument("--runs_dir", type=str, default="runs", help="Folder that holds all runs.")
    parser.add_argument(
        "--threads",
        type=int | None,
        default=None,
        help="Threads that PyTorch uses on the CPU; by default it chooses.",
    )
    parser.add_argument(
        "--version",
        type=str | None,
        default=None,
        help="Folder of one run: for fit a new one, by default the next free version_N; with "
        "--ckpt_path best or last the checkpoint's run, by default the newest.",
    )
    # Only for fit, but the config of a run, which has them, is given to the other commands too.
    parser.add_argument(
        "--checkpoint_every_n_steps",
        type=int | None,
        default=1000,
        help="In fit, optimiser steps between two last.ckpt within an epoch; null for none. "
        "One is written after every epoch in any case.",
    )
    parser.add_argument(
        "--non_finite",
        type=NonFinite,
        default="stop",
        help="In fit, whether a loss or gradient that is not a finite number stops the run, or "
        "its optimiser step is skipped.",
    )
    parser.add_argument(
        "--drop_incomplete_step",
        type=bool,
        default=False,
        help="In fit, whether the last batches of an epoch are left out where they are fewer "
        "than trainer.accumulate_grad_batches; otherwise they make a step of their own.",
    )
    if command == "predict":
        parser.add_argument(
            "--output",
            type=str | None,
            default=None,
            help="File or folder to write, as the task does; by default predictions.csv, "
            "predictions.json or the folder predictions, in the checkpoint's run folder.",
        )
