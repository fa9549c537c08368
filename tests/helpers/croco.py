"""CroCo's transformers, from the images to the tokens of every block, for references that begin
with images."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = dict[str, Tensor]


def croco_tokens(images: list[Tensor], weights: Weights, options: dict[str, Any]) -> list[Tensor]:
    """Tokens `(1, N, D)` after each block of the encoder, of the first image, and of the decoder.

    Args:
        images: One image `(1, 3, H, W)`, or two, of which a decoder reads the second.
        weights: The tensors of the whole model, of the images' type.
        options: The arguments of the authors' class.
    """
    patch = options["patch_size"]
    found: list[Tensor] = []
    ends: list[Tensor] = []
    for image in images:
        x = _convolve(image, weights, patch)
        place = torch.cartesian_prod(*(torch.arange(side // patch) for side in image.shape[-2:]))
        for i in range(options["enc_depth"]):
            block = f"enc_blocks.{i}."
            x = x + _self(_norm(x, weights, block + "norm1"), weights, block, options, place, "enc")
            x = x + _mlp(_norm(x, weights, block + "norm2"), weights, block)
            if image is images[0]:
                found.append(x)
        ends.append(_norm(x, weights, "enc_norm"))
    found[-1] = ends[0]
    if len(images) == 1:
        return found
    x, other = (_linear(end, weights, "decoder_embed") for end in ends)
    for i in range(options["dec_depth"]):
        block = f"dec_blocks.{i}."
        memory = _norm(other, weights, block + "norm_y")
        x = x + _self(_norm(x, weights, block + "norm1"), weights, block, options, place, "dec")
        x = x + _cross(_norm(x, weights, block + "norm2"), memory, weights, block, options, place)
        x = x + _mlp(_norm(x, weights, block + "norm3"), weights, block)
        found.append(x)
    found[-1] = _norm(x, weights, "dec_norm")
    return found


def _convolve(image: Tensor, weights: Weights, patch: int) -> Tensor:
    weight, bias = (weights[f"patch_embed.proj.{part}"] for part in ("weight", "bias"))
    return F.conv2d(image, weight, bias, stride=patch).flatten(2).transpose(1, 2)


def _linear(x: Tensor, weights: Weights, name: str) -> Tensor:
    return F.linear(x, weights[name + ".weight"], weights[name + ".bias"])


def _norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    return F.layer_norm(
        x, x.shape[-1:], weights[name + ".weight"], weights[name + ".bias"], eps=1e-6
    )


def _mlp(x: Tensor, weights: Weights, block: str) -> Tensor:
    return _linear(F.gelu(_linear(x, weights, block + "mlp.fc1")), weights, block + "mlp.fc2")


def _self(
    x: Tensor, weights: Weights, block: str, options: dict[str, Any], place: Tensor, part: str
) -> Tensor:
    query, key, value = _linear(x, weights, block + "attn.qkv").chunk(3, dim=-1)
    mixed = _attend(query, key, value, options[f"{part}_num_heads"], place)
    return _linear(mixed, weights, block + "attn.proj")


def _cross(
    x: Tensor, memory: Tensor, weights: Weights, block: str, options: dict[str, Any], place: Tensor
) -> Tensor:
    name = block + "cross_attn."
    query = _linear(x, weights, name + "projq")
    key, value = (_linear(memory, weights, name + part) for part in ("projk", "projv"))
    mixed = _attend(query, key, value, options["dec_num_heads"], place)
    return _linear(mixed, weights, name + "proj")


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int, place: Tensor) -> Tensor:
    query, key, value = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    query, key = _rotate(query, place), _rotate(key, place)
    scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
    return (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)


def _rotate(x: Tensor, place: Tensor) -> Tensor:
    """Half of the channels by the row, half by the column; channel i turns with i + a quarter."""
    parts = []
    for half, along in zip(x.chunk(2, dim=-1), place.T, strict=True):
        pairs = half.shape[-1] // 2
        # The authors' angles are in float32, whatever they turn.
        frequency = 1 / 100 ** (2 * torch.arange(pairs) / half.shape[-1])
        angle = (along[:, None] * frequency).to(x.dtype)
        a, b = half.chunk(2, dim=-1)
        parts += [a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()]
    return torch.cat(parts, dim=-1)
