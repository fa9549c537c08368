"""What holds for every head of semantic segmentation, and the prediction of whole images."""

import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.features import ClassRows, FeatureSpec
from vision.contracts.segmentation import SegmentationOutputs
from vision.errors import ConfigError
from vision.heads.segmentation.base import PixelClassifier, SegmentationHead
from vision.heads.segmentation.fcn import FCNHead
from vision.heads.segmentation.segformer import SegFormerHead
from vision.heads.segmentation.semantic_fpn import SemanticFPNHead
from vision.heads.segmentation.upernet import UPerHead
from vision.layers.conv_norm import ConvNormAct, ResizedConvNormAct

SPECS = tuple(FeatureSpec(6, stride) for stride in (4, 8, 16, 32))
HEADS = (UPerHead, FCNHead, SemanticFPNHead, SegFormerHead)
every_head = pytest.mark.parametrize("kind", HEADS, ids=lambda kind: kind.__name__)


def build(kind: type[PixelClassifier], **options) -> PixelClassifier:
    torch.manual_seed(0)
    return kind(SPECS, **{"num_classes": 5, "channels": 8, **options})


def some_maps(height: int = 64, width: int = 96, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(-(-height // spec.stride), -(-width // spec.stride)) for spec in SPECS]
    return [torch.randn(batch, 6, *shape, generator=generator) for shape in shapes]


@every_head
@given(height=st.integers(32, 140), width=st.integers(32, 140), batch=st.integers(1, 3))
@examples(8)
def test_any_size_in_training_and_evaluation(
    kind: type[PixelClassifier], height: int, width: int, batch: int
) -> None:
    head = build(kind)
    for training in (True, False):
        logits = head.train(training)(some_maps(height, width, batch))["logits"]
        assert logits.shape == (batch, 5, -(-height // head.stride), -(-width // head.stride))
        assert logits.isfinite().all()


@every_head
def test_cells_of_one_image_alone(kind: type[PixelClassifier]) -> None:
    """Maps of 1 x 1 at every level, whose norms have a single value per channel."""
    head = build(kind).train()
    maps = [torch.randn(1, 6, 1, 1) for _ in SPECS]
    outputs = head(maps)
    assert outputs["logits"].shape == (1, 5, 1, 1)
    outputs["logits"].sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


@every_head
def test_every_parameter_and_map_gets_a_gradient(kind: type[PixelClassifier]) -> None:
    head = build(kind).train()
    maps = [x.requires_grad_() for x in some_maps()]
    head(maps)["logits"].square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    used = maps if kind is not FCNHead else maps[-1:]
    assert all(x.grad is not None and x.grad.abs().max() > 0 for x in used)


@every_head
def test_export(kind: type[PixelClassifier]) -> None:
    head = kind(SPECS[-2:], num_classes=5, channels=16).eval()
    maps = some_maps(232, 330)[-2:]
    program = torch.export.export(head, (maps,)).module()
    torch.testing.assert_close(program(maps)["logits"], head(maps)["logits"])


@every_head
def test_a_batch_is_its_images(kind: type[PixelClassifier]) -> None:
    head, maps = build(kind).eval(), some_maps()
    both = head(maps)["logits"]
    for i in range(2):
        torch.testing.assert_close(head([x[i : i + 1] for x in maps])["logits"], both[i : i + 1])


@every_head
def test_mixed_precision_and_channels_last(kind: type[PixelClassifier]) -> None:
    head, maps = build(kind).train(), some_maps()
    head.dropout.p = 0.0
    expected = head(maps)["logits"]
    last = [x.to(memory_format=torch.channels_last) for x in maps]
    torch.testing.assert_close(head(last)["logits"], expected, atol=1e-5, rtol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(maps)["logits"]
    assert (logits - expected).abs().max() < 0.1 * expected.abs().max()


@every_head
def test_initialisation_on_the_meta_device_and_afresh(kind: type[PixelClassifier]) -> None:
    with torch.device("meta"):
        head = kind(SPECS, num_classes=50, channels=64)
    head = head.to_empty(device="cpu")
    head.reset_parameters()
    assert head.classifier.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not head.classifier.bias.any()
    blocks = [m for m in head.modules() if isinstance(m, ConvNormAct | ResizedConvNormAct)]
    assert blocks
    for block in blocks:
        weight = block.conv.weight
        fan_out = weight.shape[0] * weight[0, 0].numel()
        assert weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.15)
        assert block.norm.eps == 1e-5
        assert bool((block.norm.weight == 1).all())
        assert bool((block.norm.running_var == 1).all())


@every_head
def test_classes_are_rows_of_the_classifier(kind: type[PixelClassifier]) -> None:
    head = build(kind, num_classes=7)
    parameters = dict(head.named_parameters())
    assert set(head.class_rows()) == {"classifier.weight", "classifier.bias"}
    for name, rows in head.class_rows().items():
        assert rows == ClassRows(groups=1, per_class=1, background=False)
        assert len(parameters[name]) == 7


@every_head
def test_whole_channels_are_dropped_in_training_alone(kind: type[PixelClassifier]) -> None:
    head = build(kind, dropout=0.5)
    x = head.dropout.train()(torch.ones(4, 64, 3, 3))
    assert set(x.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(x, x[..., :1, :1].expand_as(x))
    head, maps = head.eval(), some_maps()
    assert torch.equal(head(maps)["logits"], head(maps)["logits"])


@every_head
@pytest.mark.parametrize("num_classes", [0, 256])
def test_number_of_classes(kind: type[PixelClassifier], num_classes: int) -> None:
    with pytest.raises(ConfigError, match=f"1 to 255.*got {num_classes}"):
        build(kind, num_classes=num_classes)


@pytest.mark.parametrize("kind", [UPerHead, SemanticFPNHead, SegFormerHead])
def test_maps_in_their_order(kind: type[PixelClassifier]) -> None:
    with pytest.raises(ConfigError, match=kind.__name__ + r".*got strides \[32, 16, 8, 4\]"):
        kind(SPECS[::-1], num_classes=5)
    with pytest.raises(ConfigError, match=r"got strides \[\]"):
        kind((), num_classes=5)


@every_head
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_fewer_maps(kind: type[PixelClassifier], levels: int) -> None:
    head = kind(SPECS[-levels:], num_classes=5, channels=8).eval()
    assert head(some_maps()[-levels:])["logits"].shape[1] == 5


def some_head(*, align_corners: bool = False) -> SegmentationHead:
    return FCNHead(SPECS, num_classes=5, channels=8, align_corners=align_corners)


def some_outputs(height: int, width: int, batch: int = 3) -> SegmentationOutputs:
    generator = torch.Generator().manual_seed(1)
    return {"logits": torch.randn(batch, 5, height, width, generator=generator)}


@pytest.mark.parametrize("align_corners", [False, True])
def test_prediction_resizes_twice(align_corners: bool) -> None:
    """To the pixels of the batch, then of the file, as mmsegmentation."""
    head, outputs = some_head(align_corners=align_corners), some_outputs(8, 12)
    sizes = torch.tensor([[30, 47]] * 3)
    originals = torch.tensor([[61, 90], [61, 90], [22, 30]])
    options = {"mode": "bilinear", "align_corners": align_corners}
    pixels = F.interpolate(outputs["logits"], size=(30, 47), **options)
    predictions = head.predict(outputs, sizes, originals)
    for i, (height, width) in enumerate(originals.tolist()):
        expected = F.interpolate(pixels[i : i + 1], size=(height, width), **options).argmax(dim=1)
        assert torch.equal(predictions[i]["mask"], expected[0])
        assert predictions[i]["mask"].dtype == torch.int64
    same = head.predict(outputs, sizes)
    assert torch.equal(torch.stack([p["mask"] for p in same]), pixels.argmax(dim=1))


def test_prediction_of_a_batch_of_one_size() -> None:
    head, outputs = some_head(), some_outputs(8, 12)
    sizes, originals = torch.tensor([[30, 47]] * 3), torch.tensor([[61, 90]] * 3)
    together = head.predict(outputs, sizes, originals)
    for i in range(3):
        alone = {"logits": outputs["logits"][i : i + 1]}
        (prediction,) = head.predict(alone, sizes[i : i + 1], originals[i : i + 1])
        assert torch.equal(prediction["mask"], together[i]["mask"])


def test_prediction_leaves_out_the_padding() -> None:
    head, outputs = some_head(), some_outputs(8, 12)
    sizes = torch.tensor([[32, 20], [17, 48], [32, 48]])
    pixels = F.interpolate(outputs["logits"], size=(32, 48), mode="bilinear").argmax(dim=1)
    for i, prediction in enumerate(head.predict(outputs, sizes)):
        height, width = sizes[i].tolist()
        assert torch.equal(prediction["mask"], pixels[i, :height, :width])
    for i, prediction in enumerate(head.predict(outputs, sizes, sizes * 2)):
        assert list(prediction["mask"].shape) == (sizes[i] * 2).tolist()


def test_prediction_in_float32() -> None:
    """In bfloat16 the two logits below would be one value after the resize."""
    head = some_head()
    logits = torch.zeros(1, 5, 1, 2, dtype=torch.bfloat16)
    logits[0, 1] = torch.tensor([256.0, 258.0])
    logits[0, 2] = torch.tensor([258.0, 256.0])
    mask = head.predict({"logits": logits}, torch.tensor([[1, 40]]))[0]["mask"]
    assert mask[0].tolist() == [2] * 20 + [1] * 20
