"""Swin3D of its authors beside ours: options, weights, every tensor of a file."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.backbones.swin3d import Swin3D
from vision.contracts.points import VoxelMap
from vision.heads.points.swin3d import Swin3DHead
from vision.layers.voxel_block import VoxelBlock, place_in_windows
from vision.weights.names.published import published_options
from vision.weights.names.write import to_naming

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-9


class Network(nn.Module):
    """Encoder and decoder for the options of the authors' class."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__()
        left = dict(options)
        head = {name: left.pop(name) for name in ("upsample", "up_k") if name in left}
        model = published_options("swin3d", left)
        assert model.num_classes is not None
        self.backbone: Any = create_backbone("swin3d", **model.options)
        self.head = head_of(self.backbone, num_classes=model.num_classes, **head)

    def forward(self, *cloud: Tensor) -> Tensor:
        return self.head(self.backbone(*cloud))


def head_of(backbone: Swin3D, **options: Any) -> Swin3DHead:
    """A head whose blocks are designed as those of the backbone."""
    return Swin3DHead(
        backbone.feature_specs,
        num_heads=backbone.num_heads,
        window_sizes=backbone.window_sizes,
        quant_size=backbone.quant_size,
        encoding=backbone.encoding,
        **options,
    )


class Compared:
    """Compares tensors of a file with ours, voxels by their coordinates."""

    def __init__(self, reference: ParityFile) -> None:
        self.tensors = reference.tensors
        self.left = {key for key in self.tensors if not key.startswith(("state_dict/", "input/"))}

    def rows(self, coords: Tensor, ours: Tensor) -> Tensor:
        """Our row of each of their voxels."""
        row_of = {tuple(cell): row for row, cell in enumerate(ours.tolist())}
        assert len(row_of) == len(ours) == len(coords)
        return torch.tensor([row_of[tuple(cell)] for cell in coords.tolist()])

    def check(self, key: str, actual: Tensor, rows: Tensor, tolerance: float = TOLERANCE) -> None:
        check_tensor(actual[rows], self.tensors[key], tolerance, key)
        self.left.discard(key)


