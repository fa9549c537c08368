"""Downloads against a server on the loopback interface; no other address is ever asked."""

import functools
import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save
from torch import Tensor

from vision import create_backbone, list_backbones
from vision.backbones.registry import FAMILIES
from vision.errors import WeightsError
from vision.weights import pretrained
from vision.weights.index import PublishedWeights, WeightsSource, published_weights
from vision.weights.pretrained import download_from_hub, download_from_url, load_pretrained

SMALL = {"dims": (8, 16, 16, 32), "depths": (1, 1, 1, 1)}
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


@pytest.fixture(autouse=True)
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


def as_pth(state: dict[str, Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": state}, buffer)
    return buffer.getvalue()


def left_in_cache(caches: Path) -> list[Path]:
    return [path for path in (caches / "torch").rglob("*") if path.is_file()]


def hub_path(file: str, *, repo: str = "owner/repo", revision: str = "main") -> str:
    return f"/{repo}/resolve/{revision}/{file}"


def index_of(monkeypatch: pytest.MonkeyPatch, *sources: WeightsSource) -> None:
    entry = PublishedWeights(None, 224, "nowhere", sources)
    monkeypatch.setattr(pretrained, "published_weights", lambda: {"convnext_tiny": entry})


def source(**options: str) -> WeightsSource:
    return WeightsSource("authors", "official", "MIT", "ImageNet-1k", **options)


# ---- URLs


def test_a_file_of_the_web_is_downloaded_once(server: Server, state: dict[str, Tensor]) -> None:
    server.files["/tiny.pth"] = as_pth(state)
    path = download_from_url(server.address + "/tiny.pth")
    assert path.read_bytes() == server.files["/tiny.pth"]
    assert path.parent == Path(torch.hub.get_dir()) / "checkpoints"
    server.stop()
    assert download_from_url(server.address + "/tiny.pth") == path


def test_an_interrupted_download_leaves_nothing(
    server: Server, state: dict[str, Tensor], caches: Path
) -> None:
    server.files["/tiny.pth"] = as_pth(state)
    server.cut.add("/tiny.pth")
    url = server.address + "/tiny.pth"
    with pytest.raises(WeightsError, match=r"tiny\.pth could not be downloaded: \d+ of \d+ bytes"):
        download_from_url(url)
    assert left_in_cache(caches) == []
    server.cut.clear()
    assert download_from_url(url).read_bytes() == server.files["/tiny.pth"]


@pytest.mark.parametrize("digits", [8, 64])
def test_sha256_is_checked(
    server: Server, state: dict[str, Tensor], caches: Path, digits: int
) -> None:
    body = server.files["/tiny.pth"] = as_pth(state)
    url = server.address + "/tiny.pth"
    right = hashlib.sha256(body).hexdigest()[:digits]
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    with pytest.raises(WeightsError, match=f"expected.*{wrong}"):
        download_from_url(url, sha256=wrong)
    assert left_in_cache(caches) == []
    assert download_from_url(url, sha256=right).is_file()


def test_an_absent_file_is_named(server: Server, caches: Path) -> None:
    url = server.address + "/absent.pth"
    with pytest.raises(WeightsError) as caught:
        download_from_url(url)
    message = str(caught.value)
    assert url in message
    assert "HTTP 404 Not Found" in message
    assert "vision.load_weights(model, PATH)" in message
    assert left_in_cache(caches) == []


def test_a_server_that_is_gone_is_named(server: Server) -> None:
    server.stop()
    with pytest.raises(WeightsError, match="refused"):
        download_from_url(server.address + "/tiny.pth")


def test_equal_file_names_do_not_collide(server: Server) -> None:
    server.files |= {
        "/a/tiny.pth": b"a",
        "/b/tiny.pth": b"b",
        "/f/1/?dl=1": b"1",
        "/f/2/?dl=1": b"2",
    }
    contents = [download_from_url(server.address + path).read_bytes() for path in server.files]
    assert contents == [b"a", b"b", b"1", b"2"]


# ---- the hub


def test_a_file_of_the_hub_is_downloaded_once(server: Server, state: dict[str, Tensor]) -> None:
    server.files[hub_path("model.safetensors")] = save(state)
    path = download_from_hub("hf://owner/repo")
    assert path.read_bytes() == save(state)
    assert set(server.asked) == {hub_path("model.safetensors")}
    server.stop()
    assert download_from_hub("hf://owner/repo") == path
    assert download_from_hub("hf://owner/repo/model.safetensors") == path


def test_the_older_file_name_of_the_hub(server: Server, state: dict[str, Tensor]) -> None:
    server.files[hub_path("pytorch_model.bin")] = as_pth(state)
    assert download_from_hub("hf://owner/repo").name == "pytorch_model.bin"
    with pytest.raises(WeightsError, match=r"no model\.safetensors or pytorch_model\.bin"):
        download_from_hub("hf://owner/other")


def test_file_and_revision_of_a_hub_address(server: Server) -> None:
    server.files[hub_path("sub/x.safetensors", revision="v2")] = b"second"
    assert download_from_hub("hf://owner/repo/sub/x.safetensors@v2").read_bytes() == b"second"


@pytest.mark.parametrize("address", ["hf://", "hf://owner", "hf://owner/", "hf:///repo"])
def test_malformed_hub_addresses(address: str) -> None:
    with pytest.raises(WeightsError, match="expected hf://owner/repo"):
        download_from_hub(address)


def test_an_interrupted_hub_download_is_not_used(
    server: Server, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the hub's own retries
    path = hub_path("model.safetensors")
    server.files[path] = save(state)
    server.cut.add(path)
    with pytest.raises(WeightsError, match="hf://owner/repo could not be downloaded"):
        download_from_hub("hf://owner/repo")
    server.cut.clear()
    assert download_from_hub("hf://owner/repo").read_bytes() == save(state)


def test_a_hub_file_with_another_sha256_is_not_used(
    server: Server, state: dict[str, Tensor]
) -> None:
    path = hub_path("model.safetensors")
    server.files[path] = save(state)
    server.etags[path] = "0" * 64
    for _ in range(2):
        with pytest.raises(WeightsError, match=r"SHA-256 is .*the hub states 0000"):
            download_from_hub("hf://owner/repo")


def test_a_hub_that_is_gone_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the hub's own retries
    server.stop()
    with pytest.raises(WeightsError, match="hf://owner/repo could not be downloaded") as caught:
        download_from_hub("hf://owner/repo")
    assert "vision.load_weights(model, PATH)" in str(caught.value)


# ---- pretrained=


def test_pretrained_takes_paths_urls_and_hub_ids(
    server: Server, state: dict[str, Tensor], tmp_path: Path
) -> None:
    server.files |= {"/tiny.pth": as_pth(state), hub_path("model.safetensors"): save(state)}
    local = tmp_path / "own.pth"
    local.write_bytes(as_pth(state))
    for choice in (str(local), server.address + "/tiny.pth", "hf://owner/repo"):
        backbone = create_backbone("convnext", pretrained=choice, **SMALL)
        for name, tensor in backbone.state_dict().items():
            assert torch.equal(tensor, state[name])


def test_the_next_source_is_tried(
    server: Server, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files |= {"/bad.pth": b"no checkpoint", "/good.pth": as_pth(state)}
    urls = [f"{server.address}/{name}.pth" for name in ("absent", "bad", "good")]
    index_of(monkeypatch, *(source(url=url) for url in urls))
    report = load_pretrained(create_backbone("convnext", **SMALL), "convnext_tiny", True)
    assert len(report.loaded) == len(state)
    assert not report.missing

    # Offline, the one that is cached is used although it is the last.
    server.stop()
    asked = len(server.asked)
    backbone = create_backbone("convnext", **SMALL)
    assert not load_pretrained(backbone, "convnext_tiny", True).missing
    assert len(server.asked) == asked


def test_all_that_failed_is_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "https://drive.example/weights"
    index_of(
        monkeypatch,
        source(url=server.address + "/absent.pth"),
        source(hub="hf://owner/repo"),
        source(page=page, note="password 1234"),
    )
    with pytest.raises(WeightsError) as caught:
        load_pretrained(create_backbone("convnext", **SMALL), "convnext_tiny", True)
    message = str(caught.value)
    for part in ("/absent.pth", "404", "hf://owner/repo", page, "password 1234"):
        assert part in message
    assert "vision.load_weights(model, PATH)" in message
    assert len(message.splitlines()) <= 8


def test_weights_that_do_not_fit_are_no_reason_to_try_another_source(
    server: Server, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files |= {"/tiny.pth": as_pth(state)}
    index_of(
        monkeypatch, source(url=server.address + "/tiny.pth"), source(url=server.address + "/b.pth")
    )
    with pytest.raises(WeightsError, match="does not fit"):
        load_pretrained(create_backbone("convnext_tiny"), "convnext_tiny", True)
    assert "/b.pth" not in server.asked


def test_a_bare_family_has_no_published_weights() -> None:
    with pytest.raises(WeightsError, match="Did you mean 'convnext_"):
        create_backbone("convnext", pretrained=True, **SMALL)


# ---- the index


def test_the_index_holds_every_variant_and_no_other() -> None:
    assert sorted(published_weights()) == list_backbones("*")


def test_input_sizes_are_those_of_the_variants() -> None:
    for name, entry in published_weights().items():
        with torch.device("meta"):
            assert create_backbone(name).default_input.size == (entry.input_size,) * 2


@pytest.mark.parametrize("name", sorted(published_weights()))
def test_entries_are_complete(name: str) -> None:
    entry = published_weights()[name]
    assert name.partition("_")[0] in FAMILIES
    assert entry.sources
    assert entry.citation
    assert entry.input_size in (224, 384)
    assert entry.top1 is None or 80 < entry.top1 < 90
    for item in entry.sources:
        assert item.publisher in ("authors", "timm", "Hugging Face")
        assert item.keys in ("official", "timm", "huggingface")
        assert item.licence
        assert item.dataset
        assert [item.url, item.hub, item.page].count(None) == 2
        assert item.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", item.sha256)
        assert (item.url or item.page or "https://").startswith("https://")
        if item.hub is not None:
            assert re.fullmatch(r"hf://[\w.-]+/[\w.-]+(/[\w.-]+)?", item.hub)


def test_drive_pages_are_given_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = published_weights()["rmt_tiny"]
    index_of(monkeypatch, *entry.sources)
    with pytest.raises(WeightsError) as caught:
        load_pretrained(create_backbone("convnext", **SMALL), "convnext_tiny", True)
    assert entry.sources[0].address in str(caught.value)
    assert "vision.load_weights(model, PATH)" in str(caught.value)
