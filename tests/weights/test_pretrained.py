"""`pretrained=` and the index of published weights."""

import re
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.weights_server import Server, as_pth, hub_path
from safetensors.torch import save
from torch import Tensor

from vision import create_backbone, list_backbones
from vision.backbones.registry import FAMILIES
from vision.errors import WeightsError
from vision.tasks import Classification
from vision.weights import pretrained
from vision.weights.download import check_network
from vision.weights.index import PublishedWeights, WeightsSource, published_weights
from vision.weights.pretrained import load_pretrained

pytestmark = pytest.mark.usefixtures("caches")
SMALL = {"dims": (8, 16, 16, 32), "depths": (1, 1, 1, 1)}


def index_of(monkeypatch: pytest.MonkeyPatch, *sources: WeightsSource) -> None:
    entry = PublishedWeights(None, 224, "nowhere", sources)
    monkeypatch.setattr(pretrained, "published_weights", lambda: {"convnext_tiny": entry})


def source(**options: str) -> WeightsSource:
    return WeightsSource("authors", "official", "MIT", "ImageNet-1k", **options)


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
    with refuses(WeightsError, "Did you mean 'convnext_"):
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


# ---- pretrained="auto"


def make_classifier(pretrained: bool | str) -> Classification:
    return Classification(
        "convnext_tiny", 3, backbone_options=SMALL, pretrained=pretrained, channels_last=False
    )


def test_auto_takes_published_weights_where_they_are_available(
    server: Server, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/good.pth"] = as_pth(state)
    index_of(monkeypatch, source(url=f"{server.address}/good.pth"))
    task = make_classifier("auto")
    for name, tensor in task.backbone.state_dict().items():
        assert torch.equal(tensor, state[name])
    assert task.starts_from == "the published weights of convnext_tiny"
    assert task.describe()["pretrained"] is True


def test_auto_says_why_it_starts_from_random_weights(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index_of(monkeypatch, source(url=f"{server.address}/x.pth"), source(hub="hf://owner/repo"))
    server.stop()
    task = make_classifier("auto")
    (record,) = caplog.records
    assert "convnext_tiny are not available" in record.getMessage()
    assert "127.0.0.1 does not answer" in record.getMessage()
    assert "random weights" in record.getMessage()
    assert not server.asked  # neither source is asked again and again
    assert task.starts_from == ""
    assert task.describe()["pretrained"] is False
    # What was asked for by name is an error.
    index_of(monkeypatch, source(url=f"{server.address}/x.pth"))
    with refuses(WeightsError, "could not be fetched", f"{server.address}/x.pth"):
        make_classifier(True)


def test_auto_of_a_timm_model(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    task = Classification("timm/test_resnet.r160_in1k", 3, pretrained="auto")
    assert "127.0.0.1 does not answer" in caplog.text
    assert task.starts_from == ""


def test_behind_a_proxy_no_host_is_asked_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    check_network("https://nowhere.invalid/x.pth")
