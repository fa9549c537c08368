"""DINO's head; its numbers are in `test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection import random_target
from helpers.tiny_dino import check_gradients, features, sizes_of, specs, tiny_head
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.detection.dino import DINOHead
from vision.losses.dino import DINOLoss
from vision.weights.names.dino import COCO_IDS, TABLE

KEYS = ("boxes", "scores", "labels", "count")


def test_parameters_of_the_published_head() -> None:
    """As counted in the authors' classes, with the row of theirs that has no effect."""
    pyramid = [FeatureSpec(512, 8), FeatureSpec(1024, 16), FeatureSpec(2048, 32)]
    with torch.device("meta"):
        head = DINOHead(pyramid, num_classes=COCO_IDS)
    counted = sum(parameter.numel() for parameter in head.parameters())
    assert counted + head.labels.embedding_dim == 23438270
    names = TABLE.names_of(head.state_dict())
    ours = sum(tensor.numel() for key, tensor in names.items() if key.startswith("transformer."))
    # Theirs counts the networks of the decoder's layers too.
    assert ours + sum(parameter.numel() for parameter in head.heads.parameters()) == 17775550


@torch.no_grad()
@pytest.mark.parametrize("encoder", ["deformable", "hybrid"])
def test_images_of_a_batch_do_not_see_each_other(encoder: Any) -> None:
    options = {"feedforward": 12, "num_blocks": 1} if encoder == "hybrid" else {"num_layers": 1}
    head = tiny_head(encoder=encoder, encoder_options=options).eval()
    maps, sizes = features(65, 97), torch.tensor([[65, 97], [40, 80]])
    together = head(maps, sizes)
    assert together["boxes"].shape == (2, 5, 4)
    alone = head([x[1:] for x in maps], sizes[1:])
    for key in KEYS:
        torch.testing.assert_close(alone[key], together[key][1:])


