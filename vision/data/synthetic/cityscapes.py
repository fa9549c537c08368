"""A small dataset in the exact layout of Cityscapes, composed of handwritten digits.

The layout follows "The Cityscapes Dataset for Semantic Urban Scene Understanding", M. Cordts et
al., 2016, as described in its published scripts. The digits replace ten of its 19 classes, the
backgrounds four more; the others do not occur.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.outlines import trace_pixels
from vision.data.synthetic.scenes import Scene
from vision.data.synthetic.semantic import unlabelled_region
from vision.data.synthetic.splits import SPLITS, ComposedScene, SceneSamples, compose_split
from vision.documents.class_table import class_table
from vision.ops.label_images import write_labels

# Sequences are assigned to the cities of a split in turn.
CITIES = {"train": ("aachen", "bochum"), "val": ("frankfurt",), "test": ("berlin",)}
# Labels of the digits 0 to 9; Cityscapes has no instances of the last two.
THINGS = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
DIGIT_LABELS = (*THINGS, "traffic light", "traffic sign")
# By the kind of the background.
TEXTURE_LABELS = ("road", "building", "vegetation", "sky")
GROUP = "group"
# Height of the ego vehicle at the bottom, as a share of the image.
EGO_HEIGHT = 0.08
EGO_WIDTH = 0.7
BORDER = 2  # pixels at either side that rectification has left empty


@dataclass(frozen=True, kw_only=True)
class CityscapesSamples(SceneSamples):
    """As `SceneSamples`: all scenes are twice as wide as high, at least 160 pixels wide.

    The annotations of test scenes show only the ego vehicle and the border of rectification.
    """

    min_size: ClassVar[int] = 160
    aspect: ClassVar[float | None] = 2.0

    train: int = 1000
    val: int = 200
    size: int = 192


class Layer(NamedTuple):
    """A layer drawn over the ones before it: its label in the files, and bool `(H, W)`."""

    label: str
    mask: np.ndarray


class Annotation(NamedTuple):
    """The annotation of an image.

    Attributes:
        label_ids: uint8 `(H, W)`, label id of each pixel, 0 where there is none.
        instance_ids: uint16 `(H, W)`: the label id, for instances `1000 * id + number`.
        colors: uint8 `(H, W, 4)` RGBA.
        objects: Label and polygon of each object, in the order in which they are drawn.
    """

    label_ids: np.ndarray
    instance_ids: np.ndarray
    colors: np.ndarray
    objects: list[dict[str, Any]]


def write_cityscapes(root: Path | str, samples: CityscapesSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree equals the release: `leftImg8bit/SPLIT/CITY/CITY_000000_000019_leftImg8bit.png` and so
    on, and for each image `gtFine/SPLIT/CITY/..._gtFine_{labelIds,instanceIds,color}.png` and
    `..._gtFine_polygons.json`.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Numbers of images and of polygons, by split.

    Raises:
        DataError: `root` holds something else.
    """
    found: dict[str, tuple[int, int]] = {}
    with replace_folder(root, {"dataset": "cityscapes", **asdict(samples)}) as folder:
        for split in SPLITS:
            for kind in ("leftImg8bit", "gtFine"):
                for city in CITIES[split]:
                    (folder / kind / split / city).mkdir(parents=True)
            polygons = [
                _write_scene(folder, split, composed) for composed in compose_split(samples, split)
            ]
            found[split] = (len(polygons), sum(polygons))
    return found


def scene_layers(scene: Scene, rng: np.random.Generator) -> list[Layer]:
    """The layers of an annotation, from back to front.

    Crowds of classes with instances are groups, such as "persongroup". Regions without a class are
    "static", below the objects.

    Args:
        scene: The scene.
        rng: Source of any further choice.
    """
    background = np.ones(scene.image.shape[:2], bool)
    layers = [
        Layer(TEXTURE_LABELS[scene.texture], background),
        Layer("static", unlabelled_region(scene, rng)),
        *_frame_layers(background.shape),
    ]
    for item in scene.objects:
        label = DIGIT_LABELS[item.label]
        layers.append(Layer(label + GROUP * (item.crowd and label in THINGS), item.whole))
    return layers


def annotate(layers: Sequence[Layer], height: int, width: int) -> Annotation:
    """Draw layers over one another, as the dataset's scripts draw polygons.

    A connected part of a layer without holes is one polygon and one instance.

    Args:
        layers: From back to front.
        height: In pixels.
        width: In pixels.
    """
    table = class_table("cityscapes")
    label_ids = np.zeros((height, width), np.uint8)
    instance_ids = np.zeros((height, width), np.uint16)
    numbers: Counter[str] = Counter()
    objects = []
    for label, polygon, mask in _draw_polygons(layers):
        value = number = table.labels.index(label.removesuffix(GROUP))
        if label in THINGS:
            value = 1000 * number + numbers[label]
            numbers[label] += 1
        label_ids[mask], instance_ids[mask] = number, value
        objects.append({"label": label, "polygon": polygon})
    colors = np.zeros((len(table.labels), 4), np.uint8)
    colors[:, 3] = 255
    colors[list(table.values), :3] = table.colors
    return Annotation(label_ids, instance_ids, colors[label_ids], objects)


def _draw_polygons(
    layers: Sequence[Layer],
) -> Iterator[tuple[str, list[list[int]], np.ndarray]]:
    """Label, points and bool `(H, W)` of the pixels of each polygon."""
    from PIL import Image, ImageDraw

    for label, mask in layers:
        for polygon in trace_pixels(mask):
            picture = Image.new("1", mask.shape[::-1])
            ImageDraw.Draw(picture).polygon([(x, y) for x, y in polygon.tolist()], fill=1)
            yield label, polygon.tolist(), np.asarray(picture)


def _frame_layers(shape: tuple[int, ...]) -> list[Layer]:
    """The layers of all images: the ego vehicle and the border of rectification."""
    rows, columns = np.indices(shape)
    across = (columns + 0.5 - shape[1] / 2) / (EGO_WIDTH * shape[1] / 2)
    up = (shape[0] - rows - 0.5) / (EGO_HEIGHT * shape[0])
    border = (columns < BORDER) | (columns >= shape[1] - BORDER)
    return [Layer("ego vehicle", across**2 + up**2 < 1), Layer("rectification border", border)]


def _write_scene(folder: Path, split: str, composed: ComposedScene) -> int:
    """Write the files of a scene; returns the number of polygons."""
    from PIL import Image

    scene, (height, width) = composed.scene, composed.scene.image.shape[:2]
    if split == "test":
        layers = _frame_layers((height, width))
    else:
        layers = scene_layers(scene, composed.rng)
    found = annotate(layers, height, width)
    cities = CITIES[split]
    sequence, turn = divmod(composed.place, len(cities))
    place = Path(split, cities[turn], f"{cities[turn]}_{sequence:06d}_000019")
    Image.fromarray(scene.image).save(folder / "leftImg8bit" / f"{place}_leftImg8bit.png")
    truth = str(folder / "gtFine" / f"{place}_gtFine")
    write_labels(f"{truth}_labelIds.png", found.label_ids)
    Image.fromarray(found.instance_ids).save(f"{truth}_instanceIds.png")
    Image.fromarray(found.colors).save(f"{truth}_color.png")
    content = {"imgHeight": height, "imgWidth": width, "objects": found.objects}
    Path(f"{truth}_polygons.json").write_text(json.dumps(content))
    return len(found.objects)
