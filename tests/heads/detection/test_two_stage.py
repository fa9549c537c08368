"""Faster, Mask and Cascade R-CNN at a tiny size."""

import warnings

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_two_stage import (
    CLASSES,
    KINDS,
    SPECS,
    STRIDES,
    decided,
    make_features,
    make_head,
    make_sizes,
    make_target,
)
from torch import Tensor
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image, roi_align

from vision.contracts.detection import Detections
from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError, DataError
from vision.heads.detection.two_stage import CASCADE, Stage, TwoStage
from vision.losses.two_stage import TwoStageLoss
from vision.ops.boxes import decode_boxes, encode_boxes

kinds = pytest.mark.parametrize("kind", list(KINDS))


def pool_one_by_one(features: list[Tensor], boxes: Tensor, i: int, size: int) -> Tensor:
    pooled = []
    for box in boxes:
        side = ((box[2] - box[0]) * (box[3] - box[1])).sqrt()
        level = int((side / 56 + 1e-6).log2().floor().clamp(0, 3))
        pooled.append(
            roi_align(
                features[level][i : i + 1], [box[None]], size, 1 / STRIDES[level], 0, aligned=True
            )
        )
    return torch.cat(pooled)


def detect_one_by_one(head: TwoStage, features: list[Tensor], sizes: Tensor, i: int) -> Detections:
    """The published post-processing of image i, class by class."""
    all_boxes, valid = head.rpn.propose(head.rpn(features), sizes)
    boxes, (height, width) = all_boxes[i][valid[i]], sizes[i].tolist()
    logits, sigmoids = torch.zeros(2, len(boxes), CLASSES + 1)
    rows = torch.arange(len(boxes))
    for stage, branch in zip(head.stages, head.box_heads, strict=True):
        outputs = branch(pool_one_by_one(features, boxes, i, 7))
        logits += outputs.logits
        sigmoids += outputs.logits.sigmoid()
        deltas = outputs.deltas.expand(-1, CLASSES, -1)
        if stage is not head.stages[-1]:
            best = outputs.logits[:, :-1].argmax(dim=1)
            moved = decode_boxes(boxes, deltas[rows, best], stage.target_stds)
            boxes = clip_boxes_to_image(moved, (height, width))
    scores = (logits / len(head.stages)).softmax(dim=1)
    if head.classifier == "sigmoid":
        scores = sigmoids / len(head.stages)
    found = []
    for label in range(CLASSES):
        moved = decode_boxes(boxes, deltas[:, label], head.stages[-1].target_stds)
        above = scores[:, label] > 0.05
        moved = clip_boxes_to_image(moved, (height, width))[above]
        found.append((moved, scores[above, label], torch.full((int(above.sum()),), label)))
    box, score, label = (torch.cat(values) for values in zip(*found, strict=True))
    kept = batched_nms(box, score, label, 0.5)[: head.max_per_image]
    result: Detections = {
        "boxes": box[kept],
        "scores": score[kept],
        "labels": label[kept],
        "count": torch.tensor(len(kept)),
    }
    if len(head.mask_heads):
        pooled = pool_one_by_one(features, box[kept], i, 14)
        masks = torch.stack([branch(pooled).sigmoid() for branch in head.mask_heads]).mean(dim=0)
        result["masks"] = masks[torch.arange(len(kept)), label[kept]]
    return result


@kinds
@torch.no_grad()
def test_detections_are_those_of_a_loop_over_images_and_classes(kind: str) -> None:
    head, features, sizes = decided(make_head(kind)), make_features(3), make_sizes(3)
    found = head(features, sizes)
    assert found["boxes"].shape == (3, 20, 4)
    assert ("masks" in found) == bool(len(head.mask_heads))
    for i in range(3):
        expected = detect_one_by_one(head, features, sizes, i)
        count = int(expected["count"])
        assert count > 3
        assert int(found["count"][i]) == count
        assert torch.equal(found["labels"][i, :count], expected["labels"])
        for key in set(found) - {"labels", "count"}:
            torch.testing.assert_close(
                found[key][i, :count], expected[key], rtol=1e-4, atol=1e-4, msg=f"{kind} {key}"
            )
            assert not found[key][i, count:].any()


