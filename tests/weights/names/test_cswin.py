import pytest
import torch
from torch import Tensor

from vision import create_backbone, load_weights
from vision.backbones.cswin import CSWin
from vision.errors import ConfigError
from vision.weights.names.families import to_ours
from vision.weights.names.published import published_options

OPTIONS = {
    "img_size": 128,
    "patch_size": 4,
    "embed_dim": 8,
    "depth": [1, 1, 1, 1],
    "split_size": [1, 2, 4, 4],
    "num_heads": [2, 4, 8, 16],
}


def official_names(model: CSWin) -> dict[str, Tensor]:
    """Our names to the authors', with one depthwise convolution per branch."""
    official = {}
    for name, tensor in model.state_dict().items():
        part, number, rest = name.split(".", 2)
        i = int(number)
        if part == "downsample" and i == 0:
            position = {"0": "0", "1": "2"}[rest[0]]
            official[f"stage1_conv_embed.{position}.{rest[2:]}"] = tensor
        elif part == "downsample":
            layer = {"0": "conv", "1": "norm"}[rest[0]]
            official[f"merge{i}.{layer}.{rest[2:]}"] = tensor
        elif part == "out_norms":
            official[f"norm{i + 1}.{rest}"] = tensor
        elif ".lepe." in rest:
            block, kind = rest.split(".attn.lepe.")
            halves = [tensor] if i == 3 else tensor.chunk(2)
            for j, half in enumerate(halves):
                official[f"stage{i + 1}.{block}.attns.{j}.get_v.{kind}"] = half
        else:
            official[f"stage{i + 1}.{rest.replace('attn.', '')}"] = tensor
    return official


@pytest.fixture
def dense() -> CSWin:
    torch.manual_seed(0)
    options = published_options("cswin", OPTIONS).options
    model = create_backbone("cswin", **options, dense=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


def test_branches_are_joined(dense: CSWin) -> None:
    options = published_options("cswin", OPTIONS).options
    ours = create_backbone("cswin", **options, dense=True)
    report = load_weights(ours, official_names(dense))
    assert report.naming == "official"
    assert not report.missing + report.unexpected
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, dense.state_dict()[name])


def test_a_single_branch_is_taken_as_it_is(dense: CSWin) -> None:
    # At 64 pixels the third map is as large as its stripes are wide: one branch, as officially.
    state = official_names(dense)
    for kind in ("weight", "bias"):
        halves = [state.pop(f"stage3.0.attns.{j}.get_v.{kind}") for j in (0, 1)]
        state[f"stage3.0.attns.0.get_v.{kind}"] = torch.cat(halves)
    ours = to_ours("cswin", state)
    for name, tensor in dense.state_dict().items():
        assert torch.equal(ours[name], tensor)


def test_options_of_the_classifier() -> None:
    published = published_options(
        "cswin", {**OPTIONS, "num_classes": 7, "qkv_bias": False, "num_heads": [2, 4, 8, 8]}
    )
    assert published.num_classes == 7
    assert published.options["dim"] == 8
    assert published.options["qkv_bias"] is False
    assert published.options["split_sizes"] == [1, 2, 4, 4]


def test_options_of_the_dense_variant() -> None:
    # It multiplies the width by the ratio of heads, and its projections always have a bias.
    heads = {"num_heads": [2, 4, 8, 8], "qkv_bias": False}
    published = published_options("cswin", {**OPTIONS, **heads})
    assert published.options["dim"] == [8, 16, 32, 32]
    assert published.options["qkv_bias"] is True
    assert published_options("cswin", OPTIONS).options["dim"] == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hybrid_backbone": "resnet"}, "hybrid_backbone"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"img_size": 64, "num_heads": [2, 4, 9, 16]}, "num_heads"),
    ],
)
def test_options_that_are_not_supported_are_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        published_options("cswin", {**OPTIONS, "num_classes": 7, **changes})


@pytest.mark.parametrize("source", ["timm", "huggingface"])
def test_other_sources_do_not_exist(source: str) -> None:
    with pytest.raises(ConfigError, match=source):
        published_options("cswin", OPTIONS, source=source)
