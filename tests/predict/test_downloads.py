"""Images on the web: within limits, of public hosts, by https alone."""

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPMessage as Message
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from helpers.refusals import refuses
from helpers.weights_server import Handler, Server

from vision.errors import DataError
from vision.predict import downloads
from vision.predict.downloads import download_image, download_path

HOST = "https://pictures.example"


@dataclass
class Loopback:
    """Opens every address on the loopback server."""

    server: Server

    def open(self, request: Request, timeout: float) -> Any:
        return urlopen(request.full_url.replace(HOST, self.server.address), timeout=timeout)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    state = Server("", files={"/a/cat.png": b"cat" * 100, "/b/cat.png": b"dog"})
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, state))
    state.address = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield state
    http.shutdown()
    http.server_close()


def test_an_image_is_fetched_once(server: Server, tmp_path: Path) -> None:
    first = download_image(f"{HOST}/a/cat.png", tmp_path, opener=Loopback(server))
    other = download_image(f"{HOST}/b/cat.png", tmp_path, opener=Loopback(server))
    assert first.read_bytes() == b"cat" * 100
    assert other.read_bytes() == b"dog"
    assert first.name.endswith("cat.png")
    asked = len(server.asked)
    assert download_image(f"{HOST}/a/cat.png", tmp_path, opener=Loopback(server)) == first
    assert len(server.asked) == asked


def test_what_is_too_large_or_cut_off_or_absent(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = Loopback(server)
    with refuses(DataError, "absent.png", "404", "give its file"):
        download_image(f"{HOST}/absent.png?key=secret", tmp_path, opener=opener)
    monkeypatch.setattr(server, "cut", {"/a/cat.png"})
    with refuses(DataError, "cannot be fetched"):
        download_image(f"{HOST}/a/cat.png", tmp_path, opener=opener)
    monkeypatch.setattr(server, "cut", set())
    monkeypatch.setattr(downloads, "MAX_BYTES", 299)
    with refuses(DataError, "300 bytes", "at most 299"):
        download_image(f"{HOST}/a/cat.png", tmp_path, opener=opener)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://pictures.example/a.png", "only https:// addresses"),
        ("https://127.0.0.1:1/a.png", "not a public address"),
        ("https://localhost:1/a.png", "not a public address"),
        ("https://[::1]:1/a.png", "not a public address"),
        ("https://[::ffff:10.0.0.1]:1/a.png", "not a public address"),
        ("https://169.254.169.254/a.png", "not a public address"),
        ("https://192.168.0.1/a.png", "not a public address"),
    ],
)
def test_other_schemes_and_own_networks_are_refused(
    tmp_path: Path, address: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with refuses(DataError, reason):
        download_image(address, tmp_path)


def test_a_redirection_stays_with_https() -> None:
    redirects = downloads._SafeRedirects()
    request = Request(f"{HOST}/a.png")
    followed = redirects.redirect_request(request, None, 302, "", Message(), f"{HOST}/b.png")  # type: ignore[arg-type]
    assert followed is not None
    assert followed.full_url == f"{HOST}/b.png"
    for other in ("http://pictures.example/a.png", "file:///etc/passwd", "ftp://a/b"):
        with pytest.raises(OSError, match="redirects to"):
            redirects.redirect_request(request, None, 302, "", Message(), other)  # type: ignore[arg-type]


def test_names_of_copies_are_plain(tmp_path: Path) -> None:
    path = download_path("https://a.example/x/..%2F..%2Fb%20c.png?size=3", tmp_path)
    assert path.parent == tmp_path
    assert path.name.endswith(".._.._b_c.png")
    assert download_path("https://a.example/", tmp_path).name
