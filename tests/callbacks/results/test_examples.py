"""Which images are called the best and the worst."""

from vision.callbacks.results.examples import Scored, choose_images


def places(chosen: dict[str, list[Scored]], kind: str) -> list[int]:
    return [image.place for image in chosen[kind]]


def test_an_image_without_objects_is_neither_the_best_nor_the_worst() -> None:
    empty = [Scored(0, 1.0, 0), Scored(1, 0.0, 0)]
    others = [Scored(2 + i, 0.1 * i, 1 + i) for i in range(1, 9)]
    chosen = choose_images([*empty, *others], 2)
    assert places(chosen, "best") == [10, 9]
    assert places(chosen, "worst") == [3, 4]
    everything = choose_images([*empty, *others], 10)
    assert {0, 1} <= {*places(everything, "random")}


def test_where_no_image_has_objects_all_are_ranked() -> None:
    chosen = choose_images([Scored(i, i / 8, 0) for i in range(9)], 2)
    assert places(chosen, "best") == [8, 7]
    assert places(chosen, "worst") == [0, 1]
