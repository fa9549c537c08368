import json
from pathlib import Path
from typing import Any

import pytest
from helpers.run_folders import START

from vision.report.run_speed import Speed, read_speed

CONFIG = {"data.batch_size": 64, "trainer.accumulate_grad_batches": 2}


def speed_of(folder: Path, starts: Any, **config: Any) -> tuple[Speed, list[str]]:
    (folder / "env.json").write_text(json.dumps({"starts": starts}))
    notes: list[str] = []
    return read_speed(folder, {**CONFIG, **config}, {}, notes), notes


def write_events(folder: Path, times: dict[int, float], name: str) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder), filename_suffix=name)
    for step, time in times.items():
        for tag in ("val/top1", "val/loss"):
            value = Summary(value=[Summary.Value(tag=tag, simple_value=0.5)])
            writer.add_event(Event(step=step, wall_time=time, summary=value))
    writer.close()


def test_rates_are_steps_and_images_over_the_seconds_of_all_starts(tmp_path: Path) -> None:
    resumed = {**START, "first_step": 30, "last_step": 90, "seconds": 40.0}
    speed, notes = speed_of(tmp_path, [START, resumed])
    assert speed.seconds == 60
    assert speed.steps_per_s == pytest.approx(90 / 60)
    assert speed.images_per_s == pytest.approx(90 / 60 * 64 * 2)
    assert (speed.hardware, speed.precision) == ("A processor, 4 cores, 2 threads", "32-true")
    assert notes == []


def test_images_are_those_of_all_processes(tmp_path: Path) -> None:
    gpus = [{"name": "A GPU", "memory_gib": 80.0}] * 2
    start = {**START, "processes": 2, "device": "cuda:0", "hardware": {"gpus": gpus}}
    speed, _ = speed_of(tmp_path, [{**start, "peak_gpu_memory_gib": 12.5}])
    assert speed.images_per_s == pytest.approx(30 / 20 * 64 * 2 * 2)
    assert (speed.hardware, speed.memory_gib) == ("2 x A GPU", 12.5)


def test_what_a_killed_start_took_is_not_known(tmp_path: Path) -> None:
    killed = {**START, "status": "running", "seconds": None}
    speed, notes = speed_of(tmp_path, [killed, START])
    assert speed.seconds is None
    assert speed.steps_per_s == pytest.approx(30 / 20)
    assert len(notes) == 1
    assert "1 of 2 starts" in notes[0]
    assert str(tmp_path / "env.json") in notes[0]


def test_without_a_batch_size_images_are_not_known(tmp_path: Path) -> None:
    speed, _ = speed_of(tmp_path, [START], **{"data.batch_size": None})
    assert speed.images_per_s is None
    assert speed.steps_per_s is not None


def test_without_any_file_nothing_is_known(tmp_path: Path) -> None:
    assert read_speed(tmp_path, CONFIG, {}, []) == Speed()


@pytest.mark.parametrize("contents", ["{", "[]", '{"other": 1}', "null"])
def test_a_damaged_file_is_noted(contents: str, tmp_path: Path) -> None:
    (tmp_path / "env.json").write_text(contents)
    notes: list[str] = []
    assert read_speed(tmp_path, CONFIG, {}, notes) == Speed()
    assert notes[0].startswith(f"{tmp_path / 'env.json'}: damaged")


def test_seconds_per_epoch_are_those_between_validations_of_one_start(tmp_path: Path) -> None:
    write_events(tmp_path, {9: 100.0, 19: 110.0, 39: 134.0}, ".a")
    write_events(tmp_path, {49: 5000.0, 59: 5011.0}, ".b")
    epochs = {9: 0.0, 19: 1.0, 39: 3.0, 49: 4.0, 59: 5.0}
    # Between validations: 10 s, 24 s of two epochs, 11 s; not the pause between the starts.
    assert read_speed(tmp_path, CONFIG, epochs, []).epoch_s == pytest.approx(11)


def test_one_validation_gives_no_seconds_per_epoch(tmp_path: Path) -> None:
    write_events(tmp_path, {9: 100.0}, ".a")
    assert read_speed(tmp_path, CONFIG, {9: 0.0}, []).epoch_s is None
