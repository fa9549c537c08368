"""Files of the web and of the hub arrive whole, once, and checked, or not at all."""

import hashlib
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.weights_server import Server, as_pth, hub_path
from safetensors.torch import save
from torch import Tensor

from vision.errors import WeightsError
from vision.weights.download import download_from_hub, download_from_url

pytestmark = pytest.mark.usefixtures("caches")


def left_in_cache(caches: Path) -> list[Path]:
    return [path for path in (caches / "torch").rglob("*") if path.is_file()]


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
    with refuses(WeightsError, "model.safetensors", "pytorch_model.bin"):
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
    with refuses(WeightsError, "hf://owner/repo", "downloaded"):
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
        with refuses(WeightsError, "SHA-256", "0000"):
            download_from_hub("hf://owner/repo")


def test_a_hub_that_is_gone_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the hub's own retries
    server.stop()
    with refuses(WeightsError, "hf://owner/repo", "downloaded") as caught:
        download_from_hub("hf://owner/repo")
    assert "vision.load_weights(model, PATH)" in str(caught.value)