@kinds
@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@torch.no_grad()
def test_a_batch_gives_exactly_what_single_images_give(kind: str) -> None:
    head, features, sizes = decided(make_head(kind)), make_features(4), make_sizes(4)
    # oneDNN sums convolutions in another order for another number of images.
    with torch.backends.mkldnn.flags(enabled=False):
        together = head(features, sizes)
        for i in range(4):
            part = slice(i, i + 1)
            alone = head([feature[part] for feature in features], sizes[part])
            for key, value in together.items():
                assert torch.equal(value[part], alone[key]), key


@torch.no_grad()
def test_a_high_threshold_leaves_places_empty() -> None:
    head = decided(make_head("mask", score_threshold=0.999999))
    found = head(make_features(2), make_sizes(2))
    assert found["count"].tolist() == [0, 0]
    assert not any(value.any() for value in found.values())
    predictions = head.predict(found, make_sizes(2))
    assert [len(prediction["boxes"]) for prediction in predictions] == [0, 0]


@kinds
@pytest.mark.parametrize("counts", [(4, 2), (0, 3), (0, 0)])
@pytest.mark.parametrize("crowds", [0, 2])
def test_every_parameter_has_a_gradient(kind: str, counts: tuple[int, ...], crowds: int) -> None:
    head = make_head(kind)
    targets = [make_target(n, crowds=min(n, crowds), seed=i) for i, n in enumerate(counts)]
    outputs = head(make_features(2), make_sizes(2), targets)
    loss = TwoStageLoss(box_loss="giou" if kind == "cascade" else "l1")
    terms = loss(outputs)
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    if not sum(counts):
        assert all(terms[name].item() == 0 for name in terms if "box" in name or "mask" in name)


def still(head: TwoStage) -> TwoStage:
    """A head whose box branches leave all boxes where they are."""
    with torch.no_grad():
        for branch in head.box_heads:
            branch.deltas.weight.zero_()
    return head


@kinds
def test_proposals_are_labelled_by_their_overlap(kind: str) -> None:
    head = still(make_head(kind))
    targets = [make_target(4, crowds=1, seed=1), make_target(2, seed=2)]
    outputs = head(make_features(2), make_sizes(2), targets)
    for stage, samples in zip(head.stages, outputs["stages"], strict=True):
        assert samples["logits"].shape == (2, 32, CLASSES + 1)
        for i, target in enumerate(targets):
            real = ~target["iscrowd"]
            objects, labels = target["boxes"][real], target["labels"][real]
            positive, valid = samples["positive"][i], samples["valid"][i]
            overlap = box_iou(samples["boxes"][i], objects)
            best = overlap.max(dim=1)
            # Each target is a proposal too; at most a quarter of the sample is positive.
            assert len(objects) <= int(positive.sum()) <= 8
            assert (best.values[positive] >= stage.iou_threshold - 1e-4).all()
            assert (best.values[valid & ~positive] < stage.iou_threshold + 1e-4).all()
            assert torch.equal(samples["labels"][i][positive], labels[best.indices[positive]])
            assert (samples["labels"][i][~positive] == CLASSES).all()
            torch.testing.assert_close(
                samples["target_boxes"][i][positive], objects[best.indices[positive]]
            )
            torch.testing.assert_close(
                samples["target_deltas"][i][positive],
                encode_boxes(
                    samples["boxes"][i][positive],
                    samples["target_boxes"][i][positive],
                    stage.target_stds,
                ),
                rtol=1e-3,
                atol=1e-3,
            )


def test_a_stage_starts_from_the_boxes_of_the_one_before() -> None:
    head = make_head("cascade", batch_size_per_image=32)
    with torch.no_grad():
        for branch in head.box_heads:
            branch.deltas.weight.zero_()
            # Every class moves boxes by a tenth of their width to the right.
            branch.deltas.bias.view(-1, 4)[:, 0] = 1.0
    # All proposals are background here, and stay inside the image.
    target = make_target(1)
    target["boxes"] = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    outputs = head(make_features(1), torch.tensor([[64, 4000]]), [target])
    first, second = outputs["stages"][:2]
    left = ~first["positive"] & first["valid"]
    moved = first["boxes"][left]
    moved[:, 1::2] = moved[:, 1::2].clamp(0, 64)
    moved[:, 0::2] = moved[:, 0::2].clamp(min=0)
    chosen = second["valid"] & ~second["positive"]
    # What the second stage says of them, with its own standard deviation: half as far.
    expected = decode_boxes(moved, torch.tensor([1.0, 0.0, 0.0, 0.0]), CASCADE[1].target_stds)
    distance = (second["boxes"][chosen][:, None] - expected).abs().amax(dim=2)
    assert distance.min(dim=1).values.max() < 1e-3
    # The target is added again; the first stage's result for it is not.
    assert int(second["positive"].sum()) == int(first["positive"].sum()) == 1
    torch.testing.assert_close(second["target_boxes"][second["positive"]], target["boxes"])


