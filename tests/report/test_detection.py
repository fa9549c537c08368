from pathlib import Path

from helpers.report_cases import detection_case

from vision.report.detection import analyse, changes, sections


def test_a_page_has_every_chapter_and_pictures_of_both_sides(tmp_path: Path) -> None:
    record, source = detection_case(tmp_path)
    parts = analyse(record, source)
    whole = "".join(sections(parts, record, source))
    titles = ("COCO", "Classes", "Precision and recall", "Confusion", "Sizes and occlusion")
    for title in (*titles, "Calibration", "Examples"):
        assert f"<h2>{title}</h2>" in whole
    assert whole.count("<img") == len(parts["images"]) == 6
    assert f"{parts['table'][0]['box']:.4f}" in whole

    theirs = {row["name"]: {"score": str(row["score"])} for row in parts["images"]}
    name = parts["images"][0]["name"]
    theirs[name]["score"] = "2.0"
    gains, losses = changes(record, source, theirs)
    assert "0 images" in gains
    assert "1 image" in losses
    assert f"{name}, F1" in losses


def test_data_without_an_index_show_what_the_task_has_measured(tmp_path: Path) -> None:
    record, source = detection_case(tmp_path)
    source = source._replace(dataset=None)
    parts = analyse(record, source)
    whole = "".join(sections(parts, record, source))
    assert "<h2>COCO</h2>" in whole
    assert "no index of objects" in whole
    assert changes(record, source, {})[0].count("<img") == 0
