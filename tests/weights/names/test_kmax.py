"""Names of kMaX-DeepLab's code; a whole head of theirs is in `test_parity_heads.py`."""

import pytest
import torch

from vision.contracts.features import FeatureSpec
from vision.heads.mask_transformer.kmax import KMaXHead
from vision.weights.names.kmax import TABLES


@pytest.mark.parametrize("kind", ["aspp", "plain"])
def test_every_name_has_a_counterpart(kind: str) -> None:
    with torch.device("meta"):
        state = KMaXHead(
            [FeatureSpec(8, 4 << i) for i in range(4)], num_classes=3, semantic=kind
        ).state_dict()
    theirs = TABLES[kind].write(state)
    assert all(key.startswith(("pixel_decoder._", "predictor._")) for key in theirs)
    assert TABLES[kind].read(theirs).keys() == state.keys()


def test_a_whole_model_has_a_prefix() -> None:
    tensor = torch.zeros(2)
    state = {"sem_seg_head.predictor._auxiliary_semantic_predictor.2.conv.bias": tensor}
    assert TABLES["plain"].read(state).keys() == {"semantic.classifier.bias"}