def test_proposals_in_a_crowd_are_left_out() -> None:
    crowd = make_target(1, crowds=1)
    crowd["boxes"] = torch.tensor([[0.0, 0.0, 48.0, 64.0]])
    for iof in (0.5, None):
        head = still(make_head("mask", crowd_iof=iof))
        outputs = head(make_features(1), make_sizes(1), [crowd])["stages"][0]
        assert not outputs["positive"].any()
        boxes = outputs["boxes"][outputs["valid"]]
        width = (boxes[:, 2].clamp(max=48) - boxes[:, 0]).clamp(min=0)
        share = width * (boxes[:, 3] - boxes[:, 1]) / (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
        assert bool((share >= 0.51).any()) == (iof is None)


def test_masks_to_learn_are_those_of_the_objects() -> None:
    head = still(make_head("mask"))
    with torch.no_grad():
        head.rpn.conv.weight.zero_()
    # Two images whose objects differ by their masks: all, or nothing.
    full, empty = make_target(2, seed=1), make_target(3, seed=2)
    full["masks"][:], empty["masks"][:] = True, False
    masks = head(make_features(2), make_sizes(2), [full, empty])["stages"][0]["masks"]
    samples = head(make_features(2), make_sizes(2), [full, empty])["stages"][0]
    count = samples["positive"].sum(dim=1).tolist()
    assert masks["targets"].shape[1:] == (28, 28)
    assert masks["weight"].all()
    shares = masks["targets"].mean(dim=(1, 2))
    assert ((shares > 0.99) | (shares < 0.01)).all()
    assert int((shares > 0.99).sum()) >= 2
    assert int((shares < 0.01).sum()) >= 3
    assert sum(count) >= 5


@pytest.mark.parametrize("kind", ["mask", "cascade"])
def test_it_learns_one_batch(kind: str) -> None:
    head = make_head(kind, batch_size_per_image=16)
    features = [feature.requires_grad_() for feature in make_features(2)]
    targets = [make_target(2, seed=1), make_target(1, seed=2)]
    criterion = TwoStageLoss(box_loss="giou" if kind == "cascade" else "l1")
    optimiser = torch.optim.Adam([*head.parameters(), *features], lr=0.02)
    losses = []
    for _ in range(12):
        terms = criterion(head(features, make_sizes(2), targets))
        loss = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) / 3 < 0.7 * losses[0]


@torch.no_grad()
def test_images_do_not_depend_on_their_order() -> None:
    head, features, sizes = decided(make_head("mask")), make_features(3), make_sizes(3)
    order = torch.tensor([2, 0, 1])
    found = head(features, sizes)
    turned = head([feature[order] for feature in features], sizes[order])
    for key, value in found.items():
        torch.testing.assert_close(turned[key], value[order])


