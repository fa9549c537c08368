"""Which optimisers step by PyTorch's fused kernels, without being asked to."""

from collections.abc import Collection, Iterable

from torch import Tensor
from torch.optim import Optimizer

# Have fused kernels, on these devices for all floating-point types.
FUSED = frozenset({"adamw", "adam", "sgd"})
DEVICES = frozenset({"cpu", "cuda"})
# Whoever sets one of these has chosen the kind of step.
CHOICES = frozenset({"fused", "foreach", "capturable", "differentiable"})
SCALED = "16-mixed"


def fused_by_default(
    name: str,
    options: Collection[str],
    parameters: Iterable[Tensor],
    *,
    precision: str | None = None,
) -> bool:
    """Whether an optimiser takes the fused kernel, which reads and writes each number once.

    Elsewhere PyTorch chooses, for GPUs its `foreach` kernels. With loss scaling too: a fused step
    unscales the gradients itself, so that they cannot be clipped or looked at before it.

    Args:
        name: One of the names of `OptimizerName`.
        options: Names of the options that the config sets.
        parameters: What is trained.
        precision: The trainer's; None without one.
    """
    if name not in FUSED or CHOICES & {*options} or precision == SCALED:
        return False
    return all(p.device.type in DEVICES and p.is_floating_point() for p in parameters)


def place_steps(optimizer: Optimizer) -> None:
    """Move the counts of steps to where each group's kind of step needs them.

    Fused and capturable steps count on the parameter's device, others on the CPU; a loaded
    checkpoint has them where the run that wrote it counted.
    """
    for group in optimizer.param_groups:
        on_device = group.get("fused") or group.get("capturable")
        for parameter in group["params"]:
            step = optimizer.state.get(parameter, {}).get("step")
            if isinstance(step, Tensor) and step.ndim == 0:
                device = parameter.device if on_device else "cpu"
                optimizer.state[parameter]["step"] = step.to(device)
