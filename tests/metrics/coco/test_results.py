"""Results in COCO's format: whole columns are read as single values are."""

import numpy as np
import pytest
from helpers.random_coco import random_case

from vision.errors import DataError
from vision.metrics.coco.files import read_truth
from vision.metrics.coco.results import read_results


@pytest.mark.parametrize("masks", [False, True])
def test_numbers_of_any_kind_are_read_alike(masks: bool) -> None:
    truth, results = random_case(6, images=5)
    ready = read_truth(truth, masks=True)
    plain = read_results(results, ready, where="here", masks=masks)
    odd = [
        {
            **one,
            "image_id": str(one["image_id"]),
            "category_id": float(one["category_id"]),
            "score": np.float64(one["score"]),
            "bbox": np.array(one["bbox"]),
            "segmentation": {**one["segmentation"], "size": tuple(one["segmentation"]["size"])},
        }
        for one in results
    ]
    assert len(plain) == len(results) > 5
    assert read_results(odd, ready, where="here", masks=masks) == plain


def test_the_first_wrong_result_is_named_whatever_comes_before_it() -> None:
    truth, results = random_case(6, images=5)
    ready = read_truth(truth, masks=True)
    results[4]["segmentation"] = {**results[4]["segmentation"], "size": [3, 4]}
    with pytest.raises(DataError, match=r"result 4 of here the mask has the size \[3, 4\]"):
        read_results(results, ready, where="here", masks=True)
    results[2]["score"] = None
    with pytest.raises(DataError, match="result 2 of here has the score None"):
        read_results(results, ready, where="here", masks=True)
