"""Check that the requested hardware exists, before any process is started."""

import os
from typing import Any

import torch

from vision.errors import ConfigError


def check_devices(accelerator: Any, devices: Any) -> None:
    """Check that there are no more processes than cores if they compute on the CPU.

    Lightning starts any number, and memory runs out before it reports a problem. It checks the
    number of GPUs itself.

    Args:
        accelerator: As for Lightning's trainer.
        devices: The same: a number, as text too, a list, or "auto".

    Raises:
        ConfigError: There are more processes than cores.
    """
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available())
    count = len(devices) if isinstance(devices, list | tuple) else devices
    if isinstance(count, str) and count.isdecimal() and len(count) < 10:
        count = int(count)
    # Two are what a test of several processes needs, also on one core.
    maximum = max(2, os.cpu_count() or 1)
    if on_cpu and isinstance(count, int) and count > maximum:
        raise ConfigError(
            f"--trainer.devices {devices}: on the CPU that is {count:,} processes, and this "
            f"machine has {os.cpu_count()} cores. Give up to {maximum}; one process uses "
            "all cores."
        )
