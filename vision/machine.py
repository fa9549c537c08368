"""The environment of a program: versions, hardware, the commit of its code."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from vision.errors import ConfigError
from vision.version import __version__
from vision.workers import usable_cores

GIB = 2**30
# A repository on a slow disk does not hold up a run.
GIT_S = 5.0


def list_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the suite, of Python, and of those packages that are installed."""
    versions = {"vision": __version__, "python": platform.python_version()}
    for name in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    # Only this names the device that PyTorch was built for.
    return versions | ({"torch": str(torch.__version__)} if "torch" in versions else {})


def describe_hardware() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GiB, GPUs and their driver."""
    gpus = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found = torch.cuda.get_device_properties(number)
        gpus.append({"name": found.name, "memory_gib": round(found.total_memory / GIB, 1)})
    memory = None
    with suppress(ValueError, OSError, AttributeError):  # not on every system
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB, 1)
    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "memory_gib": memory,
        "gpus": gpus,
        "driver": _gpu_driver() if gpus else None,
    }


def describe_repository(folder: Path) -> dict[str, Any] | None:
    """Commit of the git repository that a folder is in, and whether its files were changed.

    Returns:
        None where there is no repository, no commit yet, or no git.
    """
    commit = _run("git", "-C", str(folder), "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _run("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def _run(*command: str) -> str | None:
    """What a program prints; None if it fails, is absent or takes too long."""
    # Looking at a repository must not wait for another's lock on it.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_S, env=environment, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def has_cpp_compiler() -> bool:
    """Whether there is a C++ compiler, which `torch.compile` needs on the CPU."""
    return any(map(shutil.which, ("g++", "clang++", "c++")))


def cpu_name() -> str:
    """Name of the processor, as far as the system tells it."""
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def _gpu_driver() -> str | None:
    with suppress(OSError):
        text = Path("/proc/driver/nvidia/version").read_text()
        found = re.search(r"Kernel Module\D+([\d.]+)", text)
        if found:
            return found[1]
    shown = _run("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return shown.splitlines()[0] if shown else None


def find_device(name: str | torch.device) -> torch.device:
    """A device that this machine has.

    Args:
        name: Such as `"cpu"`, `"cuda"` or `"cuda:1"`.

    Raises:
        ConfigError: There is no such device, or it computes nothing.
    """
    try:
        # An empty tensor tells whether the device is there, and takes no memory on it.
        device = torch.empty(0, device=name).device
    # Depending on the device and on its own build, PyTorch raises any of these.
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0][:160]
        raise ConfigError(
            f"device {str(name)[:40]!r} is not one of this machine ({reason}); 'cpu' always is."
        ) from error
    if device.type == "meta":
        raise ConfigError("device 'meta' computes nothing; 'cpu' does.")
    return device
