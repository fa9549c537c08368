"""Checkpoints of mmdet: key names, class names, and classes carried over by name."""

import json
import logging
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.mmdet_references import CLASS_NAMES, FOLDER, NAMES, Detector, Reference, build, read
from helpers.refusals import refuses
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.documents.class_table import coco_classes
from vision.errors import WeightsError
from vision.tasks.detectors import DETECTORS, build_detector
from vision.weights.names import mmdet
from vision.weights.read import read_class_names, read_state_dict

# Name in the fixture, and what we call it.
PUBLISHED = [
    ("swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco", "swin_tiny", "mask_rcnn", {}),
    ("swin/retinanet_swin-t-p4-w7_fpn_1x_coco", "swin_tiny", "retinanet", {}),
    ("faster_rcnn/faster-rcnn_r50_fpn_1x_coco", "timm/resnet50", "faster_rcnn", {}),
    (
        "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco",
        "timm/resnet50",
        "cascade_mask_rcnn",
        {"box_head": "2fc", "class_agnostic": True},
    ),
    (
        "fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco",
        "timm/resnet50",
        "fcos",
        {},
    ),
]
# What real checkpoints hold besides the weights.
META = {"mmdet_version": "2.11.0", "config": "model = dict()", "epoch": 36, "hook_msgs": {}}
OPTIMIZER = {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]}


@pytest.fixture(scope="module", params=NAMES)
def reference(request: pytest.FixtureRequest) -> Reference:
    return read(request.param)


@pytest.fixture(scope="module")
def mask_rcnn() -> Reference:
    return read("mask_rcnn")


def with_more_classes(state: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """The state of a Mask R-CNN of `count` classes whose rows are all different."""
    generator, grown = torch.Generator().manual_seed(0), dict(state)
    rows = {"bbox_head.fc_cls": count + 1, "bbox_head.fc_reg": 4 * count}
    rows["mask_head.conv_logits"] = count
    for layer, length in rows.items():
        for kind in ("weight", "bias"):
            key = f"roi_head.{layer}.{kind}"
            shape = (length, *state[key].shape[1:])
            grown[key] = torch.randn(shape, generator=generator)
    return grown


def test_every_key_has_a_counterpart(reference: Reference) -> None:
    keys = {k: v for k, v in reference.folder("state_dict").items() if "backbone." not in k}
    ours = mmdet.read(keys)
    wanted = {k: v for k, v in build(reference).state_dict().items() if "backbone." not in k}
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in wanted.items()}


def test_a_whole_checkpoint_loads(reference: Reference, tmp_path: Path) -> None:
    state, path = reference.folder("state_dict"), tmp_path / "mmdet.pth"
    # mmdet publishes in the old format.
    content = {"meta": META, "state_dict": state, "optimizer": OPTIMIZER}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    detector = build(reference)
    report = load_weights(detector, path)
    assert report.naming == "mmdet"
    assert str(report) == f"loaded {len(detector.state_dict())} tensors (mmdet key names)"
    for name in ("head.rpn.conv.weight", "head.scales", "head.box_convs.0.weight"):
        if name in report.loaded:
            assert detector.get_parameter(name).abs().max() > 0


@pytest.mark.parametrize("name", [name for name, *_ in PUBLISHED])
def test_keys_of_published_detectors_are_all_known(name: str) -> None:
    backbone, detector, head_options = next(row[1:] for row in PUBLISHED if row[0] == name)
    if backbone.startswith("timm/"):
        pytest.importorskip("timm")
    shapes = json.loads((FOLDER / "published_keys.json").read_text())
    state = {key: torch.zeros(()).expand(shape) for key, shape in shapes[name].items()}
    with torch.device("meta"):
        module = nn.Module()
        module.backbone = create_backbone(backbone, dense=True)
        module.neck, module.head, _ = build_detector(
            DETECTORS[detector],
            module.backbone,
            num_classes=80,
            neck_options={},
            head_options=head_options,
            loss_options={},
        )
    report = load_weights(module, state, class_names=coco_classes())
    assert report.naming == "mmdet"
    assert not report.missing + report.unexpected + report.reinitialised
    assert not report.resized
    assert report.mapped == ""


