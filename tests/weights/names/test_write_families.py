"""Our weights under the names of authors, timm and transformers, against their own models."""

from typing import Any

import pytest
import test_parity
import torch
from helpers.mmseg_heads import randomise
from helpers.parity_files import under
from helpers.refusals import refuses
from test_parity import FILES, Classifier
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.errors import ConfigError
from vision.weights.names.published import published_options
from vision.weights.names.write import to_naming


def assert_same(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Keys, shapes, types and bits."""
    assert set(actual) == set(expected)
    for key, tensor in expected.items():
        assert actual[key].dtype == tensor.dtype, key
        assert actual[key].shape == tensor.shape, key
        assert torch.equal(actual[key], tensor), key


def ours(family: str, options: dict[str, Any], num_classes: int | None = None) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = create_backbone(family, **options)
    if num_classes is not None:
        model = Classifier(model, num_classes)
    randomise(model)
    return model.eval()


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def reference(request: pytest.FixtureRequest) -> test_parity.Reference:
    return test_parity.read_reference(request.param)


def test_official_to_ours_and_back_is_the_same_file(reference: test_parity.Reference) -> None:
    state = under(reference.tensors, "state_dict/")
    model = ours(reference.family, reference.published.options, reference.published.num_classes)
    load_weights(model, state)
    if "outer_tokens" in state:
        # TNT's model has it and reads it nowhere; published ones hold zeros, the reference noise.
        state["outer_tokens"] = torch.zeros_like(state["outer_tokens"])
    assert_same(to_naming(model, "official"), state)


def test_dense_weights_of_the_authors_come_back(reference: test_parity.Reference) -> None:
    dense = under(reference.tensors, "dense_state_dict/")
    if not dense:
        pytest.skip("the authors have no dense variant")
    # What the dense variant leaves out of the classifier; the index is the same, masks are made
    # for each image there.
    unused = ("head.", "norm.", "proj.") if reference.family == "rmt" else ("head.", "norm.")
    classifier = under(reference.tensors, "state_dict/")
    dense |= {
        key: tensor
        for key, tensor in classifier.items()
        if not key.startswith(unused) and not key.endswith("attn_mask")
    }
    options = {k: v for k, v in reference.published.options.items() if k != "img_size"}
    model = create_backbone(reference.family, **options, dense=True)
    load_weights(model, dense)
    assert_same(to_naming(model, "official"), dense)


TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "swin": (
        "swin_transformer.SwinTransformer",
        {"img_size": 64, "embed_dim": 8, "depths": (1, 2), "num_heads": (1, 2), "window_size": 4},
    ),
    "convnext": ("convnext.ConvNeXt", {"depths": (1, 1, 2, 1), "dims": (8, 8, 16, 16)}),
    "tnt": (
        "tnt.TNT",
        {
            "img_size": 64,
            "embed_dim": 24,
            "inner_dim": 8,
            "depth": 2,
            "num_heads_inner": 2,
            "num_heads_outer": 2,
        },
    ),
}


@pytest.mark.parametrize("family", TIMM)
@torch.no_grad()
def test_timm_loads_it_strictly_and_computes_the_same(family: str) -> None:
    import importlib

    name, options = TIMM[family]
    module, _, cls = name.partition(".")
    theirs = getattr(importlib.import_module(f"timm.models.{module}"), cls)
    theirs = theirs(**options, num_classes=5).eval()
    published = published_options(family, options, source="timm")
    model = ours(family, published.options, 5)
    theirs.load_state_dict(to_naming(model, "timm"), strict=True)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(theirs(images), model(images), rtol=1e-4, atol=1e-4)


HUGGINGFACE: dict[str, tuple[str, dict[str, Any]]] = {
    "swin": (
        "Swin",
        {
            "image_size": 64,
            "embed_dim": 8,
            "depths": [1, 2],
            "num_heads": [1, 2],
            "window_size": 4,
            "use_absolute_embeddings": True,
        },
    ),
    "convnext": (
        "ConvNext",
        {"depths": [1, 2], "hidden_sizes": [8, 16], "num_stages": 2},
    ),
    "cvt": ("Cvt", {"embed_dim": [8, 16, 24], "num_heads": [1, 2, 3], "depth": [1, 2, 3]}),
}


@pytest.mark.parametrize("family", HUGGINGFACE)
@torch.no_grad()
def test_transformers_loads_it_strictly_and_computes_the_same(family: str, tmp_path: Any) -> None:
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    name, options = HUGGINGFACE[family]
    config = getattr(transformers, f"{name}Config")(**options, num_labels=5)
    published = published_options(family, config.to_dict(), source="huggingface")
    model = ours(family, published.options, 5)
    config.save_pretrained(tmp_path)
    save_file(to_naming(model, "huggingface"), tmp_path / "model.safetensors", {"format": "pt"})
    cls = getattr(transformers, f"{name}ForImageClassification")
    theirs, report = cls.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = theirs.eval()(images).logits
    torch.testing.assert_close(expected, model(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["swin", "convnext"])
@torch.no_grad()
def test_backbones_of_transformers_with_output_norms(family: str, tmp_path: Any) -> None:
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    name, options = HUGGINGFACE[family]
    config = getattr(transformers, f"{name}Config")(**options, out_features=["stage1", "stage2"])
    published = published_options(family, config.to_dict(), source="huggingface")
    model = ours(family, {**published.options, "out_norm": True})
    config.save_pretrained(tmp_path)
    state = to_naming(model, "huggingface")
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    theirs, report = getattr(transformers, f"{name}Backbone").from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not report["missing_keys"]
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for actual, expected in zip(model(images), theirs.eval()(images).feature_maps, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_what_a_naming_cannot_express_is_refused() -> None:
    cswin = ours("cswin", {"dim": 8, "depths": (1, 1), "split_sizes": (1, 2), "num_heads": (2, 4)})
    with refuses(ConfigError, "CSWin", "official"):
        to_naming(cswin, "timm")
    dense = ours("convnext", {"dims": (8, 16), "depths": (1, 1), "dense": True})
    with refuses(ConfigError, "names", "output", "norms"):
        to_naming(dense, "timm")
