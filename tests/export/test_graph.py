import pytest
import torch

from vision.errors import ConfigError
from vision.export.graph import GraphInput, input_type


def test_images_are_normalised_where_the_program_does_not() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)
    spec = GraphInput(torch.float32, 1, True, mean=(0.5,), std=(0.25,))
    torch.testing.assert_close(spec.prepare(pixels).flatten(), torch.tensor([-2.0, 2.0]))
    raw = GraphInput(torch.float32, 1, False, mean=(0.5,), std=(0.25,))
    assert raw.prepare(pixels).flatten().tolist() == [0.0, 255.0]


def test_an_unknown_type_names_the_nearest() -> None:
    assert input_type("uint8") == torch.uint8
    with pytest.raises(ConfigError, match="'float32'"):
        input_type("float23")
