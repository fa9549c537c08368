"""Names of FlatFormer's code; whole files of theirs are in `test_parity_heads.py`."""

from typing import Any

import torch
from helpers.loaded_weights import check_all_loaded
from helpers.refusals import refuses
from helpers.tiny_centers import GRID
from torch import nn

from vision import create_backbone, load_weights
from vision.errors import ConfigError
from vision.heads.detection3d.center import CenterHead
from vision.heads.detection3d.pillars import PillarEncoder
from vision.necks.birds_eye import BirdsEye
from vision.weights.names.published import published_options
from vision.weights.names.write import to_naming


class Whole(nn.Module):
    """All parts of a small detector."""

    def __init__(self, *, num_classes: int = 3, velocity: bool = True) -> None:
        super().__init__()
        self.reader = PillarEncoder(channels=(8, 16), grid=GRID)
        self.backbone: Any = create_backbone("flatformer", dim=16, num_heads=2, num_blocks=2)
        self.neck = BirdsEye(
            self.reader.feature_specs, channels=(8, 8), depths=(1, 0), out_channels=(8, 8)
        )
        self.head = CenterHead(
            self.neck.feature_specs,
            num_classes=num_classes,
            grid=GRID,
            shared_channels=8,
            channels=8,
            velocity=velocity,
        )


def test_a_detector_of_theirs_is_written_and_loaded() -> None:
    model, other = Whole(), Whole()
    theirs = to_naming(model, "official")
    first = {key.partition(".")[0] for key in theirs}
    assert first == {"voxel_encoder", "middle_encoder", "backbone", "neck", "bbox_head"}
    assert len(theirs) == len(model.state_dict())
    report = load_weights(other, {"state_dict": theirs, "meta": {"epoch": 24}})
    assert report.naming == "flatformer"
    check_all_loaded(other, model, report)


def test_the_encoder_is_read_out_of_a_detector_and_alone() -> None:
    model = Whole()
    whole, alone = to_naming(model, "official"), to_naming(model.backbone, "official")
    assert alone["block_list.1.block.3.fc2.bias"].shape == (16,)
    assert all(f"middle_encoder.{key}" in whole for key in alone)
    for state in (whole, alone):
        encoder: Any = create_backbone("flatformer", dim=16, num_heads=2, num_blocks=2)
        report = load_weights(encoder, state)
        assert not report.missing
        assert not report.unexpected
        for name, tensor in encoder.state_dict().items():
            assert torch.equal(tensor, model.backbone.state_dict()[name])


def test_another_number_of_classes_keeps_everything_but_their_rows() -> None:
    theirs = to_naming(Whole(), "official")
    report = load_weights(Whole(num_classes=2), theirs)
    assert {name.rpartition(".")[0] for name in report.reinitialised} == {
        "head.predictions.heatmap.output"
    }
    assert not report.unexpected


def test_the_published_detector_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        reader = PillarEncoder()
        backbone: Any = create_backbone("flatformer_128")
        neck = BirdsEye(reader.feature_specs)
        head = CenterHead(neck.feature_specs, num_classes=3, velocity=True)
    parts = (reader, backbone, neck, head)
    assert sum(p.numel() for part in parts for p in part.parameters()) == 2_268_110


def test_options_of_theirs() -> None:
    given = {"in_channels": 128, "window_shape": (13, 13, 1), "output_shape": (468, 468)}
    model = published_options("flatformer", given)
    assert model.options == {"dim": 128, "window_shape": (13, 13, 1)}
    with refuses(ConfigError, "'dropout' = 0.1"):
        published_options("flatformer", {"dropout": 0.1})
