"""Masks of DINO's queries, as the head gives them to its criterion and as detections."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection import random_target
from helpers.tiny_dino import check_gradients, features, sizes_of, specs, tiny_head
from torch import Tensor

from vision.errors import ConfigError
from vision.heads.detection.dino import DINOHead
from vision.losses.dino import DINOLoss

STRIDES = (4, 8, 16, 32)
POINTS = {"count": 20}


@torch.no_grad()
def test_queries_read_the_finest_map_if_asked() -> None:
    """Otherwise a change of it moves no box; masks follow it either way."""
    sizes, maps = sizes_of(64, 96), features(64, 96, strides=STRIDES)
    other = [maps[0].flip(1), *maps[1:]]
    for apart in (True, False):
        head = tiny_head(masks=True, finest_for_masks=apart).eval()
        assert len(head.projections(maps[head.first :])) == (4 if apart else 5)
        before, after = head(maps, sizes), head(other, sizes)
        assert torch.equal(before["boxes"], after["boxes"]) == apart
        assert not torch.allclose(before["masks"], after["masks"])


def gradients(head: DINOHead, counts: tuple[int, int]) -> dict[str, Tensor | None]:
    targets = [random_target(count, i, (64, 96)) for i, count in enumerate(counts)]
    batch: Any = {"target": targets, "size": sizes_of(64, 96)}
    outputs: Any = head(features(64, 96, strides=STRIDES), batch["size"], targets)
    assert outputs["mask_features"].shape == (2, 32, 16, 24)
    terms = DINOLoss(points=POINTS)(outputs, batch)
    assert {"loss_mask", "loss_dice_0", "loss_mask_selection"} <= {*terms}
    torch.stack([*terms.values()]).sum().backward()
    return {name: parameter.grad for name, parameter in head.named_parameters()}


def test_every_parameter_has_a_gradient() -> None:
    check_gradients(tiny_head(masks=True).train(), gradients)


@torch.no_grad()
@pytest.mark.parametrize("encoder", ["deformable", "hybrid"])
def test_more_padding_changes_no_mask(encoder: Any) -> None:
    options = {"feedforward": 12} | (
        {"num_blocks": 1} if encoder == "hybrid" else {"num_layers": 1}
    )
    head = tiny_head(masks=True, encoder=encoder, encoder_options=options).eval()
    padded = features(128, 192, strides=STRIDES)
    sizes = torch.tensor([[64, 96], [60, 90]])
    maps = [x[..., : 64 // s, : 96 // s] for x, s in zip(padded, STRIDES, strict=True)]
    before, after = head(maps, sizes), head(padded, sizes)
    torch.testing.assert_close(after["masks"], before["masks"], rtol=1e-3, atol=1e-3)
    assert before["masks"].std() > 0.01


@torch.no_grad()
@pytest.mark.parametrize("encoder", ["deformable", "hybrid"])
def test_weights_in_half_precision(encoder: Any) -> None:
    """As an export to float16 has them; where queries look and what they say stays the same."""
    head = tiny_head(masks=True, encoder=encoder, encoder_options={"feedforward": 12}).eval()
    maps, sizes = features(64, 96, strides=STRIDES), sizes_of(64, 96)
    expected = head(maps, sizes)
    found = head.half()([x.half() for x in maps], sizes)
    assert {found[name].dtype for name in ("boxes", "scores", "masks")} == {torch.float32}
    torch.testing.assert_close(found["scores"], expected["scores"], rtol=0, atol=0.03)
    torch.testing.assert_close(found["boxes"], expected["boxes"], rtol=0, atol=4)


@torch.no_grad()
def test_a_detection_has_the_mask_of_its_query() -> None:
    """The first query is the left half of the image, the second all; boxes end at the border."""
    head = tiny_head(masks=True, score_threshold=0.3, max_per_image=4)
    half = torch.full((1, 2, 8, 16), -9.0)
    half[:, 0, :, :8] = 9.0
    half[:, 1] = 9.0
    predictions: Any = {
        "logits": torch.tensor([[[-0.5, -9, -9], [-9, 2.0, -9]]]),
        "boxes": torch.tensor([[[0.5, 0.5, 1.0, 1.0], [0.75, 0.5, 1.0, 1.0]]]),
        "mask_codes": torch.eye(2)[None],
    }
    found = head.detect(predictions, torch.tensor([[32, 64]]), half)
    assert found["count"].tolist() == [2]
    assert found["boxes"][0, :2].tolist() == [[16, 0, 64, 32], [0, 0, 64, 32]]
    whole, left = found["masks"][0, :2]
    assert whole.min() > 0.99
    assert left[:, :31].min() > 0.5
    assert left[:, 33:].max() < 0.5
    assert not found["masks"][0, 2:].any()


@pytest.mark.parametrize("strides", [(8, 16, 32), (4,)])
def test_a_pyramid_without_the_map_of_masks(strides: tuple[int, ...]) -> None:
    with refuses(ConfigError, "masks=True", "stride 4", str([*strides]), "neck_options.strides"):
        DINOHead(specs(strides), num_classes=3, masks=True)
