"""Swin UNETR of MONAI beside ours: options, weights, outputs."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.heads.volumes.padding import padded_outputs
from vision.heads.volumes.swin_unetr import SwinUNETRHead
from vision.weights.names.published import published_options
from vision.weights.names.write import to_naming

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-9


class Network(nn.Module):
    """Encoder and decoder for the options of MONAI's class."""

    def __init__(self, options: Mapping[str, Any], **head: Any) -> None:
        super().__init__()
        model = published_options("swin_volume", options)
        assert model.num_classes is not None
        self.backbone: Any = create_backbone("swin_volume", **model.options)
        self.head = SwinUNETRHead(
            self.backbone.feature_specs,
            in_channels=self.backbone.in_channels,
            num_outputs=model.num_classes,
            **head,
        )

    def forward(self, volumes: Tensor) -> Tensor:
        return padded_outputs(self.backbone, self.head, volumes)["logits"]


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights under which every parameter moves the outputs."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.2
            parameter.add_(torch.randn(parameter.shape, generator=generator) * scale)
    return model


@torch.no_grad()
def check_swin_unetr(reference: ParityFile) -> None:
    """Every tensor of a file, and its weights written again."""
    model = Network(json.loads(reference.metadata["kwargs"])).eval()
    theirs = reference.folder("state_dict")
    report = load_weights(model, theirs)
    assert [*report.missing, *report.unexpected, *report.resized] == []
    written = to_naming(model, "official")
    indices = {key for key in written if key.endswith("relative_position_index")}
    assert written.keys() - indices == theirs.keys()
    assert all(torch.equal(written[key], theirs[key]) for key in theirs)
    expected = reference.tensors["relative_position_index"].long()
    assert indices
    assert all(torch.equal(written[key], expected) for key in indices)
    volumes = reference.tensors["input"]
    for i, x in enumerate(model.backbone(volumes)):
        check_tensor(x, reference.tensors[f"hidden/{i}"], TOLERANCE, f"hidden/{i}")
    check_tensor(model(volumes), reference.tensors["logits"], TOLERANCE, "logits")
    step = 4 if "every fourth element of the last axis" in reference.metadata["f64"] else 1
    fine = model.double()(volumes.double())[..., ::step]
    check_tensor(fine, reference.tensors["logits_f64"], FINE, "logits_f64")
