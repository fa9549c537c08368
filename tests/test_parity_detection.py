"""Every detector against the tensors that mmdet's own code computed (`tests/fixtures/mmdet`).

Detections, losses and gradients depend on choices that rounding may change. They are compared in
float64, in which nothing is left of it.
"""

import pytest
import torch
from helpers.mmdet_references import NAMES, Detector, Reference, build, our_term, read
from torch import Tensor

from vision import load_weights
from vision.contracts.detection import Detections
from vision.ops.dense import flatten_map
from vision.weights.names import mmdet

# Of the largest value, in float32.
TOLERANCE = 1e-5
# In float64 of both; what is left are constants that one or the other has in float32.
FINE = 5e-6
PIXELS = 1e-4


@pytest.fixture(scope="module", params=NAMES)
def reference(request: pytest.FixtureRequest) -> Reference:
    return read(request.param)


def loaded(reference: Reference) -> Detector:
    model = build(reference)
    report = load_weights(model, reference.folder("state_dict"))
    assert report.naming == "mmdet"
    assert not report.missing + report.unexpected + report.reinitialised
    assert not report.resized
    return model


@pytest.fixture(scope="module")
def detector(reference: Reference) -> Detector:
    return loaded(reference)


@pytest.fixture(scope="module")
def features(reference: Reference, detector: Detector) -> list[Tensor]:
    with torch.no_grad():
        return detector.neck(detector.backbone(reference.tensors["input"]))


@pytest.fixture(scope="module")
def fine(reference: Reference) -> Detector:
    return loaded(reference).double()


@pytest.fixture(scope="module")
def detections(reference: Reference, fine: Detector) -> Detections:
    with torch.no_grad():
        return fine(reference.tensors["input"].double(), reference.tensors["sizes"])


def check(actual: Tensor, expected: Tensor, what: str, tolerance: float = TOLERANCE) -> None:
    assert actual.shape == expected.shape, what
    error = ((actual - expected).abs().max() / expected.abs().max()).item()
    assert error <= tolerance, f"{what}: relative error {error:.2e}"


def test_maps_of_the_neck(reference: Reference, features: list[Tensor]) -> None:
    expected = reference.folder("feature")
    assert len(features) == len(expected)
    for i, actual in enumerate(features):
        check(actual, expected[str(i)], f"map {i}")


@torch.no_grad()
def test_outputs_of_the_convolutional_head(
    reference: Reference, detector: Detector, features: list[Tensor]
) -> None:
    raw = reference.folder("raw")
    names = sorted({key.partition("/")[0] for key in raw})
    if hasattr(detector.head, "rpn"):
        maps = detector.head.rpn(features)
        outputs = {"logits": torch.cat(maps.logits, dim=1), "deltas": torch.cat(maps.deltas, dim=1)}
        widths = {"logits": 1, "deltas": 4}
    else:
        outputs = detector.head(features, reference.tensors["sizes"], reference.targets())
        widths = {"logits": 3, "deltas": 4, "distances": 4, "centerness": 1}
    for name in names:
        levels = [flatten_map(raw[f"{name}/{i}"], widths[name]) for i in range(len(features))]
        expected = torch.cat(levels, dim=1)
        check(outputs[name].reshape(expected.shape), expected, name)


def test_detections(reference: Reference, detections: Detections) -> None:
    for i in range(2):
        expected = reference.folder(f"prediction/{i}")
        count = len(expected["scores"])
        assert detections["count"][i] == count
        assert torch.equal(detections["labels"][i, :count], expected["labels"])
        check(detections["scores"][i, :count], expected["scores"], f"scores of image {i}", FINE)
        difference = detections["boxes"][i, :count] - expected["bboxes"]
        assert difference.abs().max() < PIXELS


def test_mask_probabilities(reference: Reference, detections: Detections) -> None:
    if "masks" not in detections:
        pytest.skip("a detector without masks")
    expected = reference.tensors["mask_probabilities"].unflatten(0, (2, -1))
    actual = detections["masks"][:, : expected.shape[1]]
    assert expected.std() > 0.1
    check(actual, expected, "masks", 5e-5)


def test_predictions_in_pixels_of_the_files(
    reference: Reference, fine: Detector, detections: Detections
) -> None:
    sizes, original_sizes = reference.tensors["sizes"], reference.tensors["original_sizes"]
    predictions = fine.head.predict(detections, sizes, original_sizes)
    for i, prediction in enumerate(predictions):
        expected = reference.folder(f"original/{i}")
        assert (prediction["boxes"] - expected["bboxes"]).abs().max() < PIXELS
        if "masks" in expected:
            masks = prediction["masks"][: len(expected["masks"])]
            assert masks.shape == expected["masks"].shape
            # Pixels whose probability is one half but for rounding may differ.
            assert (masks != expected["masks"]).float().mean() < 1e-4
            assert expected["masks"].any()


def losses(reference: Reference, detector: Detector, **options: bool) -> dict[str, Tensor]:
    dtype = detector.backbone.patch_embed.proj.weight.dtype
    targets, sizes = reference.targets(**options), reference.tensors["sizes"]
    for target in targets:
        target["boxes"] = target["boxes"].to(dtype)
    # In training the detector proposes more; no other part of these depends on the mode.
    if hasattr(detector.head, "rpn"):
        detector.head.rpn.train()
    try:
        outputs = detector(reference.tensors["input"].to(dtype), sizes, targets)
    finally:
        detector.eval()
    return detector.criterion(outputs, {"target": targets, "size": sizes})


@pytest.fixture(scope="module")
def terms(reference: Reference, fine: Detector) -> dict[str, Tensor]:
    return losses(reference, fine)


def check_terms(terms: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert sorted(terms) == sorted(map(our_term, expected))
    for name, value in expected.items():
        check(terms[our_term(name)], value, name, tolerance)


def test_losses(reference: Reference, terms: dict[str, Tensor]) -> None:
    check_terms(terms, reference.folder("loss"), FINE)


@torch.no_grad()
def test_losses_in_float32(reference: Reference, detector: Detector) -> None:
    terms = losses(reference, detector)
    assert all(term.dtype == torch.float32 for term in terms.values())
    check_terms(terms, reference.folder("loss"), 1e-4)


@torch.no_grad()
def test_losses_with_an_image_without_objects(reference: Reference, detector: Detector) -> None:
    terms = losses(reference, detector, second_empty=True)
    check_terms(terms, reference.folder("loss_one_empty"), 1e-4)


def test_gradients(reference: Reference, fine: Detector, terms: dict[str, Tensor]) -> None:
    torch.stack([term.double() for term in terms.values()]).sum().backward()
    gradients = {n: p.grad for n, p in fine.named_parameters() if p.grad is not None}
    norms = reference.folder("gradient_norm")
    scales = [v for k, v in norms.items() if ".scales." in k]
    if scales:
        check(gradients["head.scales"].abs(), torch.stack(scales), "head.scales", TOLERANCE)
    rest = {k: v for k, v in norms.items() if not k.startswith("backbone.") and ".scales." not in k}
    ours = mmdet.read(rest)
    assert len(ours) + bool(scales) == sum(not name.startswith("backbone.") for name in gradients)
    for name, expected in ours.items():
        assert gradients[name].norm().item() == pytest.approx(expected.item(), rel=TOLERANCE), name
    # Names of the backbone differ more: all of it is compared at once.
    expected = torch.stack([v for k, v in norms.items() if k.startswith("backbone.")]).norm()
    backbone = [g.norm() for name, g in gradients.items() if name.startswith("backbone.")]
    check(torch.stack(backbone).norm(), expected, "backbone", TOLERANCE)
