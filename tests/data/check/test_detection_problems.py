from pathlib import Path

import numpy as np
from helpers.refusals import refuses
from helpers.tiny_boxes import HEIGHT, WIDTH, write_image

from vision.data.check.detection_problems import AnnotatedImages, summarise_index, unique_images
from vision.data.index.builder import IndexBuilder
from vision.errors import ImageError


def test_images_are_compared_with_their_annotated_size(tmp_path: Path) -> None:
    builder = IndexBuilder(tmp_path, ("ant",), (1,))
    nothing = {"labels": np.zeros(0, dtype=int), "boxes": np.zeros((0, 4))}
    for name, size in (("a", (HEIGHT, WIDTH)), ("b", (0, 0)), ("c", (WIDTH, HEIGHT + 1))):
        write_image(tmp_path / f"{name}.jpg")
        builder.add(str(tmp_path / f"{name}.jpg"), size, **nothing)
    index = builder.build()
    (images,) = unique_images([index])
    assert len(images) == 3
    assert images[0] is images[1] is None
    with refuses(ImageError, "3", "c.jpg", "40", "60"):
        images[2]
    counts = [len(images) for images in unique_images([index, index.with_objects(), index])]
    assert counts == [3, 0, 0]
    assert isinstance(images, AnnotatedImages)


def test_the_summary_of_an_index() -> None:
    builder = IndexBuilder(Path("x"), ("ant", "bee", "fly"), (1, 2, 3))
    crowd = np.array([True, False, False])
    boxes = np.ones((3, 4))
    builder.add("1.jpg", (9, 9), labels=np.array([2, 0, 2]), boxes=boxes, crowd=crowd)
    builder.add("2.jpg", (9, 9), labels=np.zeros(0, dtype=int), boxes=np.zeros((0, 4)))
    assert summarise_index(builder.build(), {"degenerate": 3, "duplicate": 0}) == {
        "images": 2,
        "classes": {"ant": 1, "bee": 0, "fly": 2},
        "objects": 3,
        "crowd_regions": 1,
        "empty_images": 1,
        "dropped": {"degenerate": 3},
    }
