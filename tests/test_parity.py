"""Every backbone against the tensors that the authors' own code computed.

Runs over every `*.safetensors` file directly in `tests/fixtures/parity`, or in the folder that the
environment variable `PARITY_DIR` names. A model is built only from the metadata of its file, so
that a new reference file needs no new code.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from helpers.parity_files import relative_error, under
from safetensors import safe_open
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.heads.classification.linear import LinearHead
from vision.weights.names.families import family_naming, to_ours
from vision.weights.names.published import PublishedModel, published_options

FOLDER = Path(os.environ.get("PARITY_DIR", Path(__file__).parent / "fixtures" / "parity"))
FILES = sorted(FOLDER.glob("*.safetensors"))
FLOAT32_TOLERANCE = 1e-5
FLOAT64_TOLERANCE = 1e-9


class Classifier(nn.Module):
    """A backbone and the linear layer on its embedding, as `load_weights` expects them."""

    def __init__(self, backbone: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = LinearHead(backbone.embed_dim, num_classes=num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.embed(images))["logits"]


@dataclass
class Reference:
    """One reference file, and what is needed to build its model again in another precision."""

    family: str
    tensors: dict[str, Tensor]
    weights: dict[str, Tensor]
    published: PublishedModel
    has_dense_variant: bool
    out_norm: bool

    def keys(self, folder: str) -> list[str]:
        keys = [key for key in self.tensors if key.startswith(folder + "/")]
        return sorted(keys, key=lambda key: int(key.rpartition("/")[2]))

    def build(self, dtype: torch.dtype = torch.float32) -> nn.Module:
        """The model with the reference weights: a classifier if the file has logits."""
        model: nn.Module = create_backbone(
            self.family, **self.published.options, out_norm=self.out_norm
        )
        if "logits" in self.tensors:
            model = Classifier(model, self.published.num_classes)
        report = load_weights(model, self.weights)
        assert not report.unexpected
        # A dense variant has no parameters for logits; nothing else may be missing.
        assert not ("logits" in self.tensors and report.missing)
        return model.eval().to(dtype)


def read_reference(path: Path) -> Reference:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    weights = under(tensors, "state_dict/")
    dense_weights = under(tensors, "dense_state_dict/")
    kwargs = json.loads(metadata.get("kwargs") or "{}")
    dense_kwargs = json.loads(metadata.get("dense_kwargs") or "{}")
    family = metadata["family"]
    naming = family_naming(family, {**weights, **dense_weights})
    source = "official" if naming == "ours" else naming
    dense = published_options(family, dense_kwargs, source=source)
    published = published_options(family, kwargs or dense_kwargs, source=source)
    # Where both classes name an option the classifier's value counts: the weights are its own.
    options = {**dense.options, **published.options}
    every_weight = {**weights, **dense_weights}
    ours = to_ours(family, every_weight)
    return Reference(
        family,
        tensors,
        every_weight,
        replace(published, options=options),
        has_dense_variant=bool(dense_kwargs),
        out_norm=any(key.startswith("out_norms.") for key in ours),
    )


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def reference(request: pytest.FixtureRequest) -> Reference:
    return read_reference(request.param)


@pytest.fixture(scope="module")
def model(reference: Reference) -> nn.Module:
    return reference.build()


@pytest.fixture
def check(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Compare tensors and record the error, so that a report can quote it."""

    def compare(key: str, actual: Tensor, expected: Tensor, tolerance: float) -> None:
        error = relative_error(actual, expected)
        record_property(key, error)
        assert error <= tolerance, f"{key}: relative error {error:.2e} > {tolerance:g}"

    return compare


def backbone_of(model: nn.Module) -> nn.Module:
    return getattr(model, "backbone", model)


def test_there_are_reference_files() -> None:
    assert FILES, f"no *.safetensors in {FOLDER}"


@torch.no_grad()
def test_logits(reference: Reference, model: nn.Module, check: Callable[..., None]) -> None:
    if "logits" not in reference.tensors:
        pytest.skip("the file has no logits")
    images = reference.tensors["input"]
    check("logits", model(images), reference.tensors["logits"], FLOAT32_TOLERANCE)


@torch.no_grad()
def test_classifier_stages(
    reference: Reference, model: nn.Module, check: Callable[..., None]
) -> None:
    keys = reference.keys("stage")
    if not keys:
        pytest.skip("the file has no stages")
    maps = backbone_of(model).forward_stages(reference.tensors["input"], len(keys), classifier=True)
    for key, actual in zip(keys, maps, strict=True):
        check(key, actual, reference.tensors[key], FLOAT32_TOLERANCE)


def features_of(
    reference: Reference, backbone: nn.Module, images: Tensor, count: int
) -> list[Tensor]:
    """The dense variant's maps or, in a file without one, the stages of the class itself."""
    if reference.has_dense_variant:
        return backbone(images)
    stages = backbone.forward_stages(images, count, classifier=True)
    if not reference.out_norm:
        return stages
    return [norm(stages[int(i)]) for i, norm in backbone.out_norms.items()]


@torch.no_grad()
def test_features(reference: Reference, model: nn.Module, check: Callable[..., None]) -> None:
    keys = reference.keys("feature")
    if not keys:
        pytest.skip("the file has no features")
    images = reference.tensors["input"]
    maps = features_of(reference, backbone_of(model), images, len(keys))
    if len(maps) == len(keys):  # otherwise the file names some of the stages
        keys_and_maps = zip(keys, maps, strict=True)
    else:
        keys_and_maps = ((key, maps[int(key.rpartition("/")[2])]) for key in keys)
    for key, actual in keys_and_maps:
        check(key, actual, reference.tensors[key], FLOAT32_TOLERANCE)


@torch.no_grad()
def test_float64(reference: Reference, check: Callable[..., None]) -> None:
    logits = reference.tensors.get("logits_f64")
    features = reference.keys("feature_f64")
    if logits is None and not features:
        pytest.skip("the official code forces float32 inside")
    model = reference.build(torch.float64)
    images = reference.tensors["input"].double()
    if logits is not None:
        check("logits_f64", model(images), logits, FLOAT64_TOLERANCE)
    if features:
        last = int(features[-1].rpartition("/")[2])
        maps = features_of(reference, backbone_of(model), images, last + 1)
        for key in features:
            expected = reference.tensors[key]
            check(key, maps[int(key.rpartition("/")[2])], expected, FLOAT64_TOLERANCE)


@torch.no_grad()
def test_tokens(reference: Reference, model: nn.Module, check: Callable[..., None]) -> None:
    if not reference.keys("outer"):
        pytest.skip("only TNT has inner and outer tokens")
    inner, outer = backbone_of(model).forward_tokens(reference.tensors["input"])
    for folder, tokens in (("inner", inner), ("outer", outer)):
        for key in reference.keys(folder):
            actual = tokens[int(key.rpartition("/")[2])]
            check(key, actual, reference.tensors[key], FLOAT32_TOLERANCE)
