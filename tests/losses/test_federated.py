"""The federated loss against detectron2's definition as a loop, its draw against multinomial's."""

import pytest
import torch
from helpers.refusals import refuses
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.losses.federated import FederatedClasses
from vision.losses.two_stage import TwoStageLoss
from vision.ops.two_stage import BoxSamples, TwoStageOutputs

CLASSES = 8
COUNTS = [100, 36, 0, 4, 16, 1, 9, 64]


def chooser(num_federated: int, **options: float) -> FederatedClasses:
    made = FederatedClasses(num_federated, **options)
    made.set_image_counts(COUNTS)
    return made


def draw(labels: list[int], num_federated: int, seed: int = 0, **options: float) -> set[int]:
    torch.manual_seed(seed)
    tensor = torch.tensor(labels, dtype=torch.int64)
    chosen = chooser(num_federated, **options)(tensor, torch.ones_like(tensor) > 0, CLASSES)
    return set(chosen.nonzero().flatten().tolist())


def outputs(seed: int) -> TwoStageOutputs:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES + 1, (2, 6), generator=generator)
    valid = torch.rand(2, 6, generator=generator) > 0.2
    zeros = torch.zeros(2, 6, 4)
    anchors = {"logits": zeros[..., 0], "deltas": zeros, "target_deltas": zeros}
    anchors |= {"positive": labels < 0, "valid": valid}
    stage: BoxSamples = {
        "logits": torch.randn(2, 6, CLASSES + 1, generator=generator).requires_grad_(),
        "labels": labels,
        "deltas": zeros,
        "target_deltas": zeros,
        "boxes": zeros,
        "target_boxes": zeros,
        "positive": valid & (labels < CLASSES),
        "valid": valid,
        "weight": 1.0,
    }
    return {"anchors": anchors, "stages": [stage]}


def loop(stage: BoxSamples, chosen: set[int]) -> float:
    """detectron2's sum: over samples and chosen classes, divided by the number of samples."""
    total, count = 0.0, 0
    logits = stage["logits"].detach()
    for image in range(2):
        for place in range(6):
            if not stage["valid"][image, place]:
                continue
            count += 1
            for label in chosen:
                probability = logits[image, place, label].sigmoid()
                present = stage["labels"][image, place] == label
                total -= float((probability if present else 1 - probability).log())
    return total / count


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_of_sigmoids_is_the_sum_over_classes(seed: int) -> None:
    given = outputs(seed)
    terms = TwoStageLoss(classifier="sigmoid")(given)
    assert terms["loss_cls"].item() == pytest.approx(loop(given["stages"][0], {*range(CLASSES)}))


@pytest.mark.parametrize("seed", range(3))
def test_the_federated_loss_is_the_sum_over_the_chosen_classes(seed: int) -> None:
    given = outputs(seed)
    stage = given["stages"][0]
    criterion = TwoStageLoss(classifier="sigmoid", federated_classes=7)
    criterion.federated.set_image_counts(COUNTS)
    torch.manual_seed(seed)
    chosen = criterion.federated(stage["labels"], stage["valid"], CLASSES)
    torch.manual_seed(seed)
    loss = criterion(given)["loss_cls"]
    expected = loop(stage, set(chosen.nonzero().flatten().tolist()))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    # Classes that were not chosen, and the background's column, are left alone.
    loss.backward()
    columns = stage["logits"].grad.abs().sum(dim=(0, 1)) > 0
    assert columns.tolist() == [*chosen.tolist(), False]


def test_the_classes_of_the_batch_are_always_chosen_and_the_background_counts_as_one() -> None:
    for seed in range(20):
        chosen = draw([3, 5, 5, CLASSES], 5, seed)
        assert {3, 5} <= chosen
        assert len(chosen) == 4  # and the background
        assert 2 not in chosen  # without images
        assert len(draw([3, 5], 5, seed)) == 5
    assert draw([0, 1, 2, 3], 2) == {0, 1, 2, 3}
    assert draw([], 8) == {*range(CLASSES)} - {2}


def test_samples_that_do_not_count_choose_no_class() -> None:
    labels, valid = torch.tensor([[0, 3]]), torch.tensor([[False, True]])
    chosen = chooser(1)(labels, valid, CLASSES)
    assert chosen.nonzero().flatten().tolist() == [3]


def test_classes_are_drawn_as_often_as_by_multinomial() -> None:
    torch.manual_seed(0)
    weights = torch.tensor(COUNTS).float().sqrt()
    weights[4] = 0  # in the batch
    expected = torch.multinomial(weights.expand(1500, -1), 2).flatten().bincount(minlength=CLASSES)
    made, labels = chooser(3), torch.tensor([4])
    valid = labels > 0
    found = torch.stack([made(labels, valid, CLASSES) for _ in range(1500)]).sum(dim=0)
    assert found[4] == 1500
    found[4] = 0
    # Five standard deviations of the difference of two counts.
    torch.testing.assert_close(found, expected, rtol=0, atol=5 * 27)
    # With the power 0 all classes that have images are alike.
    even = chooser(3, power=0.0)
    found = torch.stack([even(labels, valid, CLASSES) for _ in range(1000)]).float().mean(dim=0)
    others = [0, 1, 3, 5, 6, 7]
    torch.testing.assert_close(found[others], torch.full((6,), 2 / 6), rtol=0, atol=0.08)


def test_equal_seeds_draw_equal_classes_and_gradients_flow_without_objects() -> None:
    assert draw([1], 4, seed=3) == draw([1], 4, seed=3)
    given = outputs(0)
    stage = given["stages"][0]
    stage["labels"].fill_(CLASSES)
    criterion = TwoStageLoss(classifier="sigmoid", federated_classes=3)
    criterion.federated.set_image_counts(COUNTS)
    criterion(given)["loss_cls"].backward()
    assert stage["logits"].grad.isfinite().all()
    negative = F.logsigmoid(-stage["logits"][..., :-1])
    assert (stage["logits"].grad[..., :-1][negative < 0] >= 0).all()


def test_what_does_not_fit_is_refused() -> None:
    with refuses(ConfigError, "federated_classes=50", "head_options.classifier: sigmoid"):
        TwoStageLoss(federated_classes=50)
    with refuses(ConfigError, "federated_classes=0", "1"):
        TwoStageLoss(classifier="sigmoid", federated_classes=0)
    with refuses(ConfigError, "classifier='tanh'", "'softmax'", "'sigmoid'"):
        TwoStageLoss(classifier="tanh")
