"""Checkpoints and folders of runs that are damaged, foreign or in use; options that do not fit."""

import contextlib
import errno
import os
import resource
import shutil
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from adversarial.case import Case, check, command, table
from helpers.held_run import end_process, hold_elsewhere
from helpers.train_runs import killed_at

from vision.cli.run_lock import LOCK

# A run of two epochs of three steps.
OPTIONS = (
    *("--model", "Classification", "--model.backbone", "convnext", "--model.num_classes", "10"),
    "--model.backbone_options={dims: [8, 8, 8, 8], depths: [1, 1, 1, 1]}",
    *("--model.optim.warmup_epochs", "0", "--model.ema_decay", "0.5"),
    *("--data", "Digits", "--data.batch_size", "8", "--data.num_workers", "0"),
    *("--trainer.accelerator", "cpu", "--trainer.limit_train_batches", "3"),
    *("--trainer.limit_val_batches", "1", "--trainer.num_sanity_val_steps", "0"),
    *("--trainer.enable_progress_bar", "false", "--trainer.logger", "false", "--threads", "1"),
)
RUN = "runs/run/version_0"
LAST, BEST = f"{RUN}/checkpoints/last.ckpt", f"{RUN}/checkpoints/best.ckpt"
Contents = dict[str, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder):
        fit(folder, "--trainer.max_epochs", "2")
        # Another one, stopped after the second of three steps of its second epoch.
        stop = killed_at(4, sent="SIGTERM")
        fit(folder, "--name", "half", "--trainer.max_epochs", "2", *stop)
    return folder


def fit(folder: Path, *words: str) -> None:
    command("fit", *OPTIONS, *words)


def resume(folder: Path, *words: str) -> None:
    """Go on with the run for another epoch."""
    fit(folder, "--ckpt_path", "last", "--trainer.max_epochs", "3", *words)


def resume_half(folder: Path, *words: str) -> None:
    """Go on with the run that was stopped within an epoch."""
    resume(folder, "--name", "half", *words)


def resumed(change: Callable[[Path], object], *words: str) -> Callable[[Path], None]:
    """Change the folder, then resume."""

    def read(folder: Path) -> None:
        change(folder)
        resume(folder, *words)

    return read


def rewritten(change: Callable[[Contents], object], *words: str) -> Callable[[Path], None]:
    """Change what the last checkpoint holds, then resume."""

    def rewrite(folder: Path) -> None:
        contents = torch.load(folder / LAST, weights_only=True)
        change(contents)
        torch.save(contents, folder / LAST)

    return resumed(rewrite, *words)


