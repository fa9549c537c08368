"""What of a decode head's config is taken from a file of a model."""

from typing import Any

import pytest
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.heads.segmentation.mmseg_words import HEADS, inference_config

CONFIG: dict[str, Any] = {
    "type": "UPerHead",
    "norm_cfg": {"type": "SyncBN", "requires_grad": True},
    "input_transform": "multiple_select",
    "pool_scales": (1, 2, 3, 6),
    "kernel_update_head": [{"type": "KernelUpdateHead", "loss_mask": {"type": "x"}}],
}


def test_numbers_and_known_words_are_taken() -> None:
    found = inference_config(CONFIG, "head")
    assert found.pop("pool_scales") == [1, 2, 3, 6]
    assert found.pop("kernel_update_head") == [{"type": "KernelUpdateHead"}]
    assert found.items() <= CONFIG.items()


@pytest.mark.parametrize(
    "name", ["loss_decode", "loss_cls", "train_cfg", "init_cfg", "sampler", "pretrained"]
)
def test_what_only_training_needs_is_left_out_at_any_depth(name: str) -> None:
    hostile = {"class_weight": "http://127.0.0.1/x.pkl"}
    config = {**CONFIG, name: hostile, "decoder": {"layers": [{name: hostile}]}}
    expected = {**inference_config(CONFIG, "head"), "decoder": {"layers": [{}]}}
    assert inference_config(config, "head") == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "os.system"}, ("head.type='os.system'", "taken")),
        ({"norm_cfg": {"type": "torch.nn.BatchNorm2d"}}, ("head.norm_cfg.type",)),
        ({"norm_cfg": {"eps": [1e-5]}}, ("list",)),
        ({"input_transform": "/tmp/x"}, ("head.input_transform",)),
        ({"pool_scales": ["/tmp/x"]}, ("head.pool_scales",)),
        ({"pool_scales": [[1]]}, ("list in a list",)),
        ({"_scope_": "os"}, ("key '_scope_'",)),
        ({"a": {"_delete_": True}}, ("key '_delete_'",)),
        ({"a.b": 1}, ("key 'a.b'",)),
    ],
)
def test_everything_else_is_refused(change: dict[str, Any], message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        inference_config({**CONFIG, **change}, "head")


def test_every_head_that_runs_here_is_known() -> None:
    pytest.importorskip("mmseg")
    from mmseg.registry import MODELS

    from vision.heads.segmentation.mmseg import find_head
    from vision.mmcv.operators import import_models

    import_models("mmseg")

    found = set()
    for name in (name for name in MODELS.module_dict if name.endswith("Head")):
        try:
            find_head(name)
        except ConfigError:
            continue
        found.add(name)
    assert found == set(HEADS)
