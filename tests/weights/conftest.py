"""Downloads ask a server on the loopback interface; no other address is ever asked."""

import functools
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from helpers.weights_server import Handler, Server
from huggingface_hub import constants
from torch import Tensor

from vision import create_backbone

SMALL = {"dims": (8, 16, 16, 32), "depths": (1, 1, 1, 1)}


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server("")
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, state))
    state.address = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    def stop() -> None:
        http.shutdown()
        http.server_close()
        thread.join()

    state.stop = functools.cache(stop)
    yield state
    state.stop()


@pytest.fixture
def caches(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, and the loopback server in the place of the hub."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "torch"))

    hub = str(tmp_path / "hub")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", hub)
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    return tmp_path


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return create_backbone("convnext", **SMALL).state_dict()
