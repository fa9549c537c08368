"""What the config of a head of mmsegmentation is completed with."""

import importlib.util

import pytest

from vision.contracts.features import FeatureSpec
from vision.heads.segmentation.mmseg_configs import (
    complete_config,
    mask2former_config,
    merge,
    options_of,
    output_stride,
)

SPECS = [FeatureSpec(*spec) for spec in ((8, 4), (12, 8), (16, 16), (24, 32))]


class Base:
    def __init__(self, in_channels: int, *, channels: int, in_index: int = -1) -> None:
        pass


class Middle(Base):
    def __init__(self, *args: object, **options: object) -> None:
        pass


class FCNHead(Middle):
    def __init__(self, num_convs: int = 2, **options: object) -> None:
        pass


class Closed(FCNHead):
    def __init__(self, size: int) -> None:
        pass


def test_options_are_those_of_the_bases_that_are_passed_on() -> None:
    assert options_of(FCNHead) == {"num_convs", "in_channels", "channels", "in_index"}
    assert options_of(Closed) == {"size"}


def test_only_options_that_a_head_has_are_filled_in() -> None:
    config = complete_config(FCNHead, SPECS, num_classes=3, config={"in_index": 1})
    assert config == {"channels": 512, "in_channels": 12, "in_index": 1}


def test_options_within_options_are_replaced_one_by_one() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merge(base, {"a": {"c": [9]}}) == {"a": {"b": 1, "c": [9]}, "d": 3}
    assert base["a"] == {"b": 1, "c": [1, 2]}


def test_stride_of_the_logits() -> None:
    assert output_stride("FCNHead", SPECS, {"in_index": 2}) == 16
    assert output_stride("UPerHead", SPECS, {"in_index": [1, 2, 3]}) == 8
    assert output_stride("ANNHead", SPECS, {"in_index": [2, 3]}) == 32
    assert output_stride("SETRUPHead", SPECS, {"in_index": 3, "num_convs": 2}) == 2
    assert output_stride("Mask2FormerHead", SPECS, {}) == 1


@pytest.mark.skipif(importlib.util.find_spec("mmseg") is None, reason="mmseg is not installed")
def test_mask2former_is_as_published() -> None:
    """The config that mmsegmentation ships for ADE20K, but for what has the same default."""
    from pathlib import Path

    from mmengine.config import Config

    folder = Path(importlib.util.find_spec("mmseg").origin).parent / ".mim" / "configs"
    path = folder / "mask2former" / "mask2former_r50_8xb2-160k_ade20k-512x512.py"
    text = path.read_text().split("# dataset config")[0].split("num_classes = 150")[1]
    published = Config.fromstring(
        "data_preprocessor = None\nnum_classes = 150" + text, ".py"
    ).model.decode_head.to_dict()
    specs = [FeatureSpec(256 << i, 4 << i) for i in range(4)]
    ours = mask2former_config(specs, 150)
    assert published.pop("type") == "Mask2FormerHead"
    assert published.pop("align_corners") is False
    assert flatten(ours).items() <= flatten(published).items()
    # What it gives besides are the defaults.
    rest = {k: v for k, v in flatten(published).items() if k not in flatten(ours)}
    plain = ("None", "0.0", "True")
    assert all(value in plain or key.endswith(".type") for key, value in rest.items()), rest


def flatten(config: dict, prefix: str = "") -> dict[str, object]:
    flat = {}
    for key, value in config.items():
        inner = flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        flat |= inner if inner is not None else {prefix + key: repr(value)}
    return flat
