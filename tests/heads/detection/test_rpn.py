"""The region proposal network, against torchvision's and a loop over images."""

import pytest
import torch
from helpers.tiny_two_stage import (
    CHANNELS,
    HEIGHT,
    SPECS,
    STRIDES,
    WIDTH,
    make_features,
    make_sizes,
)
from helpers.tiny_two_stage import make_target as target
from torch import Tensor
from torchvision.models.detection.rpn import RPNHead, concat_box_prediction_layers
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image

from vision.heads.detection.rpn import RPN, AnchorMaps, RPNSettings
from vision.ops.boxes import decode_boxes
from vision.ops.targets import pad_targets

SETTINGS = RPNSettings(
    channels=CHANNELS, pre_nms_topk_train=80, post_nms_topk_train=70, batch_size_per_image=64
)


def make_rpn(settings: RPNSettings = SETTINGS, crowd_iof: float | None = None) -> RPN:
    torch.manual_seed(0)
    rpn = RPN(SPECS, settings=settings, crowd_iof=crowd_iof)
    for layer in (rpn.conv, rpn.logits, rpn.deltas):
        torch.nn.init.normal_(layer.weight, std=0.2)
    return rpn


def all_anchors(maps: AnchorMaps) -> Tensor:
    return torch.cat(maps.anchors)


def test_outputs_are_torchvisions() -> None:
    rpn = make_rpn()
    theirs = RPNHead(CHANNELS, 3)
    names = {"conv.0.0": "conv", "cls_logits": "logits", "bbox_pred": "deltas"}
    state = rpn.state_dict()
    theirs.load_state_dict(
        {
            f"{name}.{kind}": state[f"{ours}.{kind}"]
            for name, ours in names.items()
            for kind in ("weight", "bias")
        }
    )
    features = make_features(2)
    maps = rpn(features)
    logits, deltas = concat_box_prediction_layers(*theirs(features))
    torch.testing.assert_close(torch.cat(maps.logits, dim=1).flatten(), logits.flatten())
    torch.testing.assert_close(torch.cat(maps.deltas, dim=1).flatten(0, 1), deltas)
    assert all_anchors(maps).shape == (torch.cat(maps.logits, dim=1).shape[1], 4)


def test_it_starts_as_published() -> None:
    rpn = RPN(tuple(spec._replace(channels=64) for spec in SPECS), settings=RPNSettings())
    assert rpn.conv.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert rpn.deltas.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not rpn.logits.bias.any()


@pytest.mark.parametrize("training", [True, False])
def test_proposals_are_those_of_a_loop_over_images_and_maps(training: bool) -> None:
    rpn = make_rpn(RPNSettings(channels=CHANNELS, pre_nms_topk_test=30, post_nms_topk_test=25))
    rpn.train(training)
    maps, sizes = rpn(make_features(3)), make_sizes(3)
    boxes, valid = rpn.propose(maps, sizes)
    candidates, maximum = (2000, 1000) if training else (30, 25)
    assert boxes.shape == (3, maximum, 4)
    for i, (height, width) in enumerate(sizes.tolist()):
        box, score, level = [], [], []
        for number in range(len(STRIDES)):
            scores = maps.logits[number][i].sigmoid()
            best = scores.argsort(descending=True, stable=True)[:candidates]
            moved = decode_boxes(maps.anchors[number][best], maps.deltas[number][i, best])
            box.append(clip_boxes_to_image(moved, (height, width)))
            score.append(scores[best])
            level.append(torch.full_like(best, number))
        all_boxes = torch.cat(box)
        real = (all_boxes[:, 2] > all_boxes[:, 0]) & (all_boxes[:, 3] > all_boxes[:, 1])
        all_boxes, scores, levels = all_boxes[real], torch.cat(score)[real], torch.cat(level)[real]
        kept = batched_nms(all_boxes, scores, levels, 0.7)[:maximum]
        assert int(valid[i].sum()) == len(kept)
        torch.testing.assert_close(boxes[i][valid[i]], all_boxes[kept])
        assert not boxes[i][~valid[i]].any()


