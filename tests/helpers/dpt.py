"""CroCo's dense head of the authors' code beside ours: options, weights, outputs."""

import json
import math
from typing import Any

import torch
from helpers.croco import croco_tokens
from helpers.parity_files import ParityFile, check_tensor, under
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.heads.depth.dpt import DPTHead
from vision.heads.depth.readout import Readout

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-9


class Reassemble(nn.Module):
    """Tokens of a transformer of patches of 16 pixels to maps of strides 4, 8, 16 and 32."""

    def __init__(self, tokens: list[int], channels: list[int]) -> None:
        super().__init__()
        a, b, _, d = channels
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(dim, width, 1), *then)
            for dim, width, then in zip(
                tokens,
                channels,
                (
                    [nn.ConvTranspose2d(a, a, 4, stride=4)],
                    [nn.ConvTranspose2d(b, b, 2, stride=2)],
                    [],
                    [nn.Conv2d(d, d, 3, stride=2, padding=1)],
                ),
                strict=True,
            )
        )

    def forward(self, tokens: list[Tensor], grid: tuple[int, int]) -> list[Tensor]:
        return [
            level(x.transpose(1, 2).unflatten(2, grid))
            for level, x in zip(self.levels, tokens, strict=True)
        ]


def read_names(theirs: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Our tensors of the first step and of the head, of their head's."""
    first: dict[str, Tensor] = {}
    ours: dict[str, Tensor] = {}
    for i in range(4):
        start = f"act_postprocess.{i}."
        first |= {
            f"levels.{i}." + key.removeprefix(start): value
            for key, value in theirs.items()
            if key.startswith(start)
        }
        ours[f"laterals.{i}.weight"] = theirs[f"scratch.layer{i + 1}_rn.weight"]
        names = {"out_conv": "project", "resConfUnit2": "merged", "resConfUnit1": "lateral"}
        for key, value in theirs.items():
            block, _, rest = key.removeprefix("scratch.").partition(".")
            part, _, rest = rest.partition(".")
            # The coarsest block has a unit that its code does not use.
            if block == f"refinenet{i + 1}" and not (i == 3 and part == "resConfUnit1"):
                ours[f"fusions.{i}.{names[part]}.{rest}"] = value
    for place, name in ((0, "narrow"), (2, "hidden"), (4, "last")):
        for part in ("weight", "bias"):
            ours[f"{name}.{part}"] = theirs[f"head.{place}.{part}"]
    return first, ours


def check_dpt(reference: ParityFile) -> None:
    """Every step of the head, from the tokens to the output, in both precisions."""
    options: dict[str, Any] = json.loads(reference.metadata["kwargs"])
    first, ours = read_names(under(reference.tensors, "state_dict/head.dpt."))
    tokens = reference.folder("tokens")
    given = [tokens[key] for key in sorted(tokens, key=int)]
    reassemble = Reassemble([x.shape[-1] for x in given], options["layer_dims"])
    reassemble.load_state_dict(first)
    height, width = options["img_size"]
    grid = (height // options["patch_size"], width // options["patch_size"])
    assert math.prod(grid) == given[0].shape[1]
    head = DPTHead(
        [FeatureSpec(c, 4 << i) for i, c in enumerate(options["layer_dims"])],
        readout=Readout(channels=options["num_channels"]),
        features=options["dpt_feature_dim"],
    )
    head.load_state_dict(ours)
    with torch.no_grad():
        maps = reassemble(given, grid)
        *paths, _ = head.fuse(maps)
        for name, path in zip((4, 3, 2), paths, strict=True):
            check_tensor(path, reference.tensors[f"dpt/path_{name}"], TOLERANCE, f"path {name}")
        values = head(maps)["values"]
        check_tensor(values, reference.tensors["output"], TOLERANCE, "output")
        # The stored float64 output begins with the images.
        images = [x.double() for x in reference.folder("input").values()]
        weights = {k: v.double() for k, v in reference.folder("state_dict").items()}
        found = croco_tokens(images, weights, options)
        hooks = [found[i] for i in options["hooks_idx"]]
        for i, x in zip(sorted(tokens, key=int), hooks, strict=True):
            check_tensor(x.float(), tokens[i], TOLERANCE, f"tokens {i}")
        values = head.double()(reassemble.double()(hooks, grid))["values"]
        check_tensor(values, reference.tensors["output_f64"], FINE, "output_f64")
