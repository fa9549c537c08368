"""Classes carried over by name: rows worked by hand."""

import pytest
import torch
from torch import Tensor

from vision.weights.class_rows import copy_rows, count_classes, map_classes

PLAIN, WITH_BACKGROUND, BOXES, ANCHORS = (
    (1, 1, False),
    (1, 1, True),
    (1, 4, False),
    (2, 1, False),
)


@pytest.mark.parametrize(
    ("length", "rows", "expected"),
    [
        (5, PLAIN, 5),
        (81, WITH_BACKGROUND, 80),
        (320, BOXES, 80),
        (720, (9, 1, False), 80),
        (721, (9, 1, False), None),
        (1, WITH_BACKGROUND, None),
        (0, PLAIN, None),
    ],
)
def test_number_of_classes(length: int, rows: tuple[int, int, bool], expected: int | None) -> None:
    assert count_classes(length, rows) == expected


def test_rows_follow_their_classes_and_the_background() -> None:
    # Own classes: 2 of the source, a new one, 0 of the source.
    sources = [2, -1, 0]
    tensor = torch.tensor([10.0, 11.0, 12.0, 13.0])  # three classes and the background
    copied = copy_rows(tensor, torch.full((4,), -1.0), WITH_BACKGROUND, sources)
    assert copied.tolist() == [12, -1, 10, 13]


def test_several_rows_of_a_class_stay_together() -> None:
    tensor = torch.arange(24.0).reshape(12, 2)  # three classes of four rows
    copied = copy_rows(tensor, torch.full((8, 2), -1.0), BOXES, [1, -1])
    assert torch.equal(copied[:4], tensor[4:8])
    assert (copied[4:] == -1).all()


def test_each_group_has_its_own_classes() -> None:
    tensor = torch.tensor([0.0, 1, 2, 100, 101, 102])  # two anchors of three classes
    copied = copy_rows(tensor, torch.full((4,), -1.0), ANCHORS, [2, 0])
    assert copied.tolist() == [2, 0, 102, 100]


def test_the_target_is_not_changed_and_gives_the_type() -> None:
    target = torch.zeros(2, dtype=torch.float64)
    copied = copy_rows(torch.ones(3), target, PLAIN, [0, -1])
    assert copied.dtype == torch.float64
    assert copied.tolist() == [1, 0]
    assert (target == 0).all()


def mapped(
    before: int, after: int, own: list[str] | None, theirs: list[str] | None
) -> tuple[list[int] | None, str] | None:
    rows = {"head.weight": WITH_BACKGROUND, "head.bias": WITH_BACKGROUND}

    def state(classes: int) -> dict[str, Tensor]:
        return {"head.weight": torch.zeros(classes + 1, 3), "head.bias": torch.zeros(classes + 1)}

    found = map_classes(state(before), state(after), rows, own=own, theirs=theirs)
    assert found is None or found.names == ["head.weight", "head.bias"]
    return None if found is None else (found.sources, found.text)


def test_classes_of_one_name_are_found() -> None:
    sources, text = mapped(3, 2, ["dog", "bird"], ["cat", "dog", "cow"])
    assert sources == [1, -1]
    assert text == "mapped 1 of 3 classes by name: dog; 1 without a counterpart: bird"


def test_the_same_classes_in_another_order_are_reordered() -> None:
    sources, text = mapped(2, 2, ["dog", "cat"], ["cat", "dog"])
    assert sources == [1, 0]
    assert text == "mapped 2 of 2 classes by name: dog, cat"


@pytest.mark.parametrize(
    ("own", "theirs", "sources"),
    [
        (["cat", "cat", "dog"], ["dog", "cat", "cow"], [-1, -1, 0]),
        (["dog", "cat", "cow"], ["cat", "cat", "dog"], [2, -1, -1]),
        (["cat", "cat", "dog"], ["cat", "dog", "cat"], [-1, -1, 1]),
    ],
)
def test_a_name_that_is_not_unique_takes_no_rows(
    own: list[str], theirs: list[str], sources: list[int]
) -> None:
    found, text = mapped(3, 3, own, theirs)
    assert found == sources
    assert "(not unique: cat)" in text


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        (["cat", "cat"], ["cat", "cat"]),  # the same two classes, regardless of names
        (["cat", "dog"], ["Cat", "dog"]),  # spelt differently
        (["cat", "dog"], ["n02121620", "n02084071"]),
        (None, ["cat", "dog"]),
        (["cat", "dog"], None),
        (["cat", "dog"], ["cat"]),  # names of something else
    ],
)
def test_classes_of_the_same_number_stay_where_no_name_moves(
    own: list[str] | None, theirs: list[str] | None
) -> None:
    assert mapped(2, 2, own, theirs) is None


@pytest.mark.parametrize(
    ("own", "theirs", "whose"),
    [
        (["a", "b"], None, "the weights"),
        (["a", "b"], ["a"], "the weights"),
        (None, ["a", "b", "c"], "the model"),
        (["a"], ["a", "b", "c"], "the model"),
    ],
)
def test_without_names_all_are_fresh(
    own: list[str] | None, theirs: list[str] | None, whose: str
) -> None:
    sources, text = mapped(3, 2, own, theirs)
    assert sources is None
    assert text == f"no classes mapped: the class names of {whose} are not known"


def test_long_lists_of_names_are_cut() -> None:
    names = [f"c{i}" for i in range(9)]
    _, text = mapped(9, 10, [*names, "new"], names)
    assert text == "mapped 9 of 9 classes by name: c0, c1, c2, c3, c4 and 4 more; 1 without a " + (
        "counterpart: new"
    )


def test_parameters_that_do_not_agree_on_the_number_of_classes_are_left_alone() -> None:
    rows = {"a": PLAIN, "b": PLAIN}
    source = {"a": torch.zeros(3), "b": torch.zeros(4)}
    own = {"a": torch.zeros(2), "b": torch.zeros(2)}
    assert map_classes(source, own, rows, own=["x", "y"], theirs=["x", "z", "y"]) is None


def test_layers_of_another_width_are_not_mapped() -> None:
    rows = {"a.weight": PLAIN, "a.bias": PLAIN, "b.bias": PLAIN}
    source = {"a.weight": torch.zeros(3, 7), "a.bias": torch.zeros(3), "b.bias": torch.zeros(3)}
    own = {"a.weight": torch.zeros(2, 8), "a.bias": torch.zeros(2), "b.bias": torch.zeros(2)}
    found = map_classes(source, own, rows, own=["x", "y"], theirs=["x", "z", "y"])
    assert found is not None
    assert found.names == ["b.bias"]
    assert found.sources == [0, 2]
