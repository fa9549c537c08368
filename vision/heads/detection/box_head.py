"""The box head of two-stage detectors: the class and the exact place of each proposal.

R counts proposals.
"""

import math
from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.features import ClassRows
from vision.layers.conv_norm import ConvNormAct

BoxHeadKind = Literal["2fc", "4conv1fc"]
LAYERS: dict[BoxHeadKind, tuple[int, int]] = {"2fc": (0, 2), "4conv1fc": (4, 1)}
# Initial probability of every class of a sigmoid, as in focal losses and in CenterNet2's code.
PRIOR = 0.01
POOL_SIZE = 7  # cells along each side of the grid that is pooled for a proposal


class BoxOutputs(NamedTuple):
    """Predictions for each proposal.

    Attributes:
        logits: float `(R, K + 1)`, before the softmax or the sigmoid, background last.
        deltas: float `(R, K, 4)`, or `(R, 1, 4)` where all classes share them.
    """

    logits: Tensor
    deltas: Tensor


class BoxHead(nn.Module):
    """Convolutions, linear layers, and then two predictors side by side.

    `"2fc"` is the head of "Feature Pyramid Networks for Object Detection", Lin et al., 2017,
    section 4.2; `"4conv1fc"` the head of "Group Normalization", Wu and He, 2018, section 4.2, with
    batch norms, which the published Cascade recipes synchronise over processes.

    Args:
        in_channels: Channels of the pooled features.
        num_classes: Number of classes K.
        kind: The layers.
        channels: Channels of the convolutions.
        fc_dim: Width of the linear layers.
        class_agnostic: Whether all classes share their deltas.
        prior: Initial probability of each class by a sigmoid; None for a softmax.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        kind: BoxHeadKind = "2fc",
        channels: int = 256,
        fc_dim: int = 1024,
        class_agnostic: bool = False,
        prior: float | None = None,
    ) -> None:
        super().__init__()
        self.class_agnostic, self.prior = class_agnostic, prior
        conv_count, fc_count = LAYERS[kind]
        widths = [in_channels] + [channels] * conv_count
        self.convs = nn.ModuleList(map(ConvNormAct, widths[:-1], widths[1:]))
        widths = [widths[-1] * POOL_SIZE**2] + [fc_dim] * fc_count
        self.fcs = nn.ModuleList(map(nn.Linear, widths[:-1], widths[1:]))
        self.logits = nn.Linear(fc_dim, num_classes + 1)
        self.deltas = nn.Linear(fc_dim, 4 if class_agnostic else 4 * num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        for conv in self.convs:
            assert isinstance(conv, ConvNormAct), "the convolutions are made above"
            conv.reset_parameters()
        for fc in self.fcs:
            assert isinstance(fc, nn.Linear), "the linear layers are made above"
            nn.init.xavier_uniform_(fc.weight)
            nn.init.zeros_(fc.bias)
        for layer, std in ((self.logits, 0.01), (self.deltas, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
        if self.prior is not None:
            nn.init.constant_(self.logits.bias, math.log(self.prior / (1 - self.prior)))

    @property
    def has_norm(self) -> bool:
        """Whether rows depend on each other in training."""
        return len(self.convs) > 0

    def forward(self, x: Tensor) -> BoxOutputs:
        """Logits and deltas for features `(R, C, 7, 7)`."""
        for conv in self.convs:
            x = conv(x)
        x = x.flatten(1)
        for fc in self.fcs:
            x = F.relu(fc(x))
        return BoxOutputs(self.logits(x), self.deltas(x).view(len(x), -1, 4))

    def run_rows(self, x: Tensor, rows: Tensor, count: int) -> BoxOutputs:
        """Outputs for the given rows of a table, and zeros in its other rows.

        Args:
            x: Features of those rows `(len(rows), C, 7, 7)`.
            rows: int64, the place of each in the table.
            count: Rows R of the table.
        """
        outputs = self(x)
        if len(rows) == count:
            return outputs
        tables = (
            values.new_zeros(count, *values.shape[1:]).index_copy(0, rows, values)
            for values in outputs
        )
        return BoxOutputs(*tables)

    def class_rows(self) -> dict[str, ClassRows]:
        """See `DetectionHead.class_rows`; names are those within the box head."""
        rows = {f"logits.{name}": ClassRows(1, 1, True) for name in ("weight", "bias")}
        if not self.class_agnostic:
            rows |= {f"deltas.{name}": ClassRows(1, 4, False) for name in ("weight", "bias")}
        return rows
