"""Muon for the hidden matrices of a network, AdamW for all else, as one optimiser."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import AdamW, Muon, Optimizer

# Key of a parameter group: whether its parameters are matrices for Muon.
MATRICES = "matrices"


class MuonWithAdamW(Optimizer):
    """PyTorch's Muon beside its AdamW, one for each kind of parameter group.

    Muon ("Muon: An optimizer for hidden layers in neural networks", Jordan et al., 2024) is for
    parameters of two dimensions within a network; its documentation gives biases, norms, tables,
    convolutions and the last layer to AdamW. By default a step of Muon has the size of one of AdamW
    ("Muon is Scalable for LLM Training", Liu et al., 2025, section 2.2), so that one learning rate
    and one weight decay serve both.

    Args:
        params: Parameter groups; those with `matrices=True` are Muon's.
        lr: Learning rate.
        weight_decay: Decoupled weight decay.
        betas: Decay rates of AdamW's two moments.
        momentum: Momentum of Muon.
        nesterov: Whether it is Nesterov's.
        ns_steps: Steps of the Newton-Schulz iteration.
        ns_coefficients: Its three coefficients.
        adjust_lr_fn: How Muon's learning rate depends on the shape: "match_rms_adamw", "original",
            or "spectral_unclamped".
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.999),
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        adjust_lr_fn: str = "match_rms_adamw",
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, MATRICES: False})
        muon: dict[str, Any] = {"momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps}
        muon |= {"ns_coefficients": ns_coefficients, "adjust_lr_fn": adjust_lr_fn}
        builders: dict[bool, tuple[Callable[..., Optimizer], dict[str, Any]]] = {
            True: (Muon, muon),
            False: (AdamW, {"betas": betas}),
        }
        # The groups are shared: each part adds the options of its algorithm to its own.
        self._parts = {
            matrices: build(groups, lr=lr, weight_decay=weight_decay, **options)
            for matrices, (build, options) in builders.items()
            if (groups := self._groups(matrices))
        }

    def _groups(self, matrices: bool) -> list[dict[str, Any]]:
        return [group for group in self.param_groups if group[MATRICES] == matrices]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step with both.

        Args:
            closure: Computes the loss and its gradients; called once.

        Returns:
            The result of `closure`.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for matrices, part in self._parts.items():
            # A checkpoint that is loaded replaces both.
            part.param_groups, part.state = self._groups(matrices), self.state
            part.step()
        return loss
