"""The JSON file beside an export: everything needed to run it."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vision.documents.json_writing import to_json
from vision.export.graph import BATCH, Graph
from vision.export.verify import Case
from vision.files import sha256_of, write_text
from vision.machine import list_versions
from vision.outputs import check_output_file

PACKAGES = ("torch", "torchvision", "onnx", "onnxscript", "onnxruntime", "timm")
CODE_LICENCE = "Apache-2.0"


def file_facts(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Name, number of bytes and SHA-256 of a file."""
    path = Path(path)
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def shape_facts(
    graph: Graph, *, batch: int, size: tuple[int, ...], dynamic: Sequence[str]
) -> dict[str, Any]:
    """Inputs and outputs of a program, with the names of its dynamic axes.

    Args:
        graph: The program.
        batch: Number of images or volumes, if it is fixed.
        size: Their sides, if they are fixed.
        dynamic: Which of `"batch"` and `"size"` are dynamic.
    """
    number: str | int = BATCH if "batch" in dynamic else batch
    spec = graph.first
    lengths: list[str | int] = [*spec.axes] if "size" in dynamic else list(size)
    named = dict(zip(spec.axes, lengths, strict=True))
    return {
        "inputs": [
            {
                "name": spec.name,
                "dtype": str(spec.dtype).removeprefix("torch."),
                "shape": [number, spec.channels, *lengths],
                **spec.facts(),
            },
            *(
                {
                    "name": one.name,
                    "dtype": str(one.dtype).removeprefix("torch."),
                    "shape": [number, *one.shape],
                    "values": one.values,
                }
                for one in graph.beside
            ),
        ],
        "outputs": [
            {
                "name": name,
                "shape": [number if axis == BATCH else named.get(str(axis), axis) for axis in axes],
            }
            for name, axes in graph.axes.items()
        ],
        "normalisation": {
            "included": not spec.normalised,
            "mean": list(spec.mean),
            "std": list(spec.std),
        },
    }


def export_facts(
    graph: Graph,
    path: Path,
    *,
    form: str,
    precision: str,
    batch: int,
    size: tuple[int, ...],
    dynamic: Sequence[str],
    description: Mapping[str, Any],
    licence: str | None,
) -> dict[str, Any]:
    """Facts about an export's file, program and model.

    Args:
        graph: The program, with the images that it accepts.
        path: The file.
        form: Its format, such as `"onnx"`.
        precision: Precision of weights and computation.
        batch: As in `shape_facts`.
        size: As in `shape_facts`.
        dynamic: As in `shape_facts`.
        description: Description of the model.
        licence: Licence of the weights; None if not known.
    """
    return {
        **file_facts(path),
        "format": form,
        "kind": graph.kind,
        "precision": precision,
        **shape_facts(graph, batch=batch, size=size, dynamic=dynamic),
        **graph.facts(size),
        "dynamic": list(dynamic),
        "classes": description.get("class_names"),
        "preprocessing": {
            "input": description.get("input"),
            "options": description.get("preprocessing"),
        },
        "versions": versions(),
        "licence": {"weights": licence or "unknown", "code": CODE_LICENCE},
    }


def verification_facts(cases: Sequence[Case], tolerance: float) -> dict[str, Any]:
    """The result of a comparison with the source; numbers that are not finite become text."""
    return {
        "passed": all(case.passed for case in cases),
        "tolerance": tolerance,
        "cases": [
            {
                "inputs": case.inputs,
                "batch": case.batch,
                "size": list(case.size),
                "differences": [_plain(asdict(one)) for one in case.differences],
            }
            for case in cases
        ],
    }


def versions() -> dict[str, str]:
    """Versions of the suite and of the installed packages that exports depend on."""
    return list_versions(PACKAGES)


def write_sidecar(path: str | os.PathLike[str], facts: Mapping[str, Any]) -> Path:
    """Write facts as JSON beside an export, under its name plus `.json`.

    Returns:
        The path of the JSON file.
    """
    beside = sidecar_path(path)
    write_text(beside, to_json(facts, indent=2) + "\n")
    return beside


def sidecar_path(path: str | os.PathLike[str]) -> Path:
    """The path of the JSON file beside an export."""
    return Path(f"{os.fspath(path)}.json")


def check_export_files(path: Path) -> None:
    """Check that an export and the file beside it can be written, before the work.

    Args:
        path: What the user gave as `--out`.

    Raises:
        ConfigError: One cannot.
    """
    for file in (path, sidecar_path(path)):
        check_output_file(file, option="--out")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
