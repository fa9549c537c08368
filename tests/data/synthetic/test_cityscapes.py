"""The composed Cityscapes, judged by torchvision, by our datamodule and by its own polygons."""

import json
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image, ImageDraw

from vision.data.base.segmentation_samples import SegmentationSamples
from vision.data.datasets.cityscapes import Cityscapes
from vision.data.formats.cityscapes_polygons import draw_label_ids
from vision.data.synthetic.cityscapes import (
    DIGIT_LABELS,
    TEXTURE_LABELS,
    THINGS,
    CityscapesSamples,
    Layer,
    annotate,
    write_cityscapes,
)
from vision.data.synthetic.splits import compose_split
from vision.documents.class_table import class_table

SAMPLES = CityscapesSamples(train=24, val=4, test=2, seed=1)
OFFICIAL = {label.name: label for label in torchvision.datasets.Cityscapes.classes}
OFFICIAL_BY_ID = {label.id: label for label in OFFICIAL.values()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cityscapes") / "samples"
    found = write_cityscapes(folder, SAMPLES)
    assert {split: images for split, (images, _) in found.items()} == {
        "train": 24,
        "val": 4,
        "test": 2,
    }
    return folder


def truths(root: Path, split: str, ending: str) -> list[Path]:
    return sorted((root / "gtFine" / split).glob(f"*/*_gtFine_{ending}"))


def test_the_layout_is_that_of_the_release(root: Path) -> None:
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    expected = {"samples.json"}
    for split, cities, count in (
        ("train", ("aachen", "bochum"), 12),
        ("val", ("frankfurt",), 4),
        ("test", ("berlin",), 2),
    ):
        for city in cities:
            for number in range(count):
                stem = f"{split}/{city}/{city}_{number:06d}_000019"
                expected.add(f"leftImg8bit/{stem}_leftImg8bit.png")
                endings = ("labelIds.png", "instanceIds.png", "color.png", "polygons.json")
                expected |= {f"gtFine/{stem}_gtFine_{ending}" for ending in endings}
    assert files == expected
    modes = {"labelIds": "L", "instanceIds": "I;16", "color": "RGBA"}
    for kind, mode in modes.items():
        with Image.open(truths(root, "val", f"{kind}.png")[0]) as picture:
            assert (picture.mode, picture.size) == (mode, (192, 96))


def test_torchvision_reads_it_and_its_pixels_are_those_of_the_scenes(root: Path) -> None:
    for split in ("train", "val"):
        data = torchvision.datasets.Cityscapes(
            str(root), split=split, mode="fine", target_type="semantic"
        )
        scenes = {}
        for place, scene, _ in compose_split(SAMPLES, split):
            cities = ("aachen", "bochum") if split == "train" else ("frankfurt",)
            city = cities[place % len(cities)]
            scenes[f"{city}_{place // len(cities):06d}"] = scene
        assert len(data) == len(scenes)
        for number, (image, target) in enumerate(data):
            scene = scenes[Path(data.images[number]).name[:-23]]
            assert np.array_equal(np.asarray(image), scene.image)
            labels = np.asarray(target)
            for digit, name in enumerate(DIGIT_LABELS):
                masks = [item.mask for item in scene.objects if item.label == digit]
                expected = np.any(masks, axis=0) if masks else np.zeros(labels.shape, bool)
                assert np.array_equal(labels == OFFICIAL[name].id, expected)
            rest = {OFFICIAL[name].id for name in (TEXTURE_LABELS[scene.texture], "static")}
            rest |= {OFFICIAL[name].id for name in ("ego vehicle", "rectification border")}
            assert set(np.unique(labels)) <= rest | {OFFICIAL[name].id for name in DIGIT_LABELS}


def test_the_label_ids_are_the_polygons_drawn(root: Path) -> None:
    for split in ("train", "val", "test"):
        for path in truths(root, split, "polygons.json"):
            stored = np.asarray(Image.open(str(path).replace("polygons.json", "labelIds.png")))
            assert np.array_equal(draw_label_ids(path), stored)


def test_instances_are_numbered_as_the_official_scripts_number_polygons(root: Path) -> None:
    groups = 0
    for path in truths(root, "train", "polygons.json"):
        content = json.loads(path.read_text())
        picture = Image.new("I", (content["imgWidth"], content["imgHeight"]))
        counts = dict.fromkeys(OFFICIAL, 0)
        for item in content["objects"]:
            name = item["label"]
            group = name not in OFFICIAL
            label = OFFICIAL[name.removesuffix("group")]
            value = label.id
            if label.has_instances and not group:
                value = 1000 * value + counts[label.name]
                counts[label.name] += 1
            groups += group
            points = [tuple(point) for point in item["polygon"]]
            ImageDraw.Draw(picture).polygon(points, fill=value)
        stored = np.asarray(Image.open(str(path).replace("polygons.json", "instanceIds.png")))
        assert stored.dtype == np.uint16
        assert np.array_equal(stored, np.asarray(picture))
    assert groups > 0
    assert all(OFFICIAL[name].has_instances for name in THINGS)
    assert not any(OFFICIAL[name].has_instances for name in DIGIT_LABELS[8:] + TEXTURE_LABELS)


def test_colours_are_the_official_ones(root: Path) -> None:
    for path in truths(root, "val", "color.png"):
        ids = np.asarray(Image.open(str(path).replace("color.png", "labelIds.png")))
        expected = np.array([OFFICIAL_BY_ID[number].color for number in range(34)], np.uint8)[ids]
        colors = np.asarray(Image.open(path))
        assert np.array_equal(colors[..., :3], expected)
        assert (colors[..., 3] == 255).all()


def test_the_test_split_shows_only_what_is_no_scene(root: Path) -> None:
    names = ("unlabeled", "ego vehicle", "rectification border")
    for path in truths(root, "test", "labelIds.png"):
        assert set(np.unique(np.asarray(Image.open(path)))) == {OFFICIAL[name].id for name in names}


def test_the_datamodule_reads_it(root: Path) -> None:
    data = Cityscapes(root=root, batch_size=2, num_workers=0)
    data.setup("validate")
    batch = next(iter(data.val_dataloader()))
    labels = np.asarray(Image.open(truths(root, "val", "labelIds.png")[0]))
    train_ids = np.array([OFFICIAL_BY_ID[number].train_id for number in range(34)])
    expected = np.where(np.isin(labels, class_table("cityscapes").values), train_ids[labels], 255)
    assert np.array_equal(batch["mask"][0].numpy(), expected)
    data.setup("predict")
    assert isinstance(data.predict_dataset, SegmentationSamples)
    assert len(data.predict_dataset) == 2


def test_a_mask_with_a_hole_is_cut_and_parts_are_instances_of_their_own() -> None:
    ring = np.zeros((12, 20), bool)
    ring[2:9, 2:9] = True
    ring[4:7, 4:7] = False
    parts = np.zeros((12, 20), bool)
    parts[1:4, 12:15] = parts[8:11, 12:15] = True
    layers = [Layer("sky", np.ones((12, 20), bool)), Layer("cargroup", ring), Layer("car", parts)]
    found = annotate(layers, 12, 20)
    assert [item["label"] for item in found.objects] == ["sky", *["cargroup"] * 2, *["car"] * 2]
    assert np.array_equal(found.label_ids, np.where(ring | parts, 26, 23))
    assert np.array_equal(found.instance_ids == 26, ring)
    assert set(np.unique(found.instance_ids)) == {23, 26, 26000, 26001}


def test_a_scene_does_not_depend_on_their_number(root: Path, tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "fewer", CityscapesSamples(train=3, val=1, test=1, seed=1))
    files = [path for path in (tmp_path / "fewer").rglob("*_*_*") if path.is_file()]
    assert len(files) == 5 * 5
    for path in files:
        assert path.read_bytes() == (root / path.relative_to(tmp_path / "fewer")).read_bytes()
