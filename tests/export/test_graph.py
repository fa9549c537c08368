from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch
from helpers.refusals import refuses
from helpers.weighed_graph import WeighedGraph

from vision.errors import ConfigError
from vision.export.graph import GraphInput, input_type
from vision.export.inputs import VolumeInput


def test_images_are_normalised_where_the_program_does_not() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)
    spec = GraphInput(torch.float32, 1, True, mean=(0.5,), std=(0.25,))
    torch.testing.assert_close(spec.prepare(pixels).flatten(), torch.tensor([-2.0, 2.0]))
    raw = GraphInput(torch.float32, 1, False, mean=(0.5,), std=(0.25,))
    assert raw.prepare(pixels).flatten().tolist() == [0.0, 255.0]


def test_a_size_that_an_input_cannot_have_is_refused() -> None:
    images = GraphInput(torch.float32, 3)
    images.check_size((32, 64))
    with refuses(ConfigError, "(16, 64)", "at least 32"):
        images.check_size((16, 64))
    with refuses(ConfigError, "3 sides", "images have 2", "--size HEIGHT WIDTH"):
        images.check_size((64, 64, 64))
    volumes = VolumeInput(torch.float32, 4)
    volumes.check_size((8, 8, 16))
    with refuses(ConfigError, "2 sides", "volumes have 3", "--size D H W"):
        volumes.check_size((64, 64))
    with refuses(ConfigError, "--inputs a.png out"):
        volumes.examples(1, (8, 8, 8), "a.png")


def test_inputs_beside_the_images_come_from_a_batch_or_are_made_up() -> None:
    graph = WeighedGraph()
    images = torch.zeros(3, 3, 16, 32)
    assert graph.inputs == ["images", "weights"]
    _, made = graph.arguments(images)
    assert made.tolist() == [[0, 0.5]] * 3
    _, given = graph.arguments(images, {"half": torch.arange(6).view(3, 2)})
    assert given.dtype == torch.float32
    assert given.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_a_format_that_cannot_hold_a_program_is_refused_with_the_reason() -> None:
    class Sorting(WeighedGraph):
        kind = "sorting"
        refused: ClassVar[Mapping[str, str]] = {
            "onnx": "its operators sort rows by keys of 64 bits"
        }

    Sorting.check_format("torch-export")
    with refuses(ConfigError, "onnx", "sorting model", "64 bits"):
        Sorting.check_format("onnx")


def test_an_unknown_type_names_the_nearest() -> None:
    assert input_type("uint8") == torch.uint8
    with pytest.raises(ConfigError, match="'float32'"):
        input_type("float23")