def test_samples_hold_the_way_from_anchor_to_object() -> None:
    rpn = make_rpn()
    maps = rpn(make_features(2))
    targets = [target(5, seed=1, crowds=1), target(0)]
    samples = rpn.sample(maps, make_sizes(2), pad_targets(targets))
    positive, valid = samples["positive"], samples["valid"]
    assert valid.all()
    assert 0 < int(positive[0].sum()) <= 32
    assert not positive[1].any()
    anchors = all_anchors(maps)
    for s in positive[0].nonzero().flatten().tolist():
        # The anchor is the one with these logits and deltas.
        same = (torch.cat(maps.deltas, dim=1)[0] == samples["deltas"][0, s]).all(dim=1).nonzero()
        assert torch.cat(maps.logits, dim=1)[0, same[0, 0]] == samples["logits"][0, s]
        anchor = anchors[same[0, 0]]
        found = decode_boxes(anchor, samples["target_deltas"][0, s])
        distance = (targets[0]["boxes"] - found).abs().amax(dim=1)
        assert distance.min() < 1e-3
        assert distance.argmin() != 4  # the crowd
    background = samples["target_deltas"][~positive]
    torch.testing.assert_close(background, torch.zeros_like(background), atol=1e-5, rtol=0)


def chosen_anchors(rpn: RPN, maps: AnchorMaps, sizes: Tensor, targets: list) -> list[Tensor]:
    """The anchors of the background samples of each image."""
    for deltas, anchors in zip(maps.deltas, maps.anchors, strict=True):
        deltas.data.copy_(anchors)  # so that samples show their anchor
    samples = rpn.sample(maps, sizes, pad_targets(targets))
    chosen = samples["valid"] & ~samples["positive"]
    return [deltas[row] for deltas, row in zip(samples["deltas"], chosen, strict=True)]


def test_anchors_beyond_the_padded_image_are_not_learnt_from() -> None:
    rpn = make_rpn(RPNSettings(channels=CHANNELS, batch_size_per_image=5000))
    sizes = torch.tensor([[HEIGHT, WIDTH], [33, 30]])
    whole, part = chosen_anchors(rpn, rpn(make_features(2)), sizes, [target(0), target(0)])
    count = sum(3 * -(-HEIGHT // s) * -(-WIDTH // s) for s in STRIDES)
    assert len(whole) == count
    # 33 x 30 pixels are padded to 64 x 32.
    expected = sum(3 * -(-64 // s) * -(-32 // s) for s in STRIDES)
    assert len(part) == expected
    assert ((part[:, 0] + part[:, 2]) / 2 < 32).all()


def test_a_border_leaves_out_anchors_that_reach_out() -> None:
    rpn = make_rpn(RPNSettings(channels=CHANNELS, batch_size_per_image=5000, allowed_border=0))
    sizes = torch.tensor([[HEIGHT, 60]])
    (inside,) = chosen_anchors(rpn, rpn(make_features(1)), sizes, [target(0)])
    assert len(inside) > 0
    assert (inside[:, :2] >= 0).all()
    assert (inside[:, 2] < 60).all()
    assert (inside[:, 3] < HEIGHT).all()
    anchors = all_anchors(rpn(make_features(1)))
    fits = (anchors[:, :2] >= 0).all(dim=1) & (anchors[:, 2] < 60) & (anchors[:, 3] < HEIGHT)
    assert int(fits.sum()) == len(inside)


def test_background_in_a_crowd_is_left_out() -> None:
    crowd = target(1, crowds=1)
    crowd["boxes"] = torch.tensor([[0.0, 0.0, 48.0, 64.0]])
    sizes = torch.tensor([[HEIGHT, WIDTH]])
    options = RPNSettings(channels=CHANNELS, batch_size_per_image=5000)
    shares = []
    for iof in (0.5, None):
        rpn = make_rpn(options, crowd_iof=iof)
        (chosen,) = chosen_anchors(rpn, rpn(make_features(1)), sizes, [crowd])
        width = (chosen[:, 2].clamp(max=48) - chosen[:, 0].clamp(min=0)).clamp(min=0)
        height = (chosen[:, 3].clamp(max=64) - chosen[:, 1].clamp(min=0)).clamp(min=0)
        area = (chosen[:, 2:] - chosen[:, :2]).prod(dim=1)
        shares.append((width * height / area).max().item())
    assert shares[0] < 0.5 <= shares[1]


def test_matches_overlap_as_much_as_published() -> None:
    rpn = make_rpn(RPNSettings(channels=CHANNELS, batch_size_per_image=5000, positive_fraction=1.0))
    targets = [target(6, seed=3)]
    (background,) = chosen_anchors(rpn, rpn(make_features(1)), make_sizes(1), targets)
    assert box_iou(background, targets[0]["boxes"]).max() < 0.3
