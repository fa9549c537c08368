"""Small shards, a web server that fails, and a fit that is killed, for tests of sharded data."""

import io
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image
from torch import Tensor

from vision.data import DataModule


def picture(shade: int) -> bytes:
    """A small PNG of one grey level."""
    buffer = io.BytesIO()
    Image.new("RGB", (12, 10), (shade, shade, shade)).save(buffer, format="PNG")
    return buffer.getvalue()


def class_folders(root: Path, *, train: int = 20, val: int = 5) -> Path:
    """Two classes of images, each image of a grey level of its own."""
    for split, count, first in (("train", train, 0), ("val", val, 2 * train)):
        for label, name in enumerate(("ant", "bee")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                (folder / f"{name}.{i}.PNG").write_bytes(picture(first + 2 * i + label))
    return root


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    """Write a tar archive with Python's own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def read_tar(path: Path) -> dict[str, bytes]:
    """Members of a tar archive by name, with Python's own reader."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


class Server(ThreadingHTTPServer):
    """Serves a folder; `faults` holds what goes wrong with the next requests of a name.

    A fault is an HTTP status, or "cut" for a body that ends half-way, or "short" for a whole
    response with half of the file.
    """

    daemon_threads = True
    folder: Path
    faults: dict[str, list[int | str]]
    requests: Counter[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        path = self.server.folder / name
        if self.command == "GET":
            self.server.requests[name] += 1
        faults = self.server.faults.get(name, [])
        fault = faults.pop(0) if faults and self.command == "GET" else None
        if isinstance(fault, int) or not path.is_file():
            self.send_error(fault if isinstance(fault, int) else 404)
            return
        content = path.read_bytes()
        whole = len(content)
        if fault:
            content = content[: whole // 2]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if fault == "short" else whole))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serve a folder on this machine."""
    server = Server(("127.0.0.1", 0), Handler)
    server.folder, server.faults, server.requests = folder, {}, Counter()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class KilledError(Exception):
    """In place of the end of the process."""


class Kill(Callback):
    """Ends a fit after some steps, of which a checkpoint is written."""

    def __init__(self, steps: int, checkpoint: Path) -> None:
        self.steps, self.checkpoint = steps, checkpoint

    def on_train_batch_end(self, trainer: Trainer, *arguments: object) -> None:
        if trainer.global_step == self.steps:
            trainer.save_checkpoint(self.checkpoint)
            raise KilledError


class Recorder(LightningModule):
    """Notes the samples that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, list[int]]] = []

    def training_step(self, batch: dict[str, Tensor]) -> Tensor:
        self.seen.append((self.current_epoch, batch["index"].tolist()))
        return self.weight * 1.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(
    data: DataModule,
    checkpoint: Path,
    *,
    kill: int = 0,
    resume: bool = False,
    model: Any = None,
) -> Any:
    """Two epochs, or what is left of them; a fit that is killed writes a checkpoint before.

    Args:
        data: What is read.
        checkpoint: The file.
        kill: Number of steps after which it is killed; 0 for none.
        resume: Whether to go on from the checkpoint.
        model: What is trained; None is a `Recorder`.

    Returns:
        The model, after the last step.
    """
    model = Recorder() if model is None else model
    trainer = quiet_trainer(max_epochs=2, limit_val_batches=0, callbacks=Kill(kill, checkpoint))
    with pytest.raises(KilledError) if kill else nullcontext():
        trainer.fit(model, data, ckpt_path=checkpoint if resume else None)
    return model


def quiet_trainer(**options: Any) -> Trainer:
    """A trainer on the processor that writes nothing."""
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def assert_equal(sample: Any, other: Any) -> None:
    """Two samples or batches are the same in every key and bit."""
    if isinstance(sample, dict):
        assert sample.keys() == other.keys()
        for key in sample:
            assert_equal(sample[key], other[key])
    elif isinstance(sample, list):
        for one, two in zip(sample, other, strict=True):
            assert_equal(one, two)
    elif isinstance(sample, torch.Tensor):
        assert sample.dtype == other.dtype
        assert torch.equal(sample, other)
    else:
        assert sample == other
