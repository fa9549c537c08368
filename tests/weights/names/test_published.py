import pytest
from helpers.refusals import refuses

from vision import create_backbone
from vision.errors import ConfigError
from vision.weights.names.families import family_naming
from vision.weights.names.published import OptionReader, published_options


def test_official_options_become_ours() -> None:
    published = published_options(
        "convnext",
        {
            "in_chans": 4,
            "num_classes": 7,
            "depths": [1, 1, 1, 1],
            "dims": [8, 16, 16, 32],
            "layer_scale_init_value": 0,
            "head_init_scale": 0.5,
        },
    )
    assert published.num_classes == 7
    backbone = create_backbone("convnext", **published.options)
    assert backbone.embed_dim == 32
    assert backbone.downsample[0][0].in_channels == 4
    assert not any(name.endswith("gamma") for name, _ in backbone.named_parameters())


def test_an_unsupported_option_is_named() -> None:
    with refuses(ConfigError, "'window'", "7"):
        published_options("convnext", {"dims": [8], "window": 7})


@pytest.mark.parametrize(
    "call", [lambda: published_options("vgg", {}), lambda: family_naming("vgg", ["a"])]
)
def test_an_unknown_family_is_named(call: object) -> None:
    with pytest.raises(ConfigError, match="family 'vgg'"):
        call()


def test_the_reader_takes_each_option_once() -> None:
    reader = OptionReader({"a": 1, "b": 2, "c": 3, "d": None}, owner="X")
    assert reader.take("a") == 1
    assert reader.take("a", 9) == 9
    assert reader.rename({"b": "beta", "absent": "gone"}) == {"beta": 2}
    reader.expect("d", None)
    with refuses(ConfigError, "unsupported", "option", "'c'", "3"):
        reader.finish()
    reader.ignore("c")
    reader.finish()


def test_unsupported_values_are_refused() -> None:
    reader = OptionReader({"act": "relu"}, owner="X")
    with refuses(ConfigError, "'act'", "'relu'", "'gelu'"):
        reader.expect("act", "gelu")


@pytest.mark.parametrize(
    ("keys", "naming"),
    [
        (["downsample.0.0.weight"], "ours"),
        (["downsample_layers.0.0.weight"], "official"),
        (["stem.0.weight"], "timm"),
        (["convnext.embeddings.patch_embeddings.weight"], "huggingface"),
    ],
)
def test_namings_of_convnext(keys: list[str], naming: str) -> None:
    assert family_naming("convnext", keys) == naming