def test_the_official_names_of_a_backbone_are_understood_beside_them(mask_rcnn: Reference) -> None:
    source = build(mask_rcnn, seed=1)
    state = {k: v for k, v in mask_rcnn.folder("state_dict").items() if "backbone." not in k}
    for name, tensor in source.backbone.state_dict().items():
        key = name.replace("stages.", "layers.").replace("out_norms.", "norm")
        parts = key.split(".")
        if parts[0] == "layers":
            key = ".".join([*parts[:2], "blocks", *parts[2:]])
        elif parts[0] == "merges":
            key = ".".join(["layers", str(int(parts[1]) - 1), "downsample", *parts[2:]])
        state["backbone." + key] = tensor
    detector = build(mask_rcnn)
    report = load_weights(detector, state)
    assert report.naming == "mmdet"
    assert not report.missing + report.unexpected
    for name, tensor in detector.backbone.state_dict().items():
        assert torch.equal(tensor, source.backbone.state_dict()[name])


def test_a_backbone_alone_takes_its_part(mask_rcnn: Reference) -> None:
    backbone = create_backbone("swin", **mask_rcnn.backbone_options, dense=True)
    report = load_weights(backbone, mask_rcnn.folder("state_dict"))
    assert not report.missing + report.unexpected
    assert torch.equal(
        backbone.patch_embed.proj.weight,
        mask_rcnn.tensors["state_dict/backbone.patch_embed.projection.weight"],
    )


def test_keys_without_a_counterpart_and_lost_ones_are_said(mask_rcnn: Reference) -> None:
    state = mask_rcnn.folder("state_dict")
    del state["rpn_head.rpn_reg.bias"]
    state["roi_head.mask_iou_head.fc.bias"] = torch.zeros(1)
    state["data_preprocessor.mean"] = torch.zeros(3, 1, 1)
    report = load_weights(build(mask_rcnn), state)
    assert report.missing == ["head.rpn.deltas.bias"]
    assert report.unexpected == ["roi_head.mask_iou_head.fc.bias"]


def test_norms_of_maps_that_no_neck_takes_are_known() -> None:
    reference = read("retinanet")
    assert "backbone.norm0.weight" in reference.folder("state_dict")
    detector = build(reference)
    assert "0" not in detector.backbone.out_norms
    assert not load_weights(detector, reference.folder("state_dict")).unexpected


def test_a_neck_of_another_width_is_refused(mask_rcnn: Reference) -> None:
    state = mask_rcnn.folder("state_dict")
    state["neck.fpn_convs.0.conv.weight"] = torch.zeros(32, 32, 3, 3)
    with refuses(WeightsError, "'neck.fpn.outputs.0.weight'", "model"):
        load_weights(build(mask_rcnn), state)


def test_scales_of_levels_that_are_lost_are_refused() -> None:
    state = {"bbox_head.scales.0.scale": torch.ones(()), "bbox_head.scales.2.scale": torch.ones(())}
    with refuses(WeightsError, "scales", "[0, 2]"):
        mmdet.read(state)


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"CLASSES": ("cat", "dog", "bird")}, CLASS_NAMES),
        ({"dataset_meta": {"classes": ["cat", "dog", "bird"]}}, CLASS_NAMES),
        ({"dataset_meta": {"CLASSES": ("cat", "dog", "bird")}}, CLASS_NAMES),
        ({"CLASSES": None, "dataset_meta": None}, None),
        ({"CLASSES": "cat"}, None),
        ({}, None),
    ],
)
def test_class_names_of_a_checkpoint(
    meta: dict[str, Any], expected: list[str] | None, mask_rcnn: Reference, tmp_path: Path
) -> None:
    path = tmp_path / "mmdet.pth"
    torch.save({"meta": {**META, **meta}, "state_dict": mask_rcnn.folder("state_dict")}, path)
    assert read_class_names(path) == expected


