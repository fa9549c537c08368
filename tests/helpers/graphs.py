"""A stand-in for `torch.compile`: it traces as that does, and compiles nothing."""

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

compile_really = torch.compile


class CountingCompiler:
    """Runs the graphs that it makes eagerly, which takes no compiler, and keeps them.

    Attributes:
        programs: The graphs of each function that was compiled.
        settings: The keywords it was compiled with.
    """

    def __init__(self) -> None:
        torch._dynamo.reset()
        self.programs: list[list[fx.GraphModule]] = []
        self.settings: list[dict[str, Any]] = []

    def __call__(self, function: Callable[..., Any], **settings: Any) -> Any:
        """Take the place of `torch.compile`."""
        made: list[fx.GraphModule] = []

        def backend(graph: fx.GraphModule, inputs: Any) -> Callable[..., Any]:
            made.append(graph)
            return graph.forward

        self.programs.append(made)
        self.settings.append(settings)
        return compile_really(function, backend=backend, dynamic=settings.get("dynamic"))

    @property
    def graphs(self) -> list[fx.GraphModule]:
        """All graphs."""
        return [graph for made in self.programs for graph in made]
