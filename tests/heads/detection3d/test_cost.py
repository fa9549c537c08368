"""What MonoDETR's head costs: multiply-adds and kept bytes by size."""

import torch
from helpers.tiny_monocular import arguments, tiny_head
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vision.heads.detection3d.monodetr import DEPTH_LEVEL, MonoDETRHead


def encoder_cost(head: MonoDETRHead, height: int, width: int) -> tuple[int, int]:
    """Operations of the encoder for an image, and bytes that it keeps for the backward pass."""
    with torch.no_grad():
        maps = head.projections(arguments(height, width, batch=1)[0])
        positions = [head.positions(x) for x in maps]
        cells, _, depth = head.depth_predictor(maps[:3])
        memory, _ = head.depth_encoder(cells, positions[DEPTH_LEVEL], depth)
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
    ):
        head.encode(maps, positions, memory)
    return counter.get_total_flops(), sum(kept.values())


def test_the_encoder_grows_with_the_cells_and_not_with_their_square() -> None:
    head = tiny_head()
    operations, kept = encoder_cost(head, 128, 256)
    more_operations, more_kept = encoder_cost(head, 256, 512)
    assert operations > 0
    assert more_operations == 4 * operations
    # Weights are kept at any size.
    assert 3.5 * kept < more_kept < 4 * kept