@torch.no_grad()
@pytest.mark.parametrize("encoder", ["deformable", "hybrid"])
def test_more_padding_changes_nothing(encoder: Any) -> None:
    options = {"feedforward": 12, "num_blocks": 1} if encoder == "hybrid" else {"num_layers": 2}
    head = tiny_head(encoder=encoder, encoder_options=options, num_levels=4).eval()
    padded, sizes = features(128, 192), torch.tensor([[64, 96], [60, 90]])
    maps = [
        x[..., : 64 // stride, : 96 // stride]
        for x, (_, stride) in zip(padded, specs(), strict=True)
    ]
    before, after = head(maps, sizes), head(padded, sizes)
    for key in KEYS:
        torch.testing.assert_close(after[key], before[key], rtol=1e-4, atol=1e-3)
    # As published it does.
    other = tiny_head(
        encoder=encoder, encoder_options=options, design={"exact_padding": False}
    ).eval()
    assert not torch.allclose(other(padded, sizes)["boxes"], other(maps, sizes)["boxes"], atol=0.1)


@torch.no_grad()
def test_fewer_cells_than_queries() -> None:
    head = tiny_head(num_queries=40, max_per_image=120).eval()
    found = head(features(32, 32), sizes_of(32, 32))
    # 16 + 4 + 1 + 1 cells.
    assert found["scores"].shape == (2, 22 * 3)
    targets = [random_target(2, 0, (32, 32)), random_target(0, 1, (32, 32))]
    outputs = head.train()(features(32, 32), sizes_of(32, 32), targets)
    assert outputs["selection"]["logits"].shape == (2, 22, 3)
    assert outputs["layers"][0]["logits"].shape == (2, 22, 3)


@torch.no_grad()
def test_noised_objects_tell_the_other_queries_nothing() -> None:
    head = tiny_head().train()
    maps, sizes = features(64, 96), sizes_of(64, 96)
    targets = [random_target(2, 0, (64, 96)), random_target(1, 1, (64, 96))]
    noised, plain = head(maps, sizes, targets), head(maps, sizes, [])
    assert noised["noised"].groups == 2
    assert [layer["logits"].shape for layer in noised["denoising"]] == [(2, 8, 3)] * 2
    for with_noise, without in zip(noised["layers"], plain["layers"], strict=True):
        torch.testing.assert_close(with_noise, without)
    assert "noised" not in plain


def gradients(head: DINOHead, counts: tuple[int, int]) -> dict[str, Tensor | None]:
    targets = [random_target(count, i, (64, 96)) for i, count in enumerate(counts)]
    sizes = sizes_of(64, 96)
    outputs: Any = head(features(64, 96), sizes, targets)
    batch: Any = {"target": targets, "size": sizes}
    torch.stack([*DINOLoss()(outputs, batch).values()]).sum().backward()
    return {name: parameter.grad for name, parameter in head.named_parameters()}


@pytest.mark.parametrize(
    "design",
    [
        {},
        {"share_classes": False, "share_boxes": False, "learned_contents": False},
        {"learned_side": True, "share_selected_classes": True, "share_selected_boxes": True},
    ],
)
def test_every_parameter_has_a_gradient(design: dict[str, Any]) -> None:
    check_gradients(tiny_head(design=design).train(), gradients)


def test_a_layer_learns_from_the_box_of_the_next_one_and_no_further() -> None:
    """ "Look forward twice": the third layer begins with the box of the second, as it is."""
    head = tiny_head(design={"decoder_depth": 3, "share_boxes": False}).train()
    outputs: Any = head(features(64, 96), sizes_of(64, 96), [])
    boxes = [layer["boxes"].sum() for layer in outputs["layers"]]
    last = [perceptron.layers[-1].weight for perceptron in head.heads.boxes]
    for i, box in enumerate(boxes):
        found = torch.autograd.grad(box, last, retain_graph=True, allow_unused=True)
        assert [gradient is not None for gradient in found] == [j in (i - 1, i) for j in range(3)]


def test_half_precision_leaves_places_in_float32() -> None:
    head = tiny_head().train()
    targets = [random_target(2, 0, (64, 96)), random_target(0, 1, (64, 96))]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs: Any = head(features(64, 96), sizes_of(64, 96), targets)
    for part in (*outputs["layers"], *outputs["denoising"], outputs["selection"]):
        assert part["boxes"].dtype == torch.float32
        assert part["logits"].dtype == torch.bfloat16


def test_initialised_again_in_place() -> None:
    head = tiny_head(design={"learned_side": True})
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.fill_(7)
    head.reset_parameters()
    for name, parameter in head.named_parameters():
        assert not (parameter == 7).any(), name
    # Boxes begin as their references, and classes are rare.
    assert not head.heads.boxes[0].layers[-1].weight.any()
    share = head.selection.classes.bias.sigmoid()
    torch.testing.assert_close(share, torch.full((3,), 0.01))


def test_rows_of_classes() -> None:
    head = tiny_head(design={"share_classes": False})
    state, rows = head.state_dict(), head.class_rows()
    assert len(rows) == 2 * 3 + 1
    assert all(state[name].shape[0] == 3 for name in rows)
    assert (
        "selection.classes.bias"
        not in tiny_head(design={"share_selected_classes": True}).class_rows()
    )


def test_detections_by_hand() -> None:
    """A query may be found as two classes; what is below the threshold leaves zeros."""
    head = tiny_head(score_threshold=0.4, max_per_image=4)
    logits = torch.tensor([[[2.0, -9, -9], [1.0, 0.0, -1.0]]])
    boxes = torch.tensor([[[0.5, 0.5, 0.2, 0.4], [0.25, 0.5, 0.5, 1.0]]])
    found = head.detect({"logits": logits, "boxes": boxes}, torch.tensor([[100, 200]]))
    assert found["count"].tolist() == [3]
    assert found["labels"].tolist() == [[0, 0, 1, 0]]
    expected = [[80.0, 30, 120, 70], [0, 0, 100, 100], [0, 0, 100, 100], [0, 0, 0, 0]]
    torch.testing.assert_close(found["boxes"], torch.tensor([expected]))
    scores = torch.tensor([2.0, 1, 0]).sigmoid().tolist()
    torch.testing.assert_close(found["scores"], torch.tensor([[*scores, 0.0]]))


class Whole(nn.Module):
    """The head for images of one size, as it is exported."""

    def __init__(self) -> None:
        super().__init__()
        self.head = tiny_head(num_levels=3, design={"decoder_depth": 1})

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        sizes = torch.tensor([[64, 96]]).expand(maps[0].shape[0], -1)
        found: Any = self.head(maps, sizes)
        return tuple(found[key] for key in KEYS)


@torch.no_grad()
def test_torch_export_agrees() -> None:
    model, maps = Whole().eval(), tuple(features(64, 96))
    program = torch.export.export(model, maps)
    for found, expected in zip(program.module()(*maps), model(*maps), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"design": {"dim": 48}}, ("design.dim=48", "32")),
        ({"design": {"activation": "glu"}}, ("design.activation='glu'", "'gelu'")),
        (
            {"design": {"share_boxes": False, "share_selected_classes": True}},
            ("design.share_selected_classes", "design.share_boxes"),
        ),
        ({"encoder": "plain"}, ("encoder='plain'", "'hybrid'")),
        ({"encoder_options": {"expansion": 1}}, ("encoder_options.expansion", "row_temperature")),
        ({"encoder_options": {"num_layers": 0}}, ("encoder_options.num_layers=0", "from 1")),
        ({"num_levels": 2}, ("num_levels=2", "3 maps", "neck_options.strides")),
        ({"num_levels": 0}, ("num_levels=0", "from 1 to 16")),
        ({"num_levels": 17}, ("num_levels=17", "from 1 to 16")),
        ({"num_queries": 0}, ("num_queries=0", "from 1")),
        ({"max_per_image": 19}, ("max_per_image=19", "18 pairs", "num_queries=6")),
        ({"score_threshold": 2}, ("score_threshold=2", "from 0 to 1")),
        ({"denoising": {"box_noise": -1}}, ("denoising.box_noise=-1", "0 or more")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        tiny_head(**options)


def test_five_maps_of_a_pyramid_that_begins_at_stride_4() -> None:
    with torch.device("meta"):
        head: Any = DINOHead(specs((4, 8, 16, 32)), num_classes=3, design={"dim": 32})
    assert head.encoder.level_codes.shape == (5, 32)
    assert head.stride == 4