@pytest.mark.parametrize("kind", ["mask", "cascade"])
def test_mixed_precision_keeps_boxes_and_losses_in_float32(kind: str) -> None:
    head = make_head(kind)
    targets = [make_target(3, seed=1), make_target(0)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = head(make_features(2), make_sizes(2), targets)
        terms = TwoStageLoss(box_loss="giou")(outputs)
    assert outputs["stages"][0]["logits"].dtype == torch.bfloat16
    assert outputs["stages"][0]["boxes"].dtype == torch.float32
    assert {term.dtype for term in terms.values()} == {torch.float32}
    torch.stack(list(terms.values())).sum().backward()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = decided(head)(make_features(2), make_sizes(2))
    assert found["boxes"].dtype == found["scores"].dtype == torch.float32
    assert int(found["count"].sum()) > 0


@pytest.mark.gpu
@kinds
def test_cuda_agrees_with_the_cpu(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    head = decided(make_head(kind)).double()
    features = [feature.double() for feature in make_features(3)]
    with torch.no_grad():
        expected = head(features, make_sizes(3))
        found = head.cuda()([feature.cuda() for feature in features], make_sizes(3).cuda())
    for key, value in found.items():
        torch.testing.assert_close(value.cpu(), expected[key])
    targets = [
        {key: value.cuda() for key, value in make_target(count, seed=count).items()}
        for count in (3, 0, 2)
    ]
    with torch.autocast("cuda", dtype=torch.bfloat16):
        outputs = head.float().train()(
            [feature.float().cuda() for feature in features], make_sizes(3).cuda(), targets
        )
        terms = TwoStageLoss()(outputs)
    torch.stack(list(terms.values())).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


@torch.no_grad()
def test_it_exports_with_a_fixed_number_of_places() -> None:
    # Two maps, since tracing takes seconds per map.
    head, sizes = decided(make_head("mask", maps=2)), make_sizes(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(head, (make_features(2)[:2], sizes)).module()
    # Other values, of which other boxes are kept.
    features = make_features(2, seed=5)[:2]
    expected = head(features, sizes)
    for key, value in program(features, sizes).items():
        torch.testing.assert_close(value, expected[key])


@kinds
def test_class_rows_fit_the_parameters(kind: str) -> None:
    head = make_head(kind)
    parameters = dict(head.named_parameters())
    rows = head.class_rows()
    for name, row in rows.items():
        size = row.per_class * (CLASSES + row.background)
        assert len(parameters[name]) == row.groups * size, name
    # All parameters whose shape depends on the number of classes are named.
    more = dict(make_head(kind, num_classes=CLASSES + 2).named_parameters())
    assert set(rows) == {name for name in more if more[name].shape != parameters[name].shape}


def test_a_reset_head_is_another() -> None:
    head = make_head("cascade")
    before = {name: value.clone() for name, value in head.named_parameters() if value.dim() > 1}
    head.reset_parameters()
    after = dict(head.named_parameters())
    assert not any(torch.equal(value, after[name]) for name, value in before.items())


def test_settings_may_be_given_as_plain_values() -> None:
    head = make_head(
        "mask",
        stages=[{"iou_threshold": 0.5}, {"iou_threshold": 0.6, "loss_weight": 0.5}],
        rpn={"allowed_border": 0},
    )
    assert head.stages == (Stage(), Stage(iou_threshold=0.6, loss_weight=0.5))
    assert head.rpn.settings.allowed_border == 0
    assert head.rpn.settings.channels == 256


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, ("num_classes=0", "1")),
        ({"batch_size_per_image": 0}, ("batch_size_per_image=0", "1")),
        ({"nms_threshold": 50}, ("nms_threshold=50", "1")),
        ({"stages": ()}, ("stages", "empty")),
        (
            {"stages": [{"iou_threshold": 0.5, "target_stdss": 1}]},
            ("stages.target_stdss", "'target_stds'"),
        ),
        ({"stages": [3]}, ("stages=3", "iou_threshold", "target_stds", "loss_weight")),
        ({"stages": [{"target_stds": (1, 1)}]}, ("stages.target_stds=(1", "4 numbers")),
        (
            {"stages": [{"iou_threshold": 50}]},
            ("stages.iou_threshold=50", "1"),
        ),
        ({"box_head": "3fc"}, ("box_head='3fc'", "4", "1", "'2fc'")),
        (
            {"rpn": {"batch_size": 3}},
            ("rpn.batch_size", "'batch_size_per_image'"),
        ),
    ],
)
def test_options_out_of_range_are_refused(options: dict, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        make_head("mask", **options)


def test_maps_that_do_not_fit_are_refused() -> None:
    with refuses(ConfigError, "[8, 9]", "neck"):
        TwoStage((*SPECS, FeatureSpec(9, 128)), num_classes=2)
    with refuses(ConfigError, "two maps or more, not 1; give the neck extra_levels=1"):
        TwoStage(SPECS[:1], num_classes=2)


def test_a_mask_branch_needs_masks() -> None:
    targets = [make_target(2, seed=7, masks=False)]
    with refuses(DataError, "107", "detector"):
        make_head("mask")(make_features(1), make_sizes(1), targets)
    make_head("faster")(make_features(1), make_sizes(1), targets)
