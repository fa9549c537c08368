"""Cross entropy in strips against the cross entropy of logits enlarged as a whole."""

import pytest
import torch
from helpers.peak import peak_bytes
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.segmentation import IGNORED
from vision.losses import cross_entropy
from vision.losses.cross_entropy import pixel_losses, resized_cross_entropy

# Height and width of the map and of the labels: doubled, odd, the same, only one axis, smaller,
# and a single row.
SIZES = [
    ((4, 4), (8, 8)),
    ((5, 3), (17, 13)),
    ((6, 5), (6, 5)),
    ((6, 5), (6, 11)),
    ((6, 5), (13, 5)),
    ((9, 8), (4, 5)),
    ((1, 4), (5, 9)),
]


def some(
    small: tuple[int, int], large: tuple[int, int], dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels with ignored pixels, and weights."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, *small, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, *large), generator=generator)
    labels[torch.rand(2, *large, generator=generator) < 0.3] = IGNORED
    weights = torch.rand(2, *large, generator=generator, dtype=torch.float64)
    return logits.to(dtype).requires_grad_(), labels, weights


def whole(logits: Tensor, labels: Tensor, align_corners: bool) -> Tensor:
    """The losses of pixels the plain way."""
    logits = F.interpolate(
        logits, size=labels.shape[1:], mode="bilinear", align_corners=align_corners
    )
    return F.cross_entropy(logits, labels, reduction="none", ignore_index=IGNORED)


@pytest.fixture(params=[1, 700, 2**23], ids=["rows", "strips", "one strip"])
def strip_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cross_entropy.STRIP_BYTES, "cpu", request.param)


@pytest.mark.usefixtures("strip_bytes")
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("small", "large"), SIZES)
def test_equals_the_loss_of_logits_of_full_size(
    small: tuple[int, int], large: tuple[int, int], align_corners: bool
) -> None:
    logits, labels, weights = some(small, large)
    losses = pixel_losses(logits, labels, align_corners=align_corners)
    expected = whole(logits, labels, align_corners)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-12)
    loss = resized_cross_entropy(logits, labels, weights, align_corners=align_corners)
    expected = (expected * weights).sum()
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    (ours,) = torch.autograd.grad(3 * loss, logits)
    (theirs,) = torch.autograd.grad(3 * expected, logits)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("strip_bytes")
@pytest.mark.parametrize("align_corners", [False, True])
def test_gradient_equals_differences(align_corners: bool) -> None:
    logits, labels, weights = some((3, 4), (7, 8))
    assert torch.autograd.gradcheck(
        lambda x: resized_cross_entropy(x, labels, weights, align_corners=align_corners), logits
    )


def test_images_together_on_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    # As it is on devices whose strips hold all images.
    logits, labels, weights = some((5, 3), (17, 13))
    monkeypatch.delitem(cross_entropy.STRIP_BYTES, "cpu")
    strips = list(cross_entropy._strips(logits.to("meta"), labels, False))
    assert [(one.images, one.rows) for one in strips] == [(slice(0, 2), slice(0, 17))]
    few = 2 * 4 * 13 * 8 * 3  # bytes of three rows of both images
    monkeypatch.setattr(cross_entropy, "OTHER_STRIP_BYTES", few)
    strips = list(cross_entropy._strips(logits.to("meta"), labels, False))
    assert [one.rows.stop for one in strips] == [3, 6, 9, 12, 15, 17]
    monkeypatch.setattr(cross_entropy, "_strips", lambda *_: some_strips(strips, logits))
    loss = resized_cross_entropy(logits, labels, weights)
    torch.testing.assert_close(loss, (whole(logits, labels, False) * weights).sum())


def some_strips(strips: list[cross_entropy._Strip], logits: Tensor) -> list[cross_entropy._Strip]:
    """The strips with their shares filled in, which have no values on no device."""
    mix = cross_entropy._mix(5, 17, False).to(logits)
    return [one._replace(mix=mix[one.rows, one.source]) for one in strips]


def test_float32_agrees_and_half_precision_is_computed_in_float32() -> None:
    exact, labels, weights = some((8, 8), (32, 32))
    expected = (whole(exact, labels, False) * weights).sum()
    loss = resized_cross_entropy(exact.float(), labels, weights)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected.float(), rtol=1e-6, atol=0)
    for dtype in (torch.float16, torch.bfloat16):
        logits, labels, weights = some((8, 8), (32, 32), dtype)
        with torch.autocast("cpu", torch.bfloat16):
            loss = resized_cross_entropy(logits, labels, weights)
        expected = (whole(logits.detach().double(), labels, False) * weights).sum()
        torch.testing.assert_close(loss, expected.float(), rtol=1e-6, atol=0)
        loss.backward()
        assert logits.grad.dtype == dtype


def test_large_logits_stay_finite() -> None:
    logits = torch.tensor([1e4, -1e4, 300.0]).view(1, 3, 1, 1).requires_grad_()
    labels = torch.tensor([[[1, 0], [2, IGNORED]]])
    loss = resized_cross_entropy(logits, labels, torch.ones(1, 2, 2))
    loss.backward()
    assert loss.item() == 2e4 + (1e4 - 300)
    assert logits.grad.flatten().tolist() == [2.0, -1.0, -1.0]


def test_nothing_to_learn_gives_zero() -> None:
    logits, labels, weights = some((4, 4), (8, 8))
    loss = resized_cross_entropy(logits, torch.full_like(labels, IGNORED), weights / 0)
    loss.backward()
    assert loss == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_no_gradient_is_computed_where_none_is_wanted() -> None:
    logits, labels, weights = some((4, 4), (8, 8))
    loss = resized_cross_entropy(logits.detach(), labels, weights)
    assert not loss.requires_grad
    assert not pixel_losses(logits, labels).requires_grad


@pytest.mark.parametrize("align_corners", [False, True])
def test_exported_graph_computes_the_same(align_corners: bool) -> None:
    class Loss(torch.nn.Module):
        def forward(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
            return resized_cross_entropy(logits, labels, weights, align_corners=align_corners)

    inputs = tuple(tensor.detach() for tensor in some((5, 3), (17, 13)))
    graph = torch.export.export(Loss(), inputs)
    torch.testing.assert_close(graph.module()(*inputs), Loss()(*inputs))


def test_memory_is_a_fraction_of_the_enlarged_logits() -> None:
    logits = torch.randn(1, 100, 64, 64, requires_grad=True)
    labels = torch.randint(0, 100, (1, 384, 384))

    def step() -> None:
        resized_cross_entropy(logits, labels, torch.ones(1, 384, 384)).backward()

    # The logits of full size have 56 MiB, and the plain way holds three such tensors.
    assert 2**20 < peak_bytes(step) < 56 * 2**20
