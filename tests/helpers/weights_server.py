"""A server of weights on the loopback interface, as a place on the web and as the hub."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import torch
from torch import Tensor

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Server:
    """Files by path, and what was asked for; `cut` paths lose the second half of their bytes."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    etags: dict[str, str] = field(default_factory=dict)
    stop: Callable[[], None] = lambda: None


class Handler(BaseHTTPRequestHandler):
    def __init__(self, server_state: Server, *args: object) -> None:
        self.state = server_state
        super().__init__(*args)

    def respond(self, *, with_body: bool) -> None:
        self.state.asked.append(self.path)
        body = self.state.files.get(self.path)
        if body is None:
            self.send_response(404, "Not Found")
            if "/resolve/" in self.path:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        digest = hashlib.sha256(body).hexdigest()
        self.send_header("ETag", f'"{self.state.etags.get(self.path, digest)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            cut = self.path in self.state.cut
            self.wfile.write(body[: len(body) // 2] if cut else body)

    def do_GET(self) -> None:
        self.respond(with_body=True)

    def do_HEAD(self) -> None:
        self.respond(with_body=False)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def as_pth(state: dict[str, Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": state}, buffer)
    return buffer.getvalue()


def hub_path(file: str, *, repo: str = "owner/repo", revision: str = "main") -> str:
    return f"/{repo}/resolve/{revision}/{file}"
