"""Print what a bug report needs: versions, machine, devices, disk, optional packages.

    vision doctor
    vision doctor --json

No name of a person, path of the home folder or variable of the environment is printed. The exit
status is 1 if a required package is absent or PyTorch does not work.
"""

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vision.cli.ending import command_parser, end
from vision.extras import extras, installed_suite, requirements
from vision.line_width import break_parts, line_width
from vision.version import __version__

GIB = 2**30
ABSENT = "absent"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("doctor", __doc__)
    parser.add_argument("--json", action="store_true", help="print an object")
    return parser


def installed_versions() -> dict[str, str]:
    """Versions of the suite, of Python and of what the suite always requires."""
    names = [_name(one) for one in requirements(None)]
    return {
        "vision": f"{__version__} ({_origin()})",
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        **{name: _version(name) for name in names},
    }


def optional_packages() -> dict[str, str]:
    """By name of an extra: the versions of its packages, or those that are absent."""
    found = {}
    for extra in extras():
        versions = {_name(one): _version(_name(one)) for one in requirements(extra)}
        lacking = [name for name, value in versions.items() if value == ABSENT]
        if lacking:
            found[extra] = f"without {', '.join(lacking)}"
        elif versions:
            found[extra] = ", ".join(f"{name} {value}" for name, value in versions.items())
    return found


def machine() -> dict[str, Any]:
    """The system, its processor, memory and devices."""
    import torch

    from vision.machine import describe_hardware

    found = describe_hardware()
    gpus = [f"{gpu['name']}, {gpu['memory_gib']} GiB" for gpu in found["gpus"]]
    memory = found["memory_gib"]
    return {
        "system": platform.platform(),
        "processor": f"{found['cpu']} ({platform.machine()})",
        "cores": f"{found['cores']} usable of {os.cpu_count()}",
        "threads": f"{found['threads']} of PyTorch",
        "memory": "unknown" if memory is None else f"{memory} GiB",
        "PyTorch": f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}",
        "GPUs": "; ".join(gpus) or "none",
        **({"driver": found["driver"] or "unknown"} if gpus else {}),
        **({"MPS": "available"} if torch.backends.mps.is_available() else {}),
    }


def disk() -> dict[str, str]:
    """Free space where runs, weights and caches are written."""
    import torch
    from huggingface_hub.constants import HF_HUB_CACHE

    from vision.data.files.array_cache import default_cache_dir

    places = {
        "current folder": Path.cwd(),
        "published weights": Path(torch.hub.get_dir()),
        "Hugging Face": Path(HF_HUB_CACHE),
        "annotations": default_cache_dir(),
    }
    return {name: _free(path) for name, path in places.items()}


def diagnose(options: argparse.Namespace) -> int:
    """Print the report; returns the exit status."""
    report: dict[str, dict[str, Any]] = {"versions": installed_versions()}
    problems = [f"{name} is {ABSENT}" for name, one in report["versions"].items() if one == ABSENT]
    try:
        report |= {"machine": machine(), "free disk": disk()}
    except (ImportError, OSError, RuntimeError) as error:
        problems.append(f"PyTorch does not work: {type(error).__name__}: {error}"[:300])
    report["optional packages"] = optional_packages()
    if options.json:
        print(json.dumps({**report, "problems": problems}, indent=2))
        return int(bool(problems))
    for title, rows in report.items():
        print(title)
        width = max(map(len, rows), default=0)
        for name, value in rows.items():
            room = line_width() - width - 4
            first, *more = break_parts(f"{value}".split(), room, gap=" ") or [""]
            print(f"  {name:<{width}}  {first}")
            for line in more:
                print(f"  {'':<{width}}  {line}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return int(bool(problems))


def main(words: Sequence[str]) -> int:
    """Run the command; 1 for an environment that cannot work."""
    return end(lambda: diagnose(build_parser().parse_args(words)))


def _name(requirement: str) -> str:
    """The name in a requirement such as `"torch>=2.11"`."""
    from packaging.requirements import Requirement

    return Requirement(requirement).name


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ABSENT


def _origin() -> str:
    """How the suite was installed."""
    suite = installed_suite()
    if suite is None:
        return "not installed: on Python's path"
    text = suite.read_text("direct_url.json")
    found = json.loads(text) if text else {}
    if "vcs_info" in found:
        return f"from a repository, commit {found['vcs_info']['commit_id'][:12]}"
    if "dir_info" in found:
        return "from a clone, editable" if found["dir_info"].get("editable") else "from a folder"
    return "from a file" if found else "from an index"


def _free(path: Path) -> str:
    """Free space of the disk of a folder, which need not exist yet."""
    there = next(place for place in (path, *path.parents) if place.exists())
    usage = shutil.disk_usage(there)
    return f"{usage.free / GIB:.1f} GiB of {usage.total / GIB:.1f}"
