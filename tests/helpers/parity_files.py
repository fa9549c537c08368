"""Reference files of a folder, and what of them the suite has."""

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from torch import Tensor

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class ParityFile:
    """A reference file.

    Attributes:
        tensors: Its tensors by key.
        metadata: Its texts by key.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    def folder(self, name: str) -> dict[str, Tensor]:
        """The tensors under `name/`, by the rest of their keys."""
        return under(self.tensors, name + "/")

    @property
    def results(self) -> dict[str, Any]:
        """The few numbers that are an answer."""
        return json.loads(self.metadata["results"])


def parity_files(folder: str, pattern: str = "*.safetensors") -> list[Path]:
    """The files of a folder: that of `PARITY_<FOLDER>_DIR`, or beside the repository, or ours."""
    given = os.environ.get(f"PARITY_{folder.upper()}_DIR")
    shared = TESTS.parents[1] / "shared" / "parity" / folder
    ours = TESTS / "fixtures" / "parity" / folder
    chosen = Path(given) if given else shared if shared.is_dir() else ours
    return sorted(chosen.glob(pattern))


def read_parity(path: Path, known: Collection[str]) -> ParityFile:
    """Read a file; it is skipped if its family is not among the known ones, and never else."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        if metadata["family"] not in known:
            pytest.skip(f"the suite has no {metadata['family']}")
        keys = file.keys()  # a handle, which is not iterable itself
        return ParityFile({key: file.get_tensor(key) for key in keys}, metadata)


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose keys begin with a prefix, by the rest of their keys."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest difference, as a share of the largest expected value; shapes and types must agree."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    return ((actual - expected).abs().max() / expected.abs().max()).item()


def check_tensor(actual: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    """Compare a tensor with the one of a reference file."""
    error = relative_error(actual, expected)
    assert error <= tolerance, f"{what}: relative error {error:.2e} > {tolerance:g}"