def both(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Do the same to the last and to the best checkpoint."""

    def read(folder: Path) -> None:
        for name in (LAST, BEST):
            change(folder / name)

    return read


def first_moment(contents: Contents) -> Contents:
    return contents["optimizer_states"][0]["state"][0]


def data_state(contents: Contents) -> Contents:
    return contents["Digits"]


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Another process holds the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    holder = hold_elsewhere(folder)
    try:
        yield
    finally:
        end_process(holder)


def read_in_use(folder: Path) -> None:
    with in_use(folder / RUN):
        resume(folder)


def read_in_use_without_a_name(folder: Path) -> None:
    with in_use(folder / RUN):
        os.truncate(folder / RUN / LOCK, 0)
        resume(folder)


def read_taken_at_once(folder: Path) -> None:
    with in_use(folder / "runs/run/mine"):
        fit(folder, "--version", "mine")


def failing(number: int) -> Callable[[Path], None]:
    """A run on a disk that refuses to write the next checkpoint; the one before stays."""

    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    def read(folder: Path) -> None:
        before = (folder / LAST).read_bytes()
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("vision.callbacks.run.checkpoint_io.os.fsync", fsync)
                resume(folder)
        finally:
            assert (folder / LAST).read_bytes() == before
            assert {path.name for path in (folder / LAST).parent.iterdir()} == {
                "last.ckpt",
                "best.ckpt",
            }

    return read


def read_with_a_limit(folder: Path) -> None:
    """As with `ulimit -f`."""
    before = (folder / LAST).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        resume(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (folder / LAST).read_bytes() == before
        assert not list((folder / LAST).parent.glob(".*"))


def read_unwritable_config(folder: Path) -> None:
    def save(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "config.yaml")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vision.cli.parser.OptionsParser.save", save)
        fit(folder, "--name", "new")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_weights(path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, path)


def as_other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no checkpoint")


def link_lock(folder: Path) -> None:
    (folder / RUN / LOCK).symlink_to(folder / "elsewhere")


def leave_rest(folder: Path) -> None:
    """What a kill leaves: half a checkpoint under its own name, and a lock without a holder."""
    (folder / RUN / "checkpoints/.last.ckpt.unfinished").write_bytes(b"half")
    (folder / RUN / LOCK).write_text('{"process": 1, "host": "old", "since": "then"}')


PATH = partial(str.format, "--ckpt_path={}")


@table(
    Case("no run", resumed(lambda f: shutil.rmtree(f / "runs")), ("no run in", "last.ckpt")),
    Case("a run without checkpoints", resumed(both(Path.unlink)), ("no run in", "Train first")),
    Case(
        "last and best cut",
        resumed(both(truncate)),
        ("no run in",),
        warns=("last.ckpt is truncated", "best.ckpt is truncated"),
    ),
    Case(
        "last empty, best whole",
        resumed(lambda f: (f / LAST).write_bytes(b"")),
        warns=("last.ckpt is truncated or empty",),
    ),
    Case("last and best are pipes", resumed(both(as_fifo)), ("no run in",)),
    Case("last and best are folders", resumed(both(as_folder)), ("no run in",)),
    Case(
        "another zip file", resumed(lambda f: as_other_zip(f / LAST)), ("last.ckpt", "checkpoint")
    ),
    Case("weights alone", resumed(lambda f: as_weights(f / LAST)), ("--model.weights FILE",)),
    Case(
        "a text for a path",
        lambda f: fit(f, PATH(f"{RUN}/checkpoints/lst.ckpt")),
        ("there is no such file", "last.ckpt"),
    ),
    Case("an empty path", lambda f: fit(f, PATH("")), ("--ckpt_path", "no such file")),
    Case("a folder as a path", lambda f: fit(f, PATH(RUN)), ("--ckpt_path", "no such file")),
    Case("an address as a path", lambda f: fit(f, PATH("http://h/x.ckpt")), ("no such file",)),
    Case("Lightning's own words", lambda f: fit(f, PATH("hpc")), ("no such file", "'best' or")),
    Case("no optimiser", rewritten(lambda c: c.pop("optimizer_states")), ("'optimizer_states'",)),
    Case("no schedule", rewritten(lambda c: c.pop("lr_schedulers")), ("'lr_schedulers'",)),
    Case("no progress", rewritten(lambda c: c.pop("loops")), ("'loops'", "--model.weights")),
    Case(
        "steps as text",
        rewritten(lambda c: c.update(global_step="6")),
        ("'global_step'", "damaged"),
    ),
    Case(
        "steps below 0", rewritten(lambda c: c.update(global_step=-1)), ("'global_step'", "damaged")
    ),
    Case(
        "no tensors",
        rewritten(lambda c: c.update(state_dict={"w": 1})),
        ("'w' is a int, not a tensor",),
    ),
    Case(
        "half the progress",
        rewritten(lambda c: c["loops"]["fit_loop"].pop("epoch_progress")),
        ("'loops' that is whole",),
    ),
    Case(
        "progress of another kind",
        rewritten(lambda c: c.update(loops={"fit_loop": [1]})),
        ("'loops' that is whole",),
    ),
    Case(
        "no place in the data",
        rewritten(lambda c: data_state(c).pop("samples")),
        ("cannot be restored", "samples"),
    ),
    Case(
        "callbacks of another kind",
        rewritten(lambda c: c.update(callbacks=[3])),
        ("cannot be restored",),
    ),
    Case(
        "a version that is none",
        rewritten(lambda c: c.update({"pytorch-lightning_version": "new"})),
        ("cannot be restored", "version"),
    ),
    Case(
        "a moment of another shape",
        rewritten(lambda c: first_moment(c).update(exp_avg=torch.zeros(2))),
        ("a moment 'exp_avg' of (2,)", "damaged"),
    ),
    Case(
        "averages half there",
        rewritten(lambda c: c["ema"].clear()),
        ("averaged weights", "damaged"),
    ),
    Case(
        "another layer decay",
        lambda f: resume(f, "--model.optim.layer_decay", "0.5"),
        ("groups of", "layer_decay"),
    ),
    Case(
        "frozen since",
        lambda f: resume(f, "--model.frozen_stages", "all"),
        ("groups of", "frozen_stages"),
    ),
    Case(
        "fewer epochs than are done",
        lambda f: resume(f, "--trainer.max_epochs", "1"),
        warns=("nothing was trained", "--trainer.max_epochs"),
    ),
    Case(
        "another batch within an epoch",
        lambda f: resume_half(f, "--data.batch_size", "4"),
        ("within an epoch, at 8 images", "data.batch_size"),
    ),
    Case(
        "other accumulation within an epoch",
        lambda f: resume_half(f, "--trainer.accumulate_grad_batches", "3"),
        ("within an epoch of 3 optimiser steps", "has 1"),
    ),
    Case(
        "another batch between two epochs",
        lambda f: resume(f, "--data.batch_size", "4", "--trainer.limit_train_batches", "6"),
        warns=("an epoch has 6 optimiser steps, 3 before",),
    ),
    Case("in use", read_in_use, ("is in use by process", "since 2", "--version")),
    Case("in use by who knows", read_in_use_without_a_name, ("is in use by another process",)),
    Case("two starts with one version", read_taken_at_once, ("mine is in use by process",)),
    Case(
        "a version that is there",
        lambda f: fit(f, "--version", "version_0"),
        ("--version version_0", "is not empty"),
    ),
    Case("a lock that leads elsewhere", resumed(link_lock), (LOCK, "--runs_dir")),
    Case("rests of a kill", resumed(leave_rest)),
    Case("a full disk", failing(errno.ENOSPC), ("No space left", ".ckpt", "GiB are free")),
    Case("a read-only disk", failing(errno.EROFS), ("Read-only file system", ".ckpt")),
    Case("a quota", failing(errno.EDQUOT), ("quota", "the one written before is whole")),
    Case("a broken disk", failing(errno.EIO), ("Input/output error", "--ckpt_path last")),
    Case("ulimit -f", read_with_a_limit, ("File too large", "the one written before is whole")),
    Case(
        "a config that cannot be written",
        read_unwritable_config,
        ("'config.yaml' cannot be read or written: Read-only", "--runs_dir"),
    ),
)
def test_runs(
    case: Case,
    trained: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    check(case, tmp_path, caplog)
    assert not (tmp_path / "elsewhere").exists()
