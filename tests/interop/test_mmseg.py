"""Our backbones in configs of mmsegmentation, up to a run of mmengine's Runner."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.forked import run_forked
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from PIL import Image
from torch import nn

import vision.heads.segmentation.mmseg as heads
from vision.backbones.registry import create_backbone
from vision.errors import ConfigError, WeightsError
from vision.interop import mmseg
from vision.mmcv import operators as mmcv_operators

pytest.importorskip("mmseg", reason="mmsegmentation is not installed")

NAMES = {
    "swin": "Swin",
    "cswin": "CSWin",
    "cvt": "CvT",
    "tnt": "TNT",
    "rmt": "RMT",
    "hornet": "HorNet",
    "convnext": "ConvNeXt",
}


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    mmseg.register_backbones()


def build(config: dict) -> nn.Module:
    from mmseg.registry import MODELS

    return MODELS.build(config)


def tiny(row: str, **options: object) -> dict:
    family, own = TINY[row]
    return {"type": f"vision.{NAMES[family]}", **own, **options}


def test_names_come_from_where_they_are_made() -> None:
    assert mmseg.MMSegHead is heads.MMSegHead
    assert mmseg.MMSegLoss is heads.MMSegLoss
    assert mmseg.provide_operators is mmcv_operators.provide_operators


@pytest.mark.parametrize("row", TINY)
def test_every_family_gives_four_maps(row: str) -> None:
    from mmengine.model import BaseModule

    backbone = build(tiny(row)).train()
    assert isinstance(backbone, BaseModule)
    maps = backbone(torch.randn(1, 3, 64, 96))
    assert isinstance(maps, tuple)
    sizes = [
        (spec.channels, 64 // spec.stride, 96 // spec.stride) for spec in backbone.feature_specs
    ]
    assert [tuple(x.shape[1:]) for x in maps] == sizes
    assert [spec.stride for spec in backbone.feature_specs] == [4, 8, 16, 32]
    # What another process would wait for: a parameter without a gradient.
    sum(x.square().mean() for x in maps).backward()
    assert [key for key, p in backbone.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("variant", ["cswin_tiny", "tiny"])
def test_by_variant(variant: str) -> None:
    config = {"type": "vision.CSWin", "variant": variant, "drop_path_rate": 0.2, "out_norm": True}
    with torch.device("meta"):
        backbone = build(config)
    assert [spec.channels for spec in backbone.feature_specs] == [64, 128, 256, 512]
    assert len(backbone.backbone.out_norms) == 4


def test_models_of_timm() -> None:
    backbone = build({"type": "vision.Timm", "variant": "resnet10t"})
    maps = backbone(torch.randn(1, 3, 64, 64))
    assert [x.shape[1] for x in maps] == [64, 128, 256, 512]
    with refuses(ConfigError, "needs", "name", "model"):
        build({"type": "vision.Timm"})


def test_fewer_maps_and_checkpointing() -> None:
    backbone = build(tiny("swin", out_indices=(2, 3), with_cp=True))
    assert [spec.stride for spec in backbone.feature_specs] == [16, 32]
    assert backbone.backbone.grad_checkpointing
    with refuses(ConfigError, "3", "[0, 1]"):
        build(tiny("swin", out_indices=(0, 1)))


def test_init_cfg_loads_weights_and_runs_no_code(tmp_path: Path) -> None:
    family, options = TINY["convnext"]
    source = create_backbone(family, dense=True, **options)
    torch.save({"state_dict": source.state_dict()}, tmp_path / "weights.pth")
    init = {"type": "Pretrained", "checkpoint": str(tmp_path / "weights.pth")}
    backbone = build(tiny("convnext", init_cfg=init))
    backbone.init_weights()
    for key, value in source.state_dict().items():
        torch.testing.assert_close(backbone.backbone.state_dict()[key], value)

    class Bomb:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "exploded"),)

    torch.save({"state_dict": Bomb()}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="refused"):
        build(tiny("convnext", init_cfg=init)).init_weights()
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_path": 0.1}, ("'drop_path'", "'drop_path_rate'")),
        ({"variant": "tinny"}, ("'convnext_tinny'", "convnext_tiny")),
        ({"init_cfg": {"type": "Normal"}}, ("init_cfg", "type='Pretrained'", "checkpoint=PATH")),
        (
            {"init_cfg": {"type": "Pretrained", "checkpoint": "a"}, "pretrained": "b"},
            ("both", "name", "weights"),
        ),
    ],
)
def test_mistakes(options: dict, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        build({"type": "vision.ConvNeXt", **options})


def test_registering_twice_keeps_the_first() -> None:
    from mmseg.registry import MODELS

    first = MODELS.get("vision.Swin")
    mmseg.register_backbones()
    assert MODELS.get("vision.Swin") is first


def test_resuming_accepts_records_and_nothing_else(tmp_path: Path) -> None:
    from mmengine.logging import HistoryBuffer

    path = tmp_path / "iter_2.pth"
    torch.save({"losses": HistoryBuffer([0.5, 0.25], [1, 1])}, path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)
    with mmseg.allow_resume():
        losses = torch.load(path)["losses"]
    assert losses.data[0].tolist() == [0.5, 0.25]
    assert losses.statistics("mean") == pytest.approx(0.375)

    class Harmful:
        def __init__(self, owner: type, name: str) -> None:
            self.parts = owner, name

        def __reduce__(self) -> tuple:
            return getattr, self.parts

    for harmful in (Harmful(np.ndarray, "tofile"), Harmful(HistoryBuffer, "__init__")):
        torch.save({"losses": harmful}, path)
        with mmseg.allow_resume(), pytest.raises(pickle.UnpicklingError, match="not allowed"):
            torch.load(path)
    torch.save({"losses": HistoryBuffer([0.5], [1])}, path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)


CONFIG = """
custom_imports = dict(imports=["vision.interop.mmseg_backbones"], allow_failed_imports=False)
default_scope = "mmseg"
norm = dict(type="BN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(64, 64),
    ),
    backbone=dict(
        type="vision.CSWin",
        dim=16,
        depths=(1, 1, 1, 1),
        split_sizes=(1, 2, 4, 4),
        num_heads=(2, 4, 8, 16),
        out_norm=True,
    ),
    decode_head=dict(
        type="UPerHead",
        in_channels=[16, 32, 64, 128],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2),
        channels=16,
        num_classes=150,
        norm_cfg=norm,
    ),
    auxiliary_head=dict(
        type="FCNHead",
        in_channels=64,
        in_index=2,
        channels=8,
        num_convs=1,
        num_classes=150,
        norm_cfg=norm,
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
load = [dict(type="LoadImageFromFile")]
masks = [dict(type="LoadAnnotations", reduce_zero_label=True)]
pack = [dict(type="PackSegInputs")]
augment = [
    dict(type="RandomResize", scale=(96, 64), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=(64, 64), cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="ADE20KDataset",
        data_root="DATA",
        data_prefix=dict(img_path="images/training", seg_map_path="annotations/training"),
        pipeline=load + masks + augment + pack,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="ADE20KDataset",
        data_root="DATA",
        data_prefix=dict(img_path="images/validation", seg_map_path="annotations/validation"),
        pipeline=load + [dict(type="Resize", scale=(48, 64), keep_ratio=True)] + masks + pack,
    ),
)
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=2, val_interval=2)
val_cfg = dict(type="ValLoop")
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2),
)
work_dir = "DATA/work"
log_level = "ERROR"
"""

RUN = """
import json, sys
import torch
from mmengine.config import Config
from mmengine.runner import Runner