@pytest.mark.parametrize(
    "state",
    [
        {"roi_head.bbox_head.fc_cls.bias": torch.zeros(81)},
        {"roi_head.bbox_head.0.fc_cls.bias": torch.zeros(81)},
        {"bbox_head.conv_cls.bias": torch.zeros(80)},
        {
            "bbox_head.retina_cls.bias": torch.zeros(9 * 80),
            "bbox_head.retina_reg.bias": torch.zeros(9 * 4),
        },
    ],
)
def test_eighty_classes_without_names_are_those_of_coco(state: dict[str, Tensor]) -> None:
    assert read_class_names(state) == list(coco_classes())
    fewer = {key: tensor[:-1] for key, tensor in state.items()}
    assert read_class_names(fewer) is None


def test_a_classifier_of_eighty_classes_has_no_names() -> None:
    assert read_class_names({"head.bias": torch.zeros(80)}) is None


def layers_of_classes(detector: Detector) -> dict[str, nn.Module]:
    boxes, masks = detector.head.box_heads[0], detector.head.mask_heads[0]
    return {"logits": boxes.logits, "deltas": boxes.deltas, "masks": masks.logits}


def test_classes_of_the_same_name_are_kept(
    mask_rcnn: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    state = with_more_classes(mask_rcnn.folder("state_dict"), 80)
    detector = build(mask_rcnn, num_classes=3)
    before = {name: m.weight.detach().clone() for name, m in layers_of_classes(detector).items()}
    with caplog.at_level(logging.WARNING):
        report = load_weights(detector, state, class_names=["dog", "unicorn", "person"])
    said = "mapped 2 of 80 classes by name: dog, person; 1 without a counterpart: unicorn"
    assert report.mapped == said
    assert said in caplog.text
    assert not report.missing + report.unexpected + report.reinitialised
    assert len(report.loaded) == len(detector.state_dict())
    dog, person = coco_classes().index("dog"), coco_classes().index("person")
    layers = layers_of_classes(detector)
    logits, theirs = layers["logits"], state["roi_head.bbox_head.fc_cls.weight"]
    assert torch.equal(logits.weight[[0, 2, 3]], theirs[[dog, person, 80]])
    assert torch.equal(logits.bias[3], state["roi_head.bbox_head.fc_cls.bias"][80])
    deltas, theirs = layers["deltas"].weight, state["roi_head.bbox_head.fc_reg.weight"]
    assert torch.equal(deltas[:4], theirs[4 * dog : 4 * dog + 4])
    assert torch.equal(deltas[8:], theirs[4 * person : 4 * person + 4])
    masks, theirs = layers["masks"].weight, state["roi_head.mask_head.conv_logits.weight"]
    assert torch.equal(masks[[0, 2]], theirs[[dog, person]])
    # The class that is new is as small as fresh weights are, not as the ones that are carried over.
    for name, rows in (("logits", slice(1, 2)), ("deltas", slice(4, 8))):
        fresh = layers[name].weight[rows]
        assert 0 < fresh.abs().max() < 0.1
        assert fresh.shape == before[name][rows].shape
    assert layers["logits"].bias[1] == 0


def test_the_names_of_the_module_count_where_none_are_given(mask_rcnn: Reference) -> None:
    state = mask_rcnn.folder("state_dict")
    checkpoint = {"meta": {**META, "CLASSES": ("cat", "dog", "bird")}, "state_dict": state}
    detector = build(mask_rcnn)
    detector.class_names = ["bird", "cat", "dog"]
    report = load_weights(detector, checkpoint)
    assert report.mapped == "mapped 3 of 3 classes by name: bird, cat, dog"
    theirs = state["roi_head.bbox_head.fc_cls.weight"]
    assert torch.equal(layers_of_classes(detector)["logits"].weight, theirs[[2, 0, 1, 3]])


def test_without_names_the_rest_of_the_head_loads(mask_rcnn: Reference) -> None:
    state = mask_rcnn.folder("state_dict")
    detector = build(mask_rcnn, num_classes=5)
    with torch.no_grad():
        for layer in layers_of_classes(detector).values():
            layer.bias.fill_(3)
    report = load_weights(detector, state)
    assert report.mapped == "no classes mapped: the class names of the weights are not known"
    layers = ("box_heads.0.logits", "box_heads.0.deltas", "mask_heads.0.logits")
    expected = {f"head.{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert set(report.reinitialised) == expected
    assert not report.missing + report.unexpected
    assert all((layer.bias == 0).all() for layer in layers_of_classes(detector).values())
    assert torch.equal(detector.head.rpn.conv.weight, state["rpn_head.rpn_conv.weight"])
    fc = state["roi_head.bbox_head.shared_fcs.1.weight"]
    assert torch.equal(detector.head.box_heads[0].fcs[1].weight, fc)


@pytest.mark.parametrize("name", ["retinanet", "fcos"])
def test_classes_of_dense_heads_follow_their_names(name: str) -> None:
    reference = read(name)
    meta = {"CLASSES": CLASS_NAMES}
    checkpoint = {"meta": meta, "state_dict": reference.folder("state_dict")}
    detector = build(reference, num_classes=2)
    report = load_weights(detector, checkpoint, class_names=["bird", "cat"])
    assert report.mapped == "mapped 2 of 3 classes by name: bird, cat"
    assert not report.missing + report.unexpected + report.reinitialised
    whole = build(reference)
    load_weights(whole, checkpoint)
    images, sizes = reference.tensors["input"], reference.tensors["sizes"]
    with torch.no_grad():
        few, all_of_them = (d(images, sizes) for d in (detector, whole))
    # The same boxes and scores for the classes that are left.
    first = all_of_them["labels"][0] != CLASS_NAMES.index("dog")
    scores = all_of_them["scores"][0][first]
    torch.testing.assert_close(few["scores"][0][: len(scores)], scores)
    labels = torch.tensor([1, -1, 0])[all_of_them["labels"][0][first]]
    assert torch.equal(few["labels"][0][: len(scores)], labels)


def test_every_stage_of_a_cascade_has_its_classes() -> None:
    reference = read("cascade_mask_rcnn")
    state = reference.folder("state_dict")
    detector = build(reference, num_classes=2)
    load_weights(detector, {"class_names": CLASS_NAMES, **state}, class_names=["bird", "cat"])
    for i in range(3):
        theirs = state[f"roi_head.bbox_head.{i}.fc_cls.weight"]
        assert torch.equal(detector.head.box_heads[i].logits.weight, theirs[[2, 0, 3]])
        theirs = state[f"roi_head.mask_head.{i}.conv_logits.weight"]
        assert torch.equal(detector.head.mask_heads[i].logits.weight, theirs[[2, 0]])


def test_a_detector_without_memory_is_filled(mask_rcnn: Reference) -> None:
    state = with_more_classes(mask_rcnn.folder("state_dict"), 80)
    with torch.device("meta"):
        detector = build(mask_rcnn, num_classes=2)
    load_weights(detector, state, class_names=["person", "unicorn"])
    assert not any(tensor.is_meta for tensor in detector.state_dict().values())
    logits = layers_of_classes(detector)["logits"].weight
    assert torch.equal(logits[[0, 2]], state["roi_head.bbox_head.fc_cls.weight"][[0, 80]])


def test_a_training_checkpoint_of_mmengine_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["mmengine", "mmengine.logging", "mmengine.logging.history_buffer"]
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    history = type("HistoryBuffer", (), {"__module__": names[-1]})
    sys.modules[names[-1]].HistoryBuffer = history
    path = tmp_path / "epoch_12.pth"
    state = {"x": torch.zeros(1)}
    torch.save({"state_dict": state, "message_hub": {"log_scalars": history()}}, path)
    with refuses(WeightsError, "HistoryBuffer", "'state_dict'", "'meta'", "torch.save"):
        read_state_dict(path)
