"""kMaX-DeepLab's criterion; the authors' numbers are in `test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError
from vision.losses.kmax import (
    KMaXLoss,
    KMaXLossOptions,
    instance_loss,
    mean_of_nonzero,
    sample_pixels,
)
from vision.ops.mask_predictions import MaskTransformerOutputs
from vision.ops.mask_targets import MaskTargets

SIZE = (5, 7)


def outputs(dtype: torch.dtype = torch.float32) -> MaskTransformerOutputs:
    """Of two images, three queries, four classes and one decoder layer at half the size."""

    def some(seed: int, height: int, width: int) -> Any:
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).to(dtype).requires_grad_()

        return {
            "class_logits": draw(2, 3, 5),
            "mask_logits": draw(2, 3, height, width),
            "pixel_features": draw(2, 6, height, width),
        }

    semantic = torch.zeros(2, 5, 3, 4, dtype=dtype).requires_grad_()
    return {**some(0, *SIZE), "layers": [some(1, 3, 4)], "semantic_logits": semantic}


def leaves(found: MaskTransformerOutputs) -> list[Tensor]:
    maps = ["class_logits", "mask_logits", "pixel_features"]
    parts = [part[key] for part in (found, *found["layers"]) for key in maps]
    return [*parts, found["semantic_logits"]]


def targets(*, empty: tuple[int, ...] = ()) -> MaskTargets:
    masks = torch.zeros(2, 2, *SIZE, dtype=torch.bool)
    masks[:, 0, :2], masks[:, 1, 3:, :4] = True, True
    labels = torch.tensor([[1, 3], [0, 1]])
    semantic = torch.full((2, *SIZE), IGNORED)
    semantic[:, :2] = 1
    for image in empty:
        masks[image], labels[image], semantic[image] = False, -1, IGNORED
    return {"labels": labels, "masks": masks, "semantic": semantic}


def test_terms_by_name() -> None:
    terms = KMaXLoss()(outputs(), targets())
    names = ("class", "mask", "dice", "instance")
    assert terms.keys() == {*names, *(f"{name}_0" for name in names), "semantic"}
    bare = outputs()
    del bare["semantic_logits"]
    assert "semantic" not in KMaXLoss()(bare, targets())


@pytest.mark.parametrize("empty", [(0,), (0, 1)])
def test_images_without_segments(empty: tuple[int, ...]) -> None:
    """Nothing but the classes of queries is supervised, and all gradients are finite."""
    found = outputs()
    terms = KMaXLoss()(found, targets(empty=empty))
    assert all(term.isfinite() for term in terms.values())
    torch.stack(list(terms.values())).sum().backward()
    for leaf in leaves(found):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
    for image in empty:
        assert found["class_logits"].grad[image].any()
        assert not found["mask_logits"].grad[image].any()
        assert not found["pixel_features"].grad[image].any()


def test_void_pixels_have_no_influence_on_masks() -> None:
    """A void pixel's logits change only the weights of unmatched queries."""
    options = KMaXLossOptions(class_weight=0, instance_samples=0, semantic_samples=0)
    found, wanted = outputs(), targets()
    terms = KMaXLoss(options)(found, wanted)
    (terms["mask"] + terms["dice"]).backward()
    void = ~wanted["masks"].any(dim=1)
    assert not found["mask_logits"].grad.transpose(0, 1)[:, void].any()
    assert found["mask_logits"].grad.transpose(0, 1)[:, ~void].any()


def test_gradients_against_finite_differences() -> None:
    found = outputs(torch.float64)
    # All pixels, as a draw would differ; weights are constants of the gradient.
    options = KMaXLossOptions(class_weight=0, dice_weight=0, instance_samples=0, semantic_samples=0)

    def total(*values: Tensor) -> Tensor:
        mask, features = values
        changed: Any = {**found, "mask_logits": mask, "pixel_features": features, "layers": []}
        return torch.stack(list(KMaXLoss(options)(changed, targets()).values())).sum()

    assert torch.autograd.gradcheck(total, (found["mask_logits"], found["pixel_features"]))


def test_half_precision_is_raised() -> None:
    exact = KMaXLoss()(outputs(), targets())["mask"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        term = KMaXLoss()(outputs(torch.bfloat16), targets())["mask"]
    assert term.dtype == torch.float32
    assert term.item() == pytest.approx(exact.item(), rel=0.02)


def test_equal_features_within_a_segment() -> None:
    """Two segments of two pixels each, with orthogonal features: worked out by hand."""
    features = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]).view(1, 2, 1, 4)
    masks = features.clone()
    alike, unlike = torch.tensor([1 / 0.3, 0.0]).exp()
    expected = -(alike / (2 * alike + 2 * unlike)).log()
    torch.testing.assert_close(instance_loss(features, masks, torch.arange(4)[None]), expected)


def test_small_segments_are_sampled_first_and_void_last() -> None:
    """Of 200 draws; a pixel of 9 times the inverse area is first in 27 of 28."""
    inverse_area = torch.tensor([[[9.0, 1, 50]]]).expand(200, -1, -1)
    void = torch.tensor([[[False, False, True]]]).expand(200, -1, -1)
    torch.manual_seed(0)
    index = sample_pixels(inverse_area, void, 3, 1.5, None)
    assert (index[:, 2] == 2).all()
    assert (index[:, 0] == 0).float().mean().item() == pytest.approx(27 / 28, abs=0.04)
    assert sample_pixels(inverse_area, void, 0, 1.5, None).shape == (200, 3)
    assert sample_pixels(inverse_area, void, 1, 1.5, None).shape == (200, 1)


def test_noise_of_zero_and_almost_one() -> None:
    noise = torch.tensor([[0.0, 1.0]])
    index = sample_pixels(torch.ones(1, 1, 2), torch.zeros(1, 1, 2).bool(), 2, 1.0, noise)
    assert index.tolist() == [[1, 0]]


def test_zeros_do_not_count() -> None:
    values = torch.tensor([[2.0, 0, 4], [0, 0, 0]])
    assert mean_of_nonzero(values).item() == 1.5


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"mask_weight": -1}, ("mask_weight=-1", "0 or more")),
        ({"instance_samples": -1}, ("instance_samples=-1", "from 0")),
        ({"semantic_temperature": float("nan")}, ("semantic_temperature", "0 or more")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        KMaXLossOptions(**options)
