"""AdamW whose weight decay has the bias correction of Adam's step."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import AdamW


class CorrectedDecayAdamW(AdamW):
    """AdamW that multiplies the decay by the step size in place of the learning rate.

    The step size at step t is `lr * sqrt(1 - beta2 ** t) / (1 - beta1 ** t)`: with the usual betas
    about a third of the learning rate at first, less until some ten steps have been taken, and
    equal to it after some thousands. The optimiser of MonoDETR's code does so, which was written
    before PyTorch had AdamW. Arguments are those of PyTorch's AdamW.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step.

        Args:
            closure: Computes the loss and its gradients; called once.

        Returns:
            The result of `closure`.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            self._decay(group)
            group["weight_decay"] = 0.0
        try:
            super().step()
        finally:
            for group, decay in zip(self.param_groups, decays, strict=True):
                group["weight_decay"] = decay
        return loss

    def _decay(self, group: dict[str, Any]) -> None:
        first, second = group["betas"]
        shrink = float(group["lr"]) * group["weight_decay"]
        if not shrink:
            return
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            step = float(self.state[parameter].get("step", 0)) + 1
            parameter.mul_(1 - shrink * math.sqrt(1 - second**step) / (1 - first**step))
