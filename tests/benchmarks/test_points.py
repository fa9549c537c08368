"""Both forms of the attention compute the same, and the room is one of surfaces."""

import torch

from vision.benchmarks.points import Attention, Benchmark, Settings, make_room

SETTINGS = Settings(
    names=["swin3d_small"],
    voxels=400,
    attention=500,
    threads=1,
    rounds=1,
    warmup=0,
    device="cpu",
)


def test_a_room_has_the_voxels_that_were_asked_for() -> None:
    room = make_room(3000)
    assert room.counts.tolist() == [3000]
    assert room.coords.floor().unique(dim=0).shape == (3000, 3)
    assert room.colors.abs().max() <= 1
    assert make_room(3000).coords.equal(room.coords)


def test_both_forms_of_the_attention_agree() -> None:
    both = Attention(SETTINGS)
    found = []
    for side in (0, 1):
        both.block.zero_grad()
        result = both.run(side)
        result.square().sum().backward()
        found.append([result, *(p.grad for p in both.block.attn.parameters())])
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)
    assert both.compare() < 1e-4


def test_a_step_fills_every_gradient() -> None:
    one = Benchmark(SETTINGS, "swin3d_small")
    one.step("training")
    assert all(p.grad is not None for p in one.network.parameters())