torch.set_num_threads(1)
config = Config.fromfile(sys.argv[1])
runner = Runner.from_cfg(config)
before = [p.clone() for p in runner.model.backbone.parameters()]
runner.train()
changed = [not torch.equal(a, b) for a, b in zip(before, runner.model.backbone.parameters())]

from vision.interop.mmseg import allow_resume

config.resume, config.train_cfg.max_iters = True, 3
with allow_resume():
    resumed = Runner.from_cfg(config)
    resumed.train()
print("RESULT", json.dumps({"iter": runner.iter, "resumed": resumed.iter, "all": all(changed)}))
"""


def write_ade20k(root: Path) -> None:
    """Two images to train on and two to validate on, in ADE20K's layout."""
    generator = np.random.default_rng(0)
    for split in ("training", "validation"):
        for kind, suffix, shape in (
            ("images", "jpg", (72, 96, 3)),
            ("annotations", "png", (72, 96)),
        ):
            folder = root / kind / split
            folder.mkdir(parents=True)
            for i in range(2):
                values = generator.integers(0, 5, shape, dtype=np.uint8) * (
                    50 if len(shape) > 2 else 1
                )
                Image.fromarray(values).save(folder / f"{i}.{suffix}")


def test_a_config_trains_validates_and_resumes(tmp_path: Path) -> None:
    write_ade20k(tmp_path)
    (tmp_path / "config.py").write_text(CONFIG.replace("DATA", tmp_path.as_posix()))
    (tmp_path / "run.py").write_text(RUN)
    # A process of its own: mmengine keeps loggers and scopes of its last run.
    result = run_forked(tmp_path / "run.py", str(tmp_path / "config.py"), folder=tmp_path)
    lines = [line for line in result.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, result.stderr[-2000:]
    assert json.loads(lines[0].removeprefix("RESULT")) == {"iter": 2, "resumed": 3, "all": True}
    first = min((tmp_path / "work").rglob("scalars.json"))
    rows = [json.loads(line) for line in first.read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row][:2] == [1, 2]
    assert all(
        np.isfinite(row["decode.loss_ce"] + row["aux.loss_ce"]) for row in rows if "loss" in row
    )
    assert any({"mIoU", "aAcc", "mAcc"} <= row.keys() for row in rows)
