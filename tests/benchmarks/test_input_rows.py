import pytest
import torch
from helpers.refusals import refuses

from vision.benchmarks.input_rows import Side, add_alone, add_beside, compare_pixels
from vision.benchmarks.measurement import Measurement, UnequalSidesError


def test_images_are_the_same_up_to_some_levels() -> None:
    image = torch.arange(3 * 4 * 5, dtype=torch.uint8).reshape(3, 4, 5)
    other = image + torch.tensor(2, dtype=torch.uint8)
    assert compare_pixels(image, other, levels=2.0, what="x") == pytest.approx(2 / 255)
    assert compare_pixels(image, other.float() / 255, levels=2.01, what="x") == pytest.approx(
        2 / 255, rel=1e-4
    )
    with refuses(UnequalSidesError, "x: images differ by 2.00 of 255 levels on average"):
        compare_pixels(image, other, levels=1.9, what="x")
    with refuses(UnequalSidesError, "x: images of"):
        compare_pixels(image, other.transpose(1, 2), levels=9.0, what="x")


def test_every_side_makes_batches_of_all_files_with_random_numbers_of_the_round() -> None:
    made: dict[str, list[tuple[str, float]]] = {"ours": [], "theirs": []}
    batches: list[int] = []

    def side(name: str) -> Side:
        def make(path: str) -> torch.Tensor:
            made[name].append((path, torch.rand(()).item()))
            return torch.zeros(3, 2, 2)

        def collate(samples: list[torch.Tensor]) -> torch.Tensor:
            batches.append(len(samples))
            return torch.stack(samples)

        return Side(make, collate)

    measured = Measurement("x")
    paths = [str(number) for number in range(11)]
    add_beside(measured, "y", side("ours"), {"they": side("theirs")}, paths, rounds=2)
    assert [path for path, _ in made["ours"]] == paths * 3  # a round of warm-up
    assert made["ours"] == made["theirs"]
    assert len({number for _, number in made["ours"]}) == 33
    assert sorted(batches) == [3] * 6 + [8] * 6
    assert [(row.label, row.unit, row.peer) for row in measured.rows] == [
        ("y", "ms/image", "they"),
        ("y", "CPU ms/image", "they"),
    ]
    add_alone(measured, {"read": str, "all": str}, paths, rounds=1)
    assert [row.label for row in measured.rows[2:]] == ["read", "all"]
    assert all(row.theirs is None for row in measured.rows[2:])
