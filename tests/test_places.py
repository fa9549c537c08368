"""CONTRIBUTING lists every file that a new backbone, head, dataset or kind of task has to touch.

A name that is already there shows the places: files outside its own that write it as text, as part
of an import path, or in an import.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from vision.kinds import KINDS

ROOT = Path(__file__).parents[1]
FILES = [
    *sorted((ROOT / "vision").rglob("*.py")),
    *sorted((ROOT / "vision").rglob("*.json")),
    *sorted((ROOT / "tests/helpers").glob("tiny_*.py")),
    ROOT / "tests/helpers/broken_datasets.py",
]
BENCHES = r"^vision/benchmarks/|^vision/cli/(commands/)?benchmark"
CITATIONS = "vision/weights/papers.json"
# Section of CONTRIBUTING, and names by which others of its kind were added.
BACKBONES = ("cswin", "cvt", "hornet", "rmt", "tnt")
DETECTORS = ("fcos", "retinanet")
SEGMENTORS = ("segformer",)
DENSE_DECODERS = ("polymax",)
DATASETS = {"YOLO": "yolo", "COCOStuff": "coco_stuff", "MaskFolder": "mask_folder"}
PLACES = {
    "Add a backbone": {
        "vision/backbones/registry.py",
        "vision/weights/index.json",
        CITATIONS,
        "tests/helpers/tiny_models.py",
    },
    "Add a detector": {
        "vision/tasks/detectors.py",
        "vision/weights/names/mmdet.py",
        CITATIONS,
        "tests/helpers/tiny_detection.py",
    },
    "Add a head for semantic segmentation": {
        "vision/tasks/segmentors.py",
        "vision/weights/names/mmseg.py",
        CITATIONS,
        "tests/helpers/tiny_segmentation.py",
    },
    "Add a decoder of depth and normals": {
        "vision/tasks/dense_decoders.py",
        CITATIONS,
        "tests/helpers/tiny_dense.py",
    },
    "Add a dataset": {"vision/data/__init__.py", "tests/helpers/broken_datasets.py"},
    "Add a kind of task": {"vision/kinds.py", "vision/data/__init__.py"},
}
# The key of a mask in COCO's format has the name of a kind, and so has a way to evaluate files.
# Maps of depth and of normals have it as their key, and a network has a depth too.
SAME_WORD = {
    "segmentation": r"coco|sbd|annotations|/detection|predict/panoptic|commands/evaluate.py",
    # Samples of it are made under that name.
    "panoptic": r"commands/make_samples.py",
    "depth": r"vision/(data|ops|options|metrics/kitti)|/dense_maps|losses/dense|weights/names/",
    "normals": r"vision/data/|/dense_maps|losses/dense|tasks/points",
    # Two sorts of samples are for it: images, and sweeps of a lidar, which have a program too.
    "detection3d": r"data/base/(boxes3d|lidar).py|export/lidar.py",
    # Files of points name labels so.
    "classification": r"data/formats/clouds.py",
    # Packages are installed under that name, encoders and exported programs take volumes, and
    # readers, samples and rates count them.
    "volumes": r"ops/nifti.py|backbones/registry.py|export/inputs.py|data/check/volume_facts.py|"
    r"formats/subjects.py|commands/make_samples.py|run/progress.py",
    # Sweeps of a lidar are points too, encoders take them, and detectors have points of their own.
    "points": r"backbones/registry.py|contracts/features.py|cli/next_commands.py|lidar|sweep|"
    r"formats/clouds.py|losses/(dino|fcos)|detection/fcos|interop/model_card.py|ops/voxel_|"
    r"formats/object_database.py|commands/make_samples.py",
}


@cache
def texts_of(path: Path) -> frozenset[str]:
    """The texts that a file holds, without docstrings."""
    if path.suffix == ".json":
        return frozenset(re.findall(r'"([a-z]+)_?\w*"', path.read_text()))
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return frozenset(n.value for n in texts if isinstance(n.value, str) and id(n) not in alone)


@cache
def imports_of(path: Path) -> frozenset[str]:
    """What a file imports, as `module:name`."""
    if path.suffix == ".json":
        return frozenset()
    nodes = ast.walk(ast.parse(path.read_text()))
    found = (node for node in nodes if isinstance(node, ast.ImportFrom))
    return frozenset(f"{node.module}:{one.name}" for node in found for one in node.names)


def places(name: str, module: str, *, own: str, imported: str | None = None) -> set[str]:
    """Files outside its own that name a part.

    Args:
        name: As users write it.
        module: An expression for the last part of its module's path.
        own: An expression for the paths of its own files.
        imported: An expression for what of it is imported elsewhere; None for all of the module.
    """
    path_of_it = re.compile(rf"vision(\.\w+)*\.{module}(:\w+)?")
    import_of_it = re.compile(imported) if imported else path_of_it
    found = set()
    for path in FILES:
        place = path.relative_to(ROOT).as_posix()
        if any(re.search(one, place) for one in (own, BENCHES)):
            continue
        named = any(text == name or path_of_it.fullmatch(text) for text in texts_of(path))
        if named or any(map(import_of_it.fullmatch, imports_of(path))):
            found.add(place)
    return found


def check(section: str, found: set[str]) -> None:
    """The places that were found equal the list, and CONTRIBUTING names each."""
    assert found <= PLACES[section], f"not in the list: {sorted(found - PLACES[section])}"
    text = (ROOT / "CONTRIBUTING.md").read_text()
    text = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    for place in PLACES[section]:
        assert f"`{place}`" in text, f"CONTRIBUTING does not name {place} in '{section}'"


@pytest.mark.parametrize("family", BACKBONES)
def test_places_of_a_backbone(family: str) -> None:
    found = places(family, family, own=rf"(backbones|weights/names)/{family}\w*\.py")
    check("Add a backbone", found)
    assert len(found) >= 3


@pytest.mark.parametrize(
    ("name", "section"),
    [
        *((name, "Add a detector") for name in DETECTORS),
        *((name, "Add a head for semantic segmentation") for name in SEGMENTORS),
        *((name, "Add a decoder of depth and normals") for name in DENSE_DECODERS),
    ],
)
def test_places_of_a_head(name: str, section: str) -> None:
    found = places(name, name, own=rf"/{name}\.py")
    check(section, found)
    assert len(found) >= 3


@pytest.mark.parametrize(("name", "module"), DATASETS.items())
def test_places_of_a_dataset(name: str, module: str) -> None:
    found = places(name, rf"datasets\.{module}", own=rf"/{module}\w*\.py")
    check("Add a dataset", found)
    assert "vision/data/__init__.py" in found


@pytest.mark.parametrize("kind", KINDS)
def test_places_of_a_kind_of_task(kind: str) -> None:
    own = "|".join([kind, "tests/helpers", *([SAME_WORD[kind]] if kind in SAME_WORD else [])])
    cls = KINDS[kind].task.partition(":")[2]
    found = places(kind, rf"{kind}\w*", own=own, imported=rf"vision\.tasks(\.\w+)?:{cls}")
    check("Add a kind of task", found)
    assert "vision/kinds.py" in found
