"""The losses of volumes, against MONAI's, with ignored cells, and of coarser maps."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch.nn import functional as F

from vision.contracts.volumes import IGNORED
from vision.errors import ConfigError
from vision.losses.volumes import VolumeLoss, VolumeLossOptions, dice_loss
from vision.ops.volume_regions import region_masks

REGIONS = {"TC": (1, 3), "WT": (1, 2, 3), "ET": (3,)}
SIZE = (5, 6, 4)


@pytest.fixture
def logits() -> torch.Tensor:
    torch.manual_seed(0)
    return (3 * torch.randn(2, 4, *SIZE, dtype=torch.float64)).requires_grad_()


@pytest.fixture
def mask() -> torch.Tensor:
    return torch.randint(4, (2, *SIZE), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def term(
    name: str, logits: torch.Tensor, mask: torch.Tensor, regions: Any = None, **options: Any
) -> torch.Tensor:
    loss = VolumeLoss(VolumeLossOptions(terms={name: 1.0}, **options), regions=regions)
    return loss({"logits": logits}, mask)[name]


@pytest.mark.parametrize("background", [True, False])
def test_losses_of_classes_are_those_of_monai(
    logits: torch.Tensor, mask: torch.Tensor, background: bool
) -> None:
    from monai.losses import DiceCELoss, DiceLoss, FocalLoss

    index = mask[:, None].long()
    dice = DiceLoss(softmax=True, to_onehot_y=True, include_background=background)
    expected = dice(logits, index)
    torch.testing.assert_close(term("dice", logits, mask, background=background), expected)
    both = DiceCELoss(softmax=True, to_onehot_y=True, include_background=background)
    options = VolumeLossOptions(terms={"dice": 1, "cross_entropy": 1}, background=background)
    found = VolumeLoss(options)({"logits": logits}, mask)
    torch.testing.assert_close(sum(found.values()), both(logits, index))
    focal = FocalLoss(use_softmax=True, to_onehot_y=True, gamma=1.5)
    expected = focal(logits.float(), index)
    torch.testing.assert_close(term("focal", logits, mask, gamma=1.5).float(), expected)


def test_losses_of_regions_are_those_of_monai(logits: torch.Tensor, mask: torch.Tensor) -> None:
    from monai.losses import DiceLoss, FocalLoss

    logits = logits[:, :3]
    target = region_masks(mask, REGIONS).transpose(0, 1).to(logits)
    torch.testing.assert_close(
        term("dice", logits, mask, REGIONS), DiceLoss(sigmoid=True)(logits, target)
    )
    torch.testing.assert_close(
        term("focal", logits, mask, REGIONS).float(), FocalLoss()(logits.float(), target.float())
    )
    torch.testing.assert_close(
        term("cross_entropy", logits, mask, REGIONS),
        F.binary_cross_entropy_with_logits(logits, target),
    )


@pytest.mark.parametrize("regions", [None, REGIONS])
@pytest.mark.parametrize("name", ["dice", "cross_entropy", "focal"])
def test_ignored_cells_count_nowhere(
    logits: torch.Tensor, mask: torch.Tensor, name: str, regions: Any
) -> None:
    logits = logits.detach()[:, : 3 if regions else 4].requires_grad_()
    ignored = mask.clone()
    ignored[:, 3:] = IGNORED
    found = term(name, logits, ignored, regions)
    torch.testing.assert_close(found, term(name, logits[:, :, :3], mask[:, :3], regions))
    (gradient,) = torch.autograd.grad(found, logits)
    assert not gradient[:, :, 3:].any()
    assert gradient[:, :, :3].any()
    # A patch without a label is left out of the mean; without any, the loss is 0.
    ignored[0] = IGNORED
    alone = term(name, logits[1:], ignored[1:], regions)
    torch.testing.assert_close(term(name, logits, ignored, regions), alone)
    nothing = term(name, logits, torch.full_like(mask, IGNORED), regions)
    assert nothing == 0
    (gradient,) = torch.autograd.grad(nothing, logits)
    assert not gradient.any(), "finite, and 0"


def test_coarser_maps_are_compared_with_fewer_labels_and_weigh_less(mask: torch.Tensor) -> None:
    torch.manual_seed(0)
    mask = mask[:, :4]
    maps = [torch.randn(2, 4, *size) for size in ((4, 6, 4), (2, 3, 2), (1, 1, 1))]
    options = VolumeLossOptions(terms={"dice": 2.0, "cross_entropy": 1.0}, deeper_weight=0.5)
    loss = VolumeLoss(options)
    found = loss({"logits": maps[0], "deeper": maps[1:]}, mask)
    assert [*found] == [
        f"{name}{i}" for i in ("", "_0", "_1") for name in ("dice", "cross_entropy")
    ]
    coarse = [mask, mask[:, 1::2, 1::2, 1::2], mask[:, 2:3, 3:4, 2:3]]
    for suffix, factor, logits, labels in zip(
        ("", "_0", "_1"), (4 / 7, 2 / 7, 1 / 7), maps, coarse, strict=True
    ):
        for name, value in loss({"logits": logits}, labels).items():
            torch.testing.assert_close(found[name + suffix], factor * value)


def test_half_precision_is_compared_in_float32() -> None:
    mask = torch.zeros(1, 32, 32, 64, dtype=torch.uint8)  # a sum of 65,536 overflows in half
    logits = torch.full((1, 2, 32, 32, 64), -2.0).half()
    found = term("dice", logits, mask)
    torch.testing.assert_close(found, term("dice", logits.float(), mask))


def test_dice_of_a_hand_case() -> None:
    probabilities = torch.tensor([0.5, 1.0, 0.25, 0.0]).reshape(1, 1, 1, 2, 2)
    target = torch.tensor([True, True, False, False]).reshape(1, 1, 1, 2, 2)
    valid = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    # 2 * 1.5 of 1.75 + 2
    found = dice_loss(probabilities, target, valid, smooth=1e-9)
    torch.testing.assert_close(found, torch.tensor(1 - 3 / 3.75))


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"terms": {}}, ["terms is empty", "dice"]),
        ({"terms": {"dise": 1.0}}, ["'dise'", "'dice'"]),
        ({"terms": {"dice": -1.0}}, ["terms.dice=-1.0", "0 or more"]),
        ({"smooth": 0.0}, ["smooth=0.0", "above 0"]),
        ({"gamma": -1.0}, ["gamma=-1.0"]),
        ({"deeper_weight": 1.5}, ["deeper_weight=1.5"]),
    ],
)
def test_options_out_of_range_are_refused(values: dict[str, Any], parts: list[str]) -> None:
    with refuses(ConfigError, *parts):
        VolumeLossOptions(**values)
