"""What the dense heads share: the choice of candidates and the suppression."""

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn
from torchvision.ops import batched_nms

from vision.contracts.features import ClassRows, FeatureSpec
from vision.errors import ConfigError
from vision.heads.detection.dense import DenseHead, reset_convs


class Plain(DenseHead):
    def class_rows(self) -> dict[str, ClassRows]:
        return {}


def plain_head(**options) -> Plain:
    settings = {"num_classes": 3, "score_threshold": 0.05, "nms_threshold": 0.5}
    settings |= {"topk_candidates": 20, "max_per_image": 8} | options
    return Plain([FeatureSpec(4, 8), FeatureSpec(4, 16)], **settings)


def some_logits(rows: int = 40, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (3 * torch.randn(2, rows, 3, generator=generator) - 7).to(dtype)


@pytest.mark.parametrize("rows", [40, 5])
def test_candidates_are_the_best_pairs_of_row_and_class(rows: int) -> None:
    logits = some_logits(rows)
    best = plain_head().best(logits)
    count = min(20, 3 * rows)
    assert best.scores.shape == (2, count)
    for i in range(2):
        order = logits[i].flatten().argsort(descending=True)[:count]
        assert torch.equal(best.index[i], order // 3)
        assert torch.equal(best.labels[i], order % 3)
        scores = logits[i].flatten()[order].sigmoid()
        torch.testing.assert_close(best.scores[i], torch.where(scores > 0.05, scores, 0.0))
    assert (best.scores == 0).any()


def test_candidates_take_their_rows() -> None:
    best = plain_head().best(some_logits())
    values = torch.randn(2, 40, 4)
    taken = best.take(values)
    for i in range(2):
        assert torch.equal(taken[i], values[i, best.index[i]])


def test_half_precision_gives_float32_scores() -> None:
    best = plain_head().best(some_logits(dtype=torch.bfloat16))
    assert best.scores.dtype == torch.float32
    assert (best.scores.diff(dim=1) <= 0).all()


def test_suppression_equals_one_image_at_a_time() -> None:
    generator = torch.Generator().manual_seed(1)
    corner = 40 * torch.rand(3, 60, 2, generator=generator)
    boxes = torch.cat([corner, corner + 5 + 30 * torch.rand(3, 60, 2, generator=generator)], dim=2)
    scores = torch.rand(3, 60, generator=generator)
    scores[1, 4:] = 0  # fewer than there are places
    scores[2] = 0
    labels = torch.randint(3, (3, 60), generator=generator)
    found = plain_head().suppress(boxes, scores, labels)
    assert found["boxes"].shape == (3, 8, 4)
    for i in range(3):
        taken = scores[i].nonzero()[:, 0]
        kept = taken[batched_nms(boxes[i, taken], scores[i, taken], labels[i, taken], 0.5)][:8]
        count = len(kept)
        assert found["count"][i] == count
        assert torch.equal(found["boxes"][i, :count], boxes[i, kept])
        assert torch.equal(found["scores"][i, :count], scores[i, kept])
        assert torch.equal(found["labels"][i, :count], labels[i, kept])
        assert not found["boxes"][i, count:].any()
        assert not found["scores"][i, count:].any()
    assert found["count"].tolist()[0] == 8
    assert found["count"].tolist()[2] == 0


def test_empty_boxes_take_no_place() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.0, 9.0], [1.0, 1.0, 5.0, 5.0], [9.0, 4.0, 12.0, 4.0]]])
    scores, labels = torch.tensor([[0.9, 0.5, 0.8]]), torch.tensor([[0, 1, 2]])
    found = plain_head().suppress(boxes, scores, labels)
    assert found["count"].tolist() == [1]
    assert found["labels"][0, 0] == 1


def test_maps_of_different_channels_are_refused() -> None:
    options = {
        "num_classes": 3,
        "score_threshold": 0.1,
        "nms_threshold": 0.5,
        "topk_candidates": 9,
        "max_per_image": 9,
    }
    with refuses(ConfigError, "[4, 8]", "FPN"):
        Plain([FeatureSpec(4, 8), FeatureSpec(8, 16)], **options)
    with pytest.raises(ConfigError, match="1 or more; got 0"):
        plain_head(num_classes=0)


def test_initial_logits_give_the_prior() -> None:
    layers = nn.Sequential(nn.Conv2d(4, 64, 3), nn.Conv2d(64, 5, 3))
    reset_convs(layers, layers[1], prior_prob=0.02)
    assert layers[0].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not layers[0].bias.any()
    torch.testing.assert_close(layers[1].bias.sigmoid(), torch.full((5,), 0.02))
