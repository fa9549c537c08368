"""HorNet weights: the names of raoyongming/HorNet to ours."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from vision.errors import ConfigError
from vision.layers.spectrum import resize_filter
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.rename import rename

_RULES = [
    (r"^downsample_layers\.", "downsample."),
    (r"\.gnconv\.dwconv\.dw\.", ".gnconv.mix.conv."),
    (r"\.gnconv\.dwconv\.complex_weight$", ".gnconv.mix.grid"),
    (r"\.gnconv\.dwconv\.", ".gnconv.mix."),
    (r"\.gnconv\.pws\.", ".gnconv.steps."),
    (r"\.pwconv1\.", ".mlp.fc1."),
    (r"\.pwconv2\.", ".mlp.fc2."),
    (r"^norm(\d)\.", r"out_norms.\1."),
    (r"^head\.", "head.fc."),
]
_POINTWISE = re.compile(r"\.gnconv\.(proj_in|proj_out|steps\.\d+)\.weight$")
_STAGES = 4


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    return "ours" if "downsample.0.0.weight" in keys else "official"


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a state dict to ours; the classifier becomes `head.fc`.

    1 x 1 convolutions become linear layers, and the gate's rows of the first one a layer of its
    own.
    """
    if naming(set(state)) == "ours":
        return dict(state)
    converted = {}
    for name, tensor in rename(state, _RULES).items():
        if _POINTWISE.search(name):
            tensor = tensor.flatten(1) if tensor.ndim == 4 else tensor
        if ".gnconv.proj_in." in name:
            # Order n makes 2 C channels: C / 2 ** (n - 1) for the gate, the rest to be mixed.
            order = 1 + sum(1 for key in state if _is_step_of(key, name))
            gate = tensor.shape[0] // 2**order
            converted[name.replace(".proj_in.", ".gate.")] = tensor[:gate]
            tensor = tensor[gate:]
        converted[name] = tensor
    return converted


def _is_step_of(key: str, name: str) -> bool:
    """Whether an official key is the weight of a step in the same gated convolution as `name`."""
    block = name.partition("proj_in.")[0]
    return key.startswith(block + "pws.") and key.endswith(".weight")


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
    # The defaults of the authors' class are those of none of its variants.
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
