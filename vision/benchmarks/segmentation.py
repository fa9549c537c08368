"""UPerNet against mmsegmentation's with the same backbone and the same weights.

Both sides share one backbone; the decode head, the auxiliary FCN head and the cross entropy are
each side's own, and the weights of the heads are mmsegmentation's, converted. A training step is
forward, loss and backward pass; theirs omits the accuracy that mmsegmentation computes beside the
loss. Inference ends in the class of each pixel. Peak memory on a GPU is PyTorch's allocation over
what was held before the step; on a CPU, the resident memory of a fresh process that takes one step.
"""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone
from vision.benchmarks.memory import in_fresh_process, peak_allocated, peak_growth
from vision.benchmarks.timing import medians, print_head, print_row
from vision.contracts.segmentation import IGNORED, SegmentationBatch
from vision.mmcv.operators import import_models
from vision.tasks.segmentation import Segmentation
from vision.weights.load import load_weights

CLASSES = 150
MODES = ("training", "inference")
SHARED = {"num_classes": CLASSES, "norm_cfg": {"type": "BN"}, "align_corners": False}
Step = Callable[[Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        backbone: Name of the backbone of both sides.
        batch: Images of a step; 2 or more, since the norm of their pooled maps refuses one value.
        size: Side of the images in pixels.
        rounds: Measured steps of each side.
        warmup: Steps before them.
        threads: Threads of PyTorch.
        channels_last: Memory format of both sides.
        precision: `"fp32"` or `"bf16"`.
        device: Where to compute.
    """

    backbone: str
    batch: int
    size: int
    rounds: int
    warmup: int
    threads: int
    channels_last: bool
    precision: str
    device: str


class Ours:
    """The task's parts as its training step and its evaluation use them."""

    def __init__(self, task: Segmentation) -> None:
        self.task = task

    def train(self, batch: Mapping[str, Any]) -> Tensor:
        """One training step; returns the loss `()`."""
        loss = self.task.training_step(cast(SegmentationBatch, batch), 0)
        loss.backward()
        return loss

    def find(self, batch: Mapping[str, Any]) -> Tensor:
        """Classes `(B, H, W)`."""
        found = self.task.run(cast(SegmentationBatch, batch))
        return torch.stack([one["mask"] for one in found])


class Theirs(nn.Module):
    """mmsegmentation's heads on our backbone."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        heads = import_models("mmseg").decode_heads
        widths = [spec.channels for spec in backbone.feature_specs]
        self.backbone = backbone
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about averaging over ignored pixels
            self.decode_head = heads.UPerHead(
                in_channels=widths,
                in_index=[0, 1, 2, 3],
                pool_scales=(1, 2, 3, 6),
                channels=512,
                dropout_ratio=0.1,
                **SHARED,
            )
            self.auxiliary_head = heads.FCNHead(
                in_channels=widths[2],
                in_index=2,
                channels=256,
                num_convs=1,
                concat_input=False,
                dropout_ratio=0.1,
                loss_decode={"type": "CrossEntropyLoss", "loss_weight": 0.4},
                **SHARED,
            )

    def train_step(self, batch: Mapping[str, Any]) -> Tensor:
        """One training step; returns the loss `()`."""
        maps = self.backbone(batch["image"])
        terms = []
        for head in (self.decode_head, self.auxiliary_head):
            logits = _enlarge(head(maps), batch["mask"])
            terms.append(head.loss_decode(logits, batch["mask"], ignore_index=IGNORED))
        loss = torch.stack(terms).sum()
        loss.backward()
        return loss

    def find(self, batch: Mapping[str, Any]) -> Tensor:
        """Classes `(B, H, W)`."""
        logits = self.decode_head(self.backbone(batch["image"]))
        return _enlarge(logits, batch["mask"]).argmax(dim=1)


def _enlarge(logits: Tensor, mask: Tensor) -> Tensor:
    return F.interpolate(logits, size=mask.shape[1:], mode="bilinear", align_corners=False)


class Benchmark:
    """Both sides, and a batch for them.

    Args:
        settings: What is measured.
    """

    def __init__(self, settings: Settings) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(settings.threads)
        self.device = torch.device(settings.device)
        self.bf16 = settings.precision == "bf16"
        self.task = Segmentation(settings.backbone, CLASSES, boundary=False)
        # Nothing is logged where there is no trainer.
        self.task.log_losses = _sum  # type: ignore[method-assign,assignment]
        self.theirs = Theirs(self.task.backbone)
        report = load_weights(self.task, self.theirs.state_dict())
        assert not report.missing + report.unexpected, report
        self.batch = {k: v.to(self.device) for k, v in make_batch(settings).items()}
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        for side in (self.task, self.theirs):
            side.to(self.device).to(memory_format=layout)
        self.batch["image"] = self.batch["image"].contiguous(memory_format=layout)
        ours = Ours(self.task)
        self.steps: dict[str, tuple[Step, Step]] = {
            "training": (ours.train, self.theirs.train_step),
            "inference": (ours.find, self.theirs.find),
        }

    def set_mode(self, mode: str) -> None:
        """Turn dropout and the like on or off, on both sides."""
        self.task.train(mode == "training")
        self.theirs.train(mode == "training")

    def step(self, mode: str, side: int) -> Tensor:
        """One step of ours (0) or theirs (1), with gradients cleared first."""
        self.task.zero_grad(set_to_none=True)
        self.theirs.zero_grad(set_to_none=True)
        grad = contextlib.nullcontext() if mode == "training" else torch.inference_mode()
        with grad, torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return self.steps[mode][side](self.batch)

    def allocated(self, mode: str, side: int) -> float:
        """MiB that a step on a GPU allocates at most over what is held before it."""
        self.task.zero_grad(set_to_none=True)
        self.theirs.zero_grad(set_to_none=True)
        return peak_allocated(partial(self.step, mode, side))


def _sum(stage: str, terms: Mapping[str, Tensor], count: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


def make_batch(settings: Settings) -> dict[str, Tensor]:
    """Random normalised images and labels in patches, a tenth of them ignored."""
    generator = torch.Generator().manual_seed(0)
    count, side = settings.batch, settings.size
    labels = torch.randint(0, CLASSES, (count, 1, 16, 16), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = IGNORED
    size = torch.tensor([[side, side]] * count)
    return {
        "image": torch.randn(count, 3, side, side, generator=generator),
        "mask": F.interpolate(labels.float(), size=(side, side))[:, 0].long(),
        "size": size,
        "original_size": size,
    }


def measure_segmentation(settings: Settings) -> None:
    """Time training steps and inference of both sides, in turn, and print medians."""
    torch.set_num_threads(settings.threads)
    print_head()
    both = Benchmark(settings)
    size = f"{settings.batch} x {settings.size} x {settings.size}"
    print(f"{settings.backbone}, {size}, {settings.precision}")
    both.set_mode("inference")
    found = [both.step("inference", side) for side in (0, 1)]
    print(f"pixels of the same class: {(found[0] == found[1]).float().mean():.6f}")
    for mode in MODES:
        both.set_mode(mode)
        times = medians(
            [partial(both.step, mode, side) for side in (0, 1)],
            both.device,
            rounds=settings.rounds,
            warmup=settings.warmup,
        )
        print_row(f"UPerNet {mode}, ms/image", [1e3 * value / settings.batch for value in times])
        if both.device.type == "cuda":
            peaks = [both.allocated(mode, side) for side in (0, 1)]
        else:
            peaks = [in_fresh_process(_growth, settings, mode, side) for side in (0, 1)]
        print_row(f"UPerNet {mode}, peak MiB", peaks)


def _growth(settings: Settings, mode: str, side: int) -> float:
    """MiB by which one step makes a new process grow."""
    both = Benchmark(settings)
    both.set_mode(mode)
    return peak_growth(partial(both.step, mode, side))
