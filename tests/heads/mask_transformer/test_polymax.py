"""PolyMaX's head, of which there is no reference: what has to hold of any."""

from typing import Any

import pytest
import torch
from helpers.tiny_dense import SMALL
from torch import Tensor

from vision.contracts.features import FeatureSpec
from vision.heads.depth.readout import DepthReadout, NormalsReadout, Readout
from vision.heads.mask_transformer.kmax import KMaXHead
from vision.heads.mask_transformer.polymax import PolyMaXHead

SPECS = [FeatureSpec(c, 4 << i) for i, c in enumerate((4, 6, 8, 10))]
DEPTH = DepthReadout(min_depth=0.5, max_depth=8.0)


def tiny(readout: Readout = DEPTH, **options: Any) -> PolyMaXHead:
    torch.manual_seed(0)
    return PolyMaXHead(SPECS, readout=readout, **{**SMALL["polymax"], **options})


def maps(height: int, width: int, *, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(
            batch, s.channels, -(-height // s.stride), -(-width // s.stride), generator=generator
        )
        for s in SPECS
    ]


@torch.no_grad()
def test_one_query_gives_a_constant_map() -> None:
    head = tiny(num_queries=1).eval()
    # The ends of branches begin at 0, where queries would not yet see the image.
    for parameter in head.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    values = head(maps(65, 97))["values"]
    assert values.shape == (2, 1, 17, 25)
    for image in values:
        assert image.min() == image.max()
    assert values[0, 0, 0, 0] != values[1, 0, 0, 0]


@torch.no_grad()
def test_fixed_values_are_weighted_by_the_masks() -> None:
    head, features = tiny().eval(), maps(64, 64, batch=1)
    final, _ = head.decode(features)
    fixed = torch.tensor([1.0, 2.0, 3.0, 5.0, 7.0])
    logits = final["mask_logits"][0]
    found = head.expect({**final, "values": fixed[None, None]})
    for y in range(0, 16, 5):
        for x in range(0, 16, 3):
            weights = [logits[n, y, x].exp().item() for n in range(5)]
            mean = sum(w * v for w, v in zip(weights, fixed.tolist(), strict=True)) / sum(weights)
            assert found[0, 0, y, x].item() == pytest.approx(mean, rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_range_is_never_left(scale: float) -> None:
    head = tiny().train()
    for name, parameter in head.named_parameters():
        if ".values." in name:
            parameter.mul_(scale)
    outputs = head(maps(65, 65))
    for values in (outputs["values"], *outputs["layers"]):
        assert values.min() >= 0.5
        assert values.max() <= 8.0
    if scale > 1:
        # Clusters at both ends, so that the range is used.
        _, layers = head.decode(maps(65, 65))
        ends = torch.cat([layer["values"].flatten() for layer in layers])
        assert ends.min() < 0.51
        assert ends.max() > 7.99


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_masks_are_those_of_kmax(training: bool) -> None:
    """With the same weights; KMaXHead's own numbers are the authors'."""
    torch.manual_seed(2)
    kmax = KMaXHead(SPECS, num_classes=3, semantic="none", drop_path_rate=0.0, **SMALL["polymax"])
    for parameter in kmax.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    head = tiny(drop_path_rate=0.0)
    missing, extra = head.load_state_dict(kmax.state_dict(), strict=False)
    assert all(".values." in f".{name}" for name in missing)
    assert all(".classes." in name for name in extra)
    features = maps(65, 97)
    expected = kmax.train(training)(features)
    final, layers = head.train(training).decode(features)
    for ours, theirs in zip((final, *layers), (expected, *expected["layers"]), strict=True):
        assert torch.equal(ours["mask_logits"], theirs["mask_logits"])


@torch.no_grad()
@pytest.mark.parametrize("readout", [DEPTH, NormalsReadout()])
@pytest.mark.parametrize("size", [(66, 97), (128, 71)])
def test_any_size(size: tuple[int, int], readout: Readout) -> None:
    head, features = tiny(readout).eval(), maps(*size)
    outputs = head(features)
    assert outputs["values"].shape == (2, readout.channels, *features[0].shape[-2:])
    assert "layers" not in outputs
    if readout.channels == 3:
        lengths = outputs["values"].norm(dim=1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths))
    # The images of a batch do not see each other, nor the sizes before them.
    alone = tiny(readout).eval()([x[1:] for x in features])
    torch.testing.assert_close(alone["values"], outputs["values"][1:])
    layers = head.train()(features)["layers"]
    assert [x.shape[-2:] for x in layers] == [x.shape[-2:] for x in features[:0:-1]]


def test_every_parameter_has_a_gradient() -> None:
    head = tiny(drop_path_rate=0.0).train()
    # Branches end in a norm of scale 0, behind which nothing has a gradient yet.
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.1)
    outputs = head(maps(65, 65))
    loss = sum(x.cos().sum() for x in (outputs["values"], *outputs["layers"]))
    loss.backward()  # type: ignore[union-attr]
    assert [n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_masks_have_a_gradient_from_the_start() -> None:
    """Clusters of equal values would leave it to chance which pixels are whose."""
    head = tiny().train()
    (head(maps(65, 65))["values"] * torch.randn(17, 17)).sum().backward()
    gradient = head.prediction.kernels.conv.weight.grad
    assert gradient is not None
    assert gradient.abs().max() > 1e-4


def test_no_decay_of_queries_and_tables() -> None:
    names = tiny().no_weight_decay()
    assert "queries" in names
    assert len(names) == 1 + 2 * 2 * 3


@torch.no_grad()
def test_autocast() -> None:
    head, features = tiny().eval(), maps(65, 65)
    exact = head(features)["values"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = head(features)["values"]
    assert values.dtype == torch.float32
    assert (values - exact).abs().max() < 0.2
