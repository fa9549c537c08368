"""RMT weights: official names and buffers, options of the authors' classes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vision import create_backbone, load_weights
from vision.errors import ConfigError
from vision.weights.names.families import to_ours
from vision.weights.names.published import published_options
from vision.weights.names.rmt import naming

FILE = Path(__file__).parents[2] / "fixtures" / "parity" / "rmt.safetensors"
OPTIONS = {
    "embed_dims": [16, 32, 64, 96],
    "depths": [1, 2, 2, 1],
    "num_heads": [2, 2, 4, 6],
    "init_values": [2, 2, 2, 2],
    "heads_ranges": [4, 4, 6, 6],
    "mlp_ratios": [4, 4, 3, 3],
    "chunkwise_recurrents": [True, True, False, False],
    "layerscales": [False, False, True, True],
    "projection": 64,
}


@pytest.fixture(scope="module")
def official() -> dict[str, Tensor]:
    tensors = load_file(FILE)
    return {
        key.partition("/")[2]: tensor
        for key, tensor in tensors.items()
        if key.startswith(("state_dict/", "dense_state_dict/"))
    }


def build(**overrides: Any) -> torch.nn.Module:
    published = published_options("rmt", OPTIONS)
    return create_backbone("rmt", **{**published.options, **overrides})


def test_every_official_tensor_has_a_place(official: dict[str, Tensor]) -> None:
    backbone = build(out_norm=True)
    report = load_weights(backbone, official)
    assert report.naming == "official"
    assert not report.missing + report.unexpected
    assert set(report.loaded) == set(backbone.state_dict())


def test_queries_come_before_keys(official: dict[str, Tensor]) -> None:
    joined = to_ours("rmt", official)["stages.1.0.attn.qk.weight"]
    block = "layers.1.blocks.0.retention."
    assert torch.equal(joined[:32], official[block + "q_proj.weight"])
    assert torch.equal(joined[32:], official[block + "k_proj.weight"])


def test_published_decays_are_kept(official: dict[str, Tensor]) -> None:
    backbone = build()
    computed = backbone.priors[3].log_decay.clone()
    official = {**official, "layers.3.Relpos.decay": official["layers.3.Relpos.decay"] * 1.5}
    load_weights(backbone, official)
    assert torch.equal(backbone.priors[3].log_decay, official["layers.3.Relpos.decay"])
    torch.testing.assert_close(backbone.priors[3].log_decay / 1.5, computed)


def test_the_classifier_of_token_labels_is_reported(official: dict[str, Tensor]) -> None:
    official = {**official, "aux_head.weight": torch.zeros(10, 96)}
    assert load_weights(build(out_norm=True), official).unexpected == ["aux_head.weight"]


def test_a_dense_model_takes_a_classifier(official: dict[str, Tensor]) -> None:
    report = load_weights(build(dense=True, out_indices=(1, 2)), official)
    assert not report.missing
    parts = {name.partition(".")[0] for name in report.unexpected}
    assert parts == {"proj", "proj_norm", "stages", "downsample", "priors", "out_norms"}


def test_our_names_are_left_alone(official: dict[str, Tensor]) -> None:
    state = build().state_dict()
    assert naming(set(state)) == "ours"
    assert to_ours("rmt", state).keys() == state.keys()
    # The conversion of official names is complete: its result is ours.
    assert naming(set(to_ours("rmt", official))) == "ours"


def test_defaults_are_those_of_the_authors_class() -> None:
    published = published_options("rmt", {})
    assert published.num_classes == 1000
    assert published.options["dims"] == (96, 192, 384, 768)
    assert published.options["init_values"] == (1, 1, 1, 1)
    assert published.options["decomposed"] == (True, True, False, False)
    with torch.device("meta"):
        create_backbone("rmt", **published.options)


@pytest.mark.parametrize(
    ("option", "value"), [("norm_cfg", {"type": "SyncBN"}), ("value_factor", 2)]
)
def test_unsupported_options_are_named(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        published_options("rmt", {**OPTIONS, option: value})


@pytest.mark.parametrize("source", ["timm", "huggingface"])
def test_other_libraries_have_no_rmt(source: Any) -> None:
    with pytest.raises(ConfigError, match=source):
        published_options("rmt", {}, source=source)
