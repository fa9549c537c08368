import numpy as np
import pytest
from helpers.random_coco import judge, random_case

from vision.metrics.coco.evaluation import evaluate_coco
from vision.metrics.coco.table import CategoryRow, CocoResult, category_scores, summarize


@pytest.mark.parametrize("seed", [2, 5])
def test_the_table_is_what_pycocotools_prints(seed: int) -> None:
    truth, results = random_case(seed)
    result = evaluate_coco(truth, results)
    for kind in ("bbox", "segm"):
        assert result.table(kind).splitlines() == judge(truth, results, kind)[1]


def test_scalars_have_names() -> None:
    stats = {"bbox": np.arange(12) / 12, "segm": np.full(12, -1.0)}
    scalars = CocoResult(stats=stats).scalars()
    names = "AP AP50 AP75 AP_small AP_medium AP_large AR1 AR10 AR100 AR_small AR_medium AR_large"
    assert list(scalars) == [f"{kind}_{name}" for kind in ("box", "mask") for name in names.split()]
    assert scalars["box_AR10"] == 7 / 12
    assert scalars["mask_AP"] == -1


def test_categories_are_rows_and_text() -> None:
    rows = (
        CategoryRow(3, "cat", 4, 1, 9, {"bbox": (0.25, 0.5), "segm": (0.2, 0.4)}),
        CategoryRow(7, "big dog", 2, 0, 3, {"bbox": (0.75, 1.0), "segm": (0.5, 0.9)}),
    )
    result = CocoResult(stats={"bbox": np.zeros(12), "segm": np.zeros(12)}, rows=rows)
    assert result.categories()[0] == {
        "id": 3,
        "name": "cat",
        "objects": 4,
        "crowds": 1,
        "predictions": 9,
        "box_AP": 0.25,
        "box_AP50": 0.5,
        "mask_AP": 0.2,
        "mask_AP50": 0.4,
    }
    lines = result.category_table().splitlines()
    assert [line.split()[0] for line in lines] == ["id", "7", "3"]  # the best first
    assert lines[1].split() == ["7", "big", "dog", *"203", "0.750", "1.000", "0.500", "0.900"]
    assert len({len(line) for line in lines}) == 1


def test_numbers_are_means_of_what_is_known() -> None:
    precision, recall = np.full((10, 101, 2, 4, 3), -1.0), np.full((10, 2, 4, 3), -1.0)
    assert summarize(precision, recall).tolist() == [-1] * 12
    precision[:, :, 0, 0, 2] = np.linspace(0, 0.9, 10)[:, None]
    recall[:, 1, 3, 2] = 0.25
    recall[:, :, 0, 1] = 0.75
    stats = summarize(precision, recall)
    expected = [0.45, 0, 0.5, -1, -1, -1, -1, 0.75, -1, -1, -1, 0.25]
    np.testing.assert_allclose(stats, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(category_scores(precision), [(0.45, 0), (-1, -1)], atol=1e-12)
