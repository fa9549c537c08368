"""Parameters and multiply-adds of every published variant, against the published code's counts."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from vision import create_backbone, list_backbones
from vision.backbones.measure import count_gmacs, count_parameters

FACTS = json.loads((Path(__file__).parents[1] / "fixtures" / "parity" / "facts.json").read_text())[
    "models"
]
SIZES = {"T": "tiny", "S": "small", "B": "base", "L": "large", "XL": "xlarge"}
# The authors' frozen tensor that nothing reads is not made.
TNT_UNUSED = {"small": 23_843_848 - 23_768_584, "base": 65_554_120 - 65_428_680}


def our_name(fact: dict[str, Any]) -> str:
    """`"HorNet-T 7x7"` is `"hornet_tiny_7x7"`."""
    size, _, flavour = fact["variant"].partition("-")[2].partition(" ")
    parts = [fact["family"], SIZES.get(size, size.lower()), flavour.lower()]
    return "_".join(part for part in parts if part)


# A star marks models trained with token labels: their extra head is only for training.
CASES = [fact for fact in FACTS if not fact["variant"].endswith("*")]


@pytest.mark.parametrize("fact", CASES, ids=lambda fact: f"{our_name(fact)}-{fact['input']}")
def test_counts(fact: dict[str, Any]) -> None:
    name = our_name(fact)
    with torch.device("meta"):
        backbone = create_backbone(name).eval()
    expected = fact["params"] - TNT_UNUSED.get(name.removeprefix("tnt_"), 0) * (
        fact["family"] == "tnt"
    )
    assert count_parameters(backbone, num_classes=1000) == expected
    gmacs = count_gmacs(backbone, (fact["input"], fact["input"]), num_classes=1000)
    assert round(gmacs, 4) == fact["gmacs"]


def test_every_published_size_is_covered() -> None:
    covered = {our_name(fact) for fact in CASES}
    assert covered <= set(list_backbones())
