"""What panoptic segmentation refuses: things that differ, and segments that do not fit the mask."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_panoptic import random_batch, tiny_panoptic

from vision.errors import ConfigError, DataError
from vision.tasks.panoptic_checks import agree_on_things


def test_things_are_the_tasks_or_the_datas() -> None:
    assert agree_on_things(None, [3, 1], 4, "the data") == [1, 3]
    assert agree_on_things([1, 3], [3, 1], 4, "the data") == [1, 3]


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ([0, 1], [1, 2], ["task alone has 0", "the data alone 2"]),
        (None, [4], ["things of the data are 4", "from 0 to 3"]),
        (None, [1, 1], ["each once"]),
        (None, ["sky", [0]], ["things of the data are sky, [0]"]),
        (None, 7, ["things of the data are 7"]),
    ],
)
def test_things_that_do_not_agree(ours: Any, theirs: Any, words: list[str]) -> None:
    with refuses(ConfigError, *words):
        agree_on_things(ours, theirs, 4, "the data")


def test_a_task_without_things_says_what_is_missing() -> None:
    task = tiny_panoptic(things=None).eval()
    with refuses(ConfigError, "which classes are things", "things=[...]"):
        task.run(random_batch())


def broken(**changes: Any) -> Any:
    batch = random_batch()
    # Of the pixels of a batch, not yet normalised.
    return {**batch, "image": torch.zeros(2, 3, 64, 96, dtype=torch.uint8), **changes}


def of_one(**changes: Any) -> list[list[dict[str, Any]]]:
    """Segments of the batch, the first one changed."""
    first, second = random_batch()["segments"]
    return [[{**first[0], **changes}, *first[1:]], second]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mask": torch.zeros(2, 64, 96)}, ["batch['mask']", "segment ids", "float32"]),
        ({"mask": torch.zeros(2, 16, 24, dtype=torch.int32)}, ["batch['mask']", "64, 96"]),
        ({"segments": [[]]}, ["batch['segments']", "2 lists"]),
        ({"segments": of_one(id=99)}, ["batch['mask'][0]", "does not list", "write 0 (void)"]),
        ({"segments": of_one(id=0)}, ["batch['segments'][0]", "the id 0"]),
        ({"segments": of_one(category_id=4)}, ["category_id 4", "from 0 to 3"]),
        ({"segments": [[{"id": 1}], []]}, ["batch['segments'][0]", "'category_id'"]),
    ],
)
def test_batches_that_do_not_fit(changes: dict[str, Any], words: list[str]) -> None:
    with refuses(DataError, *words):
        tiny_panoptic().check_batch(broken(**changes), "train")


def test_a_good_batch_passes() -> None:
    for stage in ("train", "val", "predict"):
        tiny_panoptic().check_batch(broken(), stage)
    with refuses(DataError, "batch['canvas']"):
        tiny_panoptic().check_batch(broken(canvas=torch.zeros(2, 2)), "val")
