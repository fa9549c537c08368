"""HorNet weights: the names of raoyongming/HorNet."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.layers.spectrum import resize_filter
from vision.weights.names.operations import Operation, State, as_linear, each
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, within

_STAGES = 4


def _split_gates(state: State) -> dict[str, Tensor]:
    """Make the gate's rows of the first layer of a gated convolution a layer of its own."""
    split = dict(state)
    for name, tensor in state.items():
        block, found, _ = name.partition(".proj_in.")
        if found:
            # Order n makes 2 C channels: C / 2 ** (n - 1) for the gate, the rest to be mixed.
            steps = [k for k in state if k.startswith(block + ".steps.") and k.endswith(".weight")]
            gate = tensor.shape[0] // 2 ** (1 + len(steps))
            split[name.replace(".proj_in.", ".gate.")] = tensor[:gate]
            split[name] = tensor[gate:]
    return split


def _join_gates(state: State, backbone: Any) -> dict[str, Tensor]:
    joined = {key: tensor for key, tensor in state.items() if ".gnconv.gate." not in key}
    for key in joined:
        if ".gnconv.proj_in." in key:
            joined[key] = torch.cat([state[key.replace(".proj_in.", ".gate.")], state[key]])
    return joined


TABLES = {
    "official": Names(
        [
            ("downsample_layers.", "downsample."),
            *within(
                "stages.{i}.{j}.",
                "stages.{i}.{j}.",
                ("gnconv.dwconv.dw.", "gnconv.mix.conv."),
                ("gnconv.dwconv.complex_weight", "gnconv.mix.grid"),
                ("gnconv.dwconv.", "gnconv.mix."),
                ("gnconv.pws.", "gnconv.steps."),
                ("pwconv1.", "mlp.fc1."),
                ("pwconv2.", "mlp.fc2."),
            ),
            ("norm{i}.", "out_norms.{i}."),
            ("head.", "head.fc."),
        ],
        [
            # 1 x 1 convolutions there.
            each(
                r"\.gnconv\.(proj_in|proj_out|steps\.\d+)\.weight$",
                as_linear,
                lambda weight, _: weight[:, :, None, None],
            ),
            Operation(_split_gates, _join_gates),
        ],
    )
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    return "ours" if "downsample.0.0.weight" in keys else "official"


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Fit a global filter `(C, h, w, 2)` to another image size, as the model itself resizes it."""
    if not name.endswith(".mix.grid") or tensor.shape[0] != target.shape[0]:
        return None
    height, width = target.shape[1:3]
    return resize_filter(tensor.float(), (height, width)).to(tensor.dtype).contiguous()


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of the authors' classes, classifier and dense variant.

    `gnconv` holds one mapping per stage with the arguments of the authors' gated convolution:
    `order`, `s`, and `h`, `w` with `gf` true for the global filter.
    """
    if source != "official":
        raise ConfigError(f"HorNet has no {source} implementation; give the authors' options.")
    options = reader.rename(
        {
            "in_chans": "in_channels",
            "base_dim": "dim",
            "depths": "depths",
            "drop_path_rate": "drop_path_rate",
            "layer_scale_init_value": "layer_scale",
            "out_indices": "out_indices",
        }
    )
    # The defaults of the authors' class match none of its variants.
    options.setdefault("dim", 96)
    options.setdefault("depths", (3, 3, 9, 3))
    options |= _read_gated_convs(reader.take("gnconv"))
    # Initial values of freshly made weights.
    reader.ignore("head_init_scale", "uniform_init")
    reader.ignore("use_checkpoint")
    for name in ("block", "init_cfg", "pretrained"):
        reader.expect(name, None)
    return PublishedModel(options, reader.take("num_classes", 1000))


def _read_gated_convs(
    stages: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    if stages is None or isinstance(stages, Mapping):
        stages = [stages or {}] * _STAGES
    orders, scales, grids = [], [], []
    for i, stage in enumerate(stages):
        reader = OptionReader(stage, owner=f"official hornet, gnconv of stage {i}")
        orders.append(reader.take("order", 5))
        scales.append(reader.take("s", 1.0))
        # The authors' class has a grid size even where it has no filter.
        grid = (reader.take("h", 14), reader.take("w", 8))
        grids.append(grid if reader.take("gf", False) else None)
        reader.finish()
    return {"orders": tuple(orders), "scales": tuple(scales), "global_filters": tuple(grids)}
