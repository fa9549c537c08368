"""The lists of LVIS, worked by hand; what is wrong with them is told in the check of datasets."""

from vision.annotations.coco import judge
from vision.annotations.coco_tables import Tables
from vision.annotations.lvis import read_federation


def test_lists_and_letters_come_by_index_of_image_and_category() -> None:
    images = [
        {"id": 9, "neg_category_ids": [7, "2", 7], "not_exhaustive_category_ids": []},
        {"id": 4, "neg_category_ids": [], "not_exhaustive_category_ids": [5.0]},
    ]
    categories = [
        {"id": number, "name": str(number), "frequency": letter}
        for number, letter in ((7, "f"), (2, "r"), (5, "c"))
    ]
    tables, problems = Tables(images, [], categories), []
    found = read_federation(tables, judge(tables, problems, files=False), problems)
    assert problems == []
    assert found.frequencies.tolist() == [0, 1, 2]
    assert found.negative.tolist() == [[1, 0], [1, 2]]
    assert found.not_exhaustive.tolist() == [[0, 1]]


def test_entries_that_the_judge_leaves_out_are_left_out() -> None:
    images = [{"neg_category_ids": [1]}, {"id": 3, "neg_category_ids": [1]}]
    tables, problems = Tables(images, [], [{"id": 1, "name": "a", "frequency": "c"}]), []
    file = judge(tables, problems, files=False)
    assert read_federation(tables, file, problems).negative.tolist() == [[0, 0]]
    assert problems == [
        "images[0] has no 'id'",
        "image 3: 'not_exhaustive_category_ids' is None, expected a list of ids of categories, [] "
        "for none",
    ]
