"""The first and the last lines of a training: what it is, and how it ended."""

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from vision.callbacks.run.environment import trained_seconds
from vision.decoration import decorative
from vision.files import relative_path
from vision.line_width import break_command, break_parts, line_width
from vision.wording import counted

Commands = Sequence[tuple[str, str]]
# The files of a run to look at first.
PICTURES = ("*.png", "validation*/examples.png", "train_batches/train_batch_0.jpg")


@decorative("the summary of the run")
class RunSummary(Callback):
    """Writes a few lines before and after training, on the first process.

    Args:
        folder: Folder of the run.
        title: Name of the run.
        commands: Shell commands to try next, each with a few words about it, or a function that is
            asked for them at the end, when it is known what the run has written.
    """

    def __init__(
        self, folder: Path | str, *, title: str, commands: Commands | Callable[[], Commands] = ()
    ) -> None:
        self.folder = Path(folder)
        self.title = title
        self.commands = commands
        self._start_s = self._seconds = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the model, the data, the device and the folder of results."""
        if trainer.is_global_zero:
            model, data = _describe_model(pl_module), _describe_data(trainer)
            start = "" if trainer.ckpt_path else getattr(pl_module, "starts_from", "")
            results = f"results go to {relative_path(self.folder)}"
            lines = [
                [f"{self.title}: {model}", f"on {data}"],
                *([[f"starts from {start}"]] if start else []),
                [f"{_describe_device(trainer)};", results],
            ]
            _write([row for parts in lines for row in break_parts(parts, line_width(), gap=" ")])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start_s = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self._seconds = time.perf_counter() - self._start_s

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the result, where the files are, and what to try next."""
        if not trainer.is_global_zero or trainer.interrupted:
            return
        epochs = counted(trainer.current_epoch, "epochs")
        # The clock of env.json, which counts earlier starts too and is what runs are compared by.
        seconds = trained_seconds(self.folder) or self._seconds
        rows = [("training time", f"{seconds:.1f} s, {epochs}")]
        keeper: Any = trainer.checkpoint_callback
        if getattr(keeper, "best_model_score", None) is not None:
            score = float(keeper.best_model_score)
            percent = f" ({score:.2%})" if keeper.mode == "max" and 0 <= score <= 1 else ""
            rows.append((f"best {keeper.monitor}", f"{score:.4f}{percent}"))
        if getattr(keeper, "best_model_path", ""):
            rows.append(("checkpoint", relative_path(keeper.best_model_path)))
        for weights in sorted(self.folder.glob("weights/*.safetensors")):
            rows.append(("weights", relative_path(weights)))
        for pattern in PICTURES:
            rows += [("picture", relative_path(path)) for path in sorted(self.folder.glob(pattern))]
        if (self.folder / "metrics.csv").exists():
            rows.append(("metrics", relative_path(self.folder / "metrics.csv")))
            rows.append(
                ("live curves", f"tensorboard --logdir {shlex.quote(relative_path(self.folder))}")
            )
        lines = ["", *(f"{name:<14} {value}" for name, value in rows)]
        commands = self.commands() if callable(self.commands) else self.commands
        if commands:
            lines += ["", "What to try next:"]
            for about, command in commands:
                lines.append(f"  # {about}")
                lines += [f"  {line}" for line in break_command(command, line_width() - 2)]
        _write(lines)


def _describe_model(module: LightningModule) -> str:
    backbone = module.hparams.get("backbone")
    if not isinstance(backbone, str):
        backbone = type(getattr(module, "backbone", module)).__name__
    count = sum(parameter.numel() for parameter in module.parameters())
    millions = f"{count / 1e6:.2f}" if count < 1e7 else f"{count / 1e6:.1f}"
    return f"{type(module).__name__} with {backbone}, {millions} M parameters,"


def _describe_data(trainer: Trainer) -> str:
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    if data is None:
        return "the given dataloaders"
    text = type(data).__name__
    try:
        count, unit, batch = data.train_size, data.unit, data.batch_size
    except AttributeError:
        return text
    names = getattr(data, "class_names", ())
    classes = f", {counted(len(names), 'classes')}" if names else ""
    return f"{text}: {counted(count, f'training {unit}')}{classes}, batches of {batch}"


def _describe_device(trainer: Trainer) -> str:
    device = trainer.strategy.root_device
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"{device.type.upper()} with {counted(threads, 'threads')}"
    count = f"{trainer.world_size} x " if trainer.world_size > 1 else ""
    return f"{count}{name}, precision {trainer.precision}"


def _write(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
