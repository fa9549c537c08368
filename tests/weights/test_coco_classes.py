"""The names of COCO's classes, against counts and places that are known from elsewhere."""

from vision.weights.coco_classes import COCO_CLASSES


def test_there_are_eighty_distinct_names_in_the_order_of_their_ids() -> None:
    assert len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80
    known = {0: "person", 2: "car", 16: "dog", 24: "backpack", 39: "bottle", 56: "chair"}
    known |= {62: "tv", 67: "cell phone", 73: "book", 79: "toothbrush"}
    assert {i: COCO_CLASSES[i] for i in known} == known
    assert all(name == name.strip().lower() for name in COCO_CLASSES)
