"""Imports point one way, and importing the package costs little (ARCHITECTURE: allowed imports)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vision"

LEAVES = {"contracts", "documents", "errors", "extras", "files", "keywords", "kinds", "lazy"}
LEAVES |= {"decoration", "line_width", "options", "outputs", "program", "reading", "task_parts"}
LEAVES |= {"machine", "quiet", "version", "wording", "workers"}
PARTS = {"backbones", "necks", "heads", "weights", "losses", "metrics", "optim"}
TOPS = {"tasks", "callbacks", "efficiency", "interop"}
BELOW_PARTS = LEAVES | {"ops", "layers"}
BELOW_TOPS = BELOW_PARTS | PARTS | {"draw", "mmcv"}
# What each module or sub-package of vision may import of the others.
ALLOWED = {
    "contracts": set(),
    "decoration": {"workers"},
    "errors": set(),
    "documents": {"errors", "files", "reading"},
    "extras": {"files", "program"},
    "files": {"errors", "reading"},
    "keywords": set(),
    "kinds": set(),
    "lazy": set(),
    "machine": {"errors", "version", "workers"},
    "options": {"errors"},
    "reading": {"errors"},
    "outputs": {"errors", "files", "reading"},
    "program": {"files"},
    "task_parts": {"errors", "kinds", "program"},
    "version": set(),
    "quiet": set(),
    "wording": set(),
    "line_width": set(),
    "workers": set(),
    "__init__": LEAVES,
    "__main__": {"cli"},
    "ops": LEAVES,
    "mmcv": BELOW_PARTS,
    "layers": LEAVES | {"ops"},
    "necks": BELOW_PARTS,
    "heads": BELOW_PARTS | {"mmcv"},
    "losses": BELOW_PARTS,
    "metrics": BELOW_PARTS | {"annotations"},
    "weights": BELOW_PARTS,
    # Parameter groups follow the layers of a backbone and the names of its parameters.
    "optim": BELOW_PARTS | {"backbones", "weights"},
    # Only for pretrained=.
    "backbones": BELOW_PARTS | {"weights"},
    "annotations": LEAVES | {"ops"},
    "data": LEAVES | {"ops", "annotations"},
    "draw": BELOW_PARTS | PARTS,
    **{name: BELOW_TOPS for name in TOPS},
    **{name: BELOW_TOPS | TOPS | {"annotations", "data"} for name in ("predict", "report")},
    "export": BELOW_TOPS | TOPS,
    "cli": BELOW_TOPS | TOPS | {"benchmarks", "data", "export", "predict", "report"},
    # What a trained model is loaded by, and the graphs that engines run.
    "benchmarks": BELOW_TOPS | TOPS | {"annotations", "data", "export", "predict"},
}
# The rooms of vision/data: each may import itself and what comes before it.
ROOMS = ["images", "files", "loading", "index", "classes", "transforms", "formats", "check"]
ROOMS += ["base", "datasets", "adapters", "shards", "synthetic"]
LIGHTNING_IN = {"benchmarks", "tasks", "optim", "data", "callbacks", "cli"}
HEAVY = ["lightning", "torchvision", "timm", "torchmetrics", "albumentations", "pycocotools"]
HEAVY += ["matplotlib"]
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {".".join(("vision", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in FILES}


@cache
def nodes_of(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a file, those in its functions included."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imports_of(path: Path) -> Iterator[str]:
    """Absolute names of all that a file imports."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            assert node.level == 0, f"{path}: relative import"
            if node.module == "vision":
                yield from (f"vision.{alias.name}" for alias in node.names)
            else:
                yield node.module


def module_of(path: Path) -> str:
    return ".".join(("vision", *path.relative_to(PACKAGE).with_suffix("").parts))


def modules_of(path: Path) -> Iterator[str]:
    """The files of the package that a file imports; not the packages that they lie in."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        else:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            yield from (name for name in names if name in MODULES)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_upwards(part: str, name: str) -> bool:
    """Whether a part must not import what has this name."""
    root, *rest = name.split(".")
    if root == "vision" and rest and rest[0] != part:
        return rest[0] not in ALLOWED[part]
    return root in ("tools", "train", "tests") or (root == "lightning" and part not in LIGHTNING_IN)


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} must not import {name}"
        for path in FILES
        for name in imports_of(path)
        if is_upwards(part_of(path), name)
    ]
    assert wrong == []


def test_an_import_upwards_is_found() -> None:
    upwards = {"ops": "vision.layers.norm", "heads": "lightning.pytorch", "cli": "tests.helpers"}
    assert all(is_upwards(part, name) for part, name in upwards.items())
    assert not is_upwards("layers", "vision.ops.boxes")


def test_rooms_of_data_are_in_one_order() -> None:
    wrong = []
    for path in (PACKAGE / "data").rglob("*.py"):
        *_, room = ["", *path.relative_to(PACKAGE).parts[1:-1]]
        others = [name for name in imports_of(path) if room and name.startswith("vision.data.")]
        wrong += [
            f"{path.relative_to(PACKAGE)} must not import {name}"
            for name in others
            if ROOMS.index(name.split(".")[2]) > ROOMS.index(room)
        ]
    assert wrong == []


def test_files_import_each_other_in_no_circle() -> None:
    graph = {module_of(path): set(modules_of(path)) - {module_of(path)} for path in FILES}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of files: {' <- '.join(error.args[1])}")


def test_heads_and_weights_know_no_backbone() -> None:
    for path in FILES:
        if part_of(path) in ("heads", "weights", "necks"):
            assert not any(name.startswith("vision.backbones") for name in imports_of(path))


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """What a new process prints: heavy packages after the light imports, then lazy names."""
    code = f"""
import sys
import vision
from vision import create_backbone, list_backbones, load_weights
create_backbone("convnext", dims=(8, 8, 8, 8), depths=(1, 1, 1, 1))
print([name for name in {HEAVY} if name in sys.modules])
print(vision.tasks.Classification.__name__, vision.data.Digits.__name__)
print([name for name in {HEAVY} if name in sys.modules])
"""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.splitlines()


def test_importing_vision_imports_no_heavy_package(printed: list[str]) -> None:
    assert printed[0] == "[]"
    assert "lightning" in printed[2]  # the list can tell


def test_tasks_and_data_resolve_lazily(printed: list[str]) -> None:
    assert printed[1].split() == ["Classification", "Digits"]


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    import vision

    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = vision.nothing_like_this