def input_of(tensors: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> VoxelMap:
    """The cloud of a file, samples one after another."""
    coords = tensors["input/coords"].long()
    return VoxelMap(
        coords,
        torch.bincount(coords[:, 0]),
        tensors["input/signal"].to(dtype),
        tensors["input/features"].to(dtype),
        1,
    )


def watch(network: Network) -> dict[str, Any]:
    """What its parts return, by the keys of a file; filled when it runs."""
    seen: dict[str, Any] = {}

    def keep(key: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda module, inputs, output: seen.update({key: output}))

    backbone = network.backbone
    begin = 1 if backbone.first_down is not None else 0
    stem = backbone.stem[-1] if begin else backbone.stem
    keep("stem", stem)
    if begin:
        keep("first_down", backbone.first_down)
    for i, blocks in enumerate(backbone.stages):
        for j, block in enumerate(blocks):
            keep(f"stage/{i}/block/{j}", block)
            keep(f"stage/{i}/attn/{j}", block.attn)
    for i, down in enumerate(backbone.downs):
        keep(f"down/{i}", down)
    for i, up in enumerate(network.head.ups):
        keep(f"up/{i}", up)
    return seen


def partition(voxels: Tensor, order: Tensor, sizes: Tensor) -> set[frozenset[tuple[int, ...]]]:
    """Windows as sets of voxels."""
    parts = order.long().split(sizes.tolist())
    return {frozenset(map(tuple, voxels[part].tolist())) for part in parts}


def check_windows(compared: Compared, stage: int, block: VoxelBlock, voxels: VoxelMap) -> None:
    """Windows, and the place of each voxel in its own."""
    kind = int(block.shifted)
    folder = f"stage/{stage}/window/{kind}"
    order, sizes = (compared.tensors[f"{folder}/{name}"] for name in ("order", "sizes"))
    theirs = compared.tensors[f"stage/{stage}/coords"]
    shift = block.window_size // 2 if block.shifted else 0
    names = [signal.name for signal in block.attn.signals]
    groups, places = place_in_windows(voxels, block.window_size, shift, names)
    found = partition(voxels.coords, groups.order, groups.counts)
    assert found == partition(theirs, order, sizes), folder
    rows = compared.rows(theirs, voxels.coords)
    compared.check(f"{folder}/positions", places, rows[order.long()])
    compared.left -= {f"{folder}/order", f"{folder}/sizes"}


def check_stage(
    compared: Compared, network: Network, seen: dict[str, Any], stage: int, x: VoxelMap
) -> None:
    """The map of a stage, its windows, and what its blocks gave."""
    folder = f"stage/{stage}"
    theirs = compared.tensors[f"{folder}/coords"]
    rows = compared.rows(theirs, x.coords)
    assert x.stride == int(compared.tensors[f"{folder}/stride"])
    compared.left -= {f"{folder}/coords", f"{folder}/stride"}
    compared.check(f"{folder}/features", x.features, rows)
    compared.check(f"{folder}/signal", x.signal, rows, 0.0)
    # Inside, the finest map has its voxels sorted too.
    order = sorted(range(len(x.coords)), key=x.coords.tolist().__getitem__)
    inner = x._replace(coords=x.coords[order], signal=x.signal[order])
    rows = compared.rows(theirs, inner.coords)
    for j, block in enumerate(network.backbone.stages[stage]):
        if j < 2:
            check_windows(compared, stage, block, inner)
        for part in ("attn", "block"):
            compared.check(f"{folder}/{part}/{j}", seen[f"{folder}/{part}/{j}"], rows)


def check_downs(compared: Compared, seen: dict[str, Any], maps: list[VoxelMap], begin: int) -> None:
    """What each stage gets of the one before."""
    folders = ["first_down"] * begin + [f"down/{i}" for i in range(len(maps) - 1 - begin)]
    for folder, coarse in zip(folders, maps[1:], strict=True):
        theirs = compared.tensors[f"{folder}/coords"]
        rows = compared.rows(theirs, coarse.coords)
        compared.left.discard(f"{folder}/coords")
        compared.check(f"{folder}/features", seen[folder], rows)
        compared.check(f"{folder}/signal", coarse.signal, rows, 0.0)


def check_weights(model: nn.Module, theirs: Mapping[str, Tensor]) -> None:
    """Official weights are read whole and written again."""
    report = load_weights(model, dict(theirs))
    assert [*report.missing, *report.unexpected, *report.resized] == []
    written = to_naming(model, "official")
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[key], theirs[key]) for key in theirs)


@torch.no_grad()
def check_swin3d(reference: ParityFile) -> None:
    """Every tensor of a file, and its weights written again."""
    model = Network(json.loads(reference.metadata["kwargs"])).eval()
    check_weights(model, reference.folder("state_dict"))
    encoder = {
        key: value
        for key, value in reference.folder("state_dict").items()
        if not key.startswith(("upsamples.", "classifier."))
    }
    check_weights(model.backbone, encoder)
    compared, seen = Compared(reference), watch(model)
    cloud = input_of(reference.tensors)
    maps = model.backbone.encode(cloud)
    logits = model.head(maps)
    own = torch.arange(len(cloud.coords))
    by_place = compared.rows(cloud.coords, cloud.coords[_sorted_rows(cloud.coords)])
    compared.check("stem", seen["stem"], by_place)
    begin = len(maps) - len(model.backbone.stages)
    for stage, x in enumerate(maps[begin:]):
        check_stage(compared, model, seen, stage, x)
    check_downs(compared, seen, maps, begin)
    for i in range(len(maps) - 1):
        fine = maps[-2 - i]
        folder = f"stage/{len(maps) - 2 - i - begin}/coords"
        theirs = compared.tensors.get(folder, cloud.coords)
        compared.check(f"up/{i}", seen[f"up/{i}"].features, compared.rows(theirs, fine.coords))
    compared.check("logits", logits, own)
    model.double()
    fine_maps = model.backbone.encode(input_of(reference.tensors, torch.float64))
    compared.check("logits_f64", model.head(fine_maps), own, FINE)
    assert compared.left == set()


def _sorted_rows(coords: Tensor) -> list[int]:
    return sorted(range(len(coords)), key=coords.tolist().__getitem__)
