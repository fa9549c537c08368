from pathlib import Path

from vision.report.curves import (
    MAX_POINTS,
    Training,
    curves_section,
    read_curves,
    read_epochs,
)

CSV = """epoch,lr,step,train/loss,train/box,val/loss,val/box_AP,val/box_AP_small
0,0.1,9,2.0,1.5,,,
0,,9,,,1.8,0.25,0.1
1,0.2,19,1.0,nan,,,
1,,19,,,1.7,0.5,0.2
2,0.3,2
"""


def test_each_metric_has_its_steps_and_values(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(CSV)
    lines = read_curves(tmp_path)
    assert lines["train/loss"] == {"step": [9.0, 19.0], "value": [2.0, 1.0]}
    assert lines["val/box_AP"] == {"step": [9.0, 19.0], "value": [0.25, 0.5]}
    assert lines["train/box"]["value"] == [1.5]
    shown = curves_section(lines)
    assert shown is not None
    for title in ("Loss", "Terms of the loss", "Validation", "Learning rate"):
        assert f"<h4>{title}</h4>" in shown
    assert "val/box_AP" in shown
    assert "AP_small" not in shown


def test_over_epochs_the_best_is_marked_and_the_losses_explained(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(CSV)
    training = Training(
        epochs=read_epochs(tmp_path),
        monitor=("val/box_AP", "max"),
        arguments={"label_smoothing": 0.1},
    )
    shown = curves_section(read_curves(tmp_path), training)
    assert shown is not None
    assert "best epoch, 2: val/box_AP 0.5000" in shown
    assert shown.count("best val/box_AP: 0.5000") == 1
    assert ">epoch<" in shown
    assert ">optimiser step<" not in shown
    (loss,) = [chart for chart in shown.split("<figure") if "<h4>Loss</h4>" in chart]
    assert "<figcaption>Only the training loss includes label smoothing (0.1)" in loss
    assert shown.count("figcaption>") == 2


def test_angles_do_not_share_an_axis_with_shares(tmp_path: Path) -> None:
    log = "step,val/mean,val/below_30\n9,80,0.1\n19,20,0.7\n"
    (tmp_path / "metrics.csv").write_text(log)
    shown = curves_section(read_curves(tmp_path))
    assert shown is not None
    larger, shares = (
        next(chart for chart in shown.split("<figure") if f"<h4>{title}</h4>" in chart)
        for title in ("Validation, larger numbers", "Validation")
    )
    assert "val/mean" in larger
    assert "val/below_30" in shares
    assert "val/mean" not in shares


def test_long_runs_are_thinned_with_both_ends(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i / 7}\n" for i in range(5000))
    (tmp_path / "metrics.csv").write_text("step,train/loss\n" + rows)
    line = read_curves(tmp_path)["train/loss"]
    assert len(line["step"]) == MAX_POINTS
    assert (line["step"][0], line["step"][-1]) == (0, 4999)


def test_without_a_run_there_are_no_curves(tmp_path: Path) -> None:
    assert read_curves(None) == read_curves(tmp_path) == {}
    assert curves_section({}) is None
