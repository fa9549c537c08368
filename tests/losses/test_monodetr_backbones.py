"""MonoDETR's head and criterion with every backbone."""

import pytest
import torch
from helpers.tiny_models import TINY as BACKBONES
from helpers.tiny_monocular import CAMERA, ORIGINAL, TINY, tiny_target

from vision import create_backbone
from vision.heads.detection3d.monodetr import MonoDETRHead
from vision.heads.detection3d.projections import STRIDES
from vision.losses.monodetr import MonoDETRLoss
from vision.necks.pyramid import complete_pyramid, used_maps

SIZE = (64, 96)
BOXES = torch.tensor([[1.0, 1.5, 12.0, 3.9, 1.6, 1.7, 0.4]])


@pytest.mark.parametrize("name", BACKBONES)
def test_one_step(name: str) -> None:
    """Every parameter has a gradient that is finite, also that of the backbone."""
    torch.manual_seed(0)
    family, options = BACKBONES[name]
    specs = create_backbone(family, **options).feature_specs
    used = used_maps(specs, STRIDES)
    # TNT counts its blocks, and has one map.
    if family != "tnt":
        options = {**options, "out_indices": used}
    backbone = create_backbone(family, dense=True, **options)
    pyramid = complete_pyramid(backbone.feature_specs, STRIDES)
    model = torch.nn.ModuleList([backbone, pyramid, MonoDETRHead(pyramid.feature_specs, **TINY)])
    features = pyramid(backbone(torch.randn(2, 3, *SIZE)))
    size, original = torch.tensor([SIZE] * 2), torch.tensor([ORIGINAL] * 2)
    outputs = model[2](features, CAMERA.expand(2, -1, -1), size, original)
    targets = [tiny_target(BOXES[:count], torch.tensor([1])[:count], SIZE) for count in (1, 0)]
    terms = MonoDETRLoss({"bins": TINY["bins"]})(outputs, targets)
    torch.stack(list(terms.values())).sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
