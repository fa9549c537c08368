"""How busy the machine is while something is measured."""

import os
import resource
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vision.workers import usable_cores

# A machine is busy when other processes take more than this share of its processor time.
MAX_OTHERS = 0.05


@dataclass(frozen=True)
class Load:
    """Load of the machine during a measurement.

    Attributes:
        before: Average number of running processes in the minute before it; None where the system
            does not tell.
        after: The same at its end, with the measurement itself.
        others: Share of the processor time of the cores that this process may use, 0 to 1, that
            other processes, or other virtual machines, took during it; None where the system does
            not tell.
    """

    before: float | None
    after: float | None
    others: float | None

    @property
    def is_busy(self) -> bool:
        """Whether times by the clock are those of a shared machine."""
        if self.others is not None:
            return self.others > MAX_OTHERS
        return self.before is not None and self.before > MAX_OTHERS * usable_cores()

    def describe(self) -> str:
        """One line."""
        if self.before is None or self.after is None:
            return "load of the machine unknown"
        line = f"load average {self.before:.2f} before, {self.after:.2f} after"
        if self.others is not None:
            line += f"; other processes took {self.others:.0%} of the processor time"
        if self.is_busy:
            line += ": the machine is BUSY, compare processor times only"
        return line


class LoadMeter:
    """Measures the load from its construction on."""

    def __init__(self) -> None:
        self._average = _load_average()
        self._cores, self._own = _cores_s(), _own_s()

    def read(self) -> Load:
        """The load from the construction until now."""
        others = None
        cores, own = _cores_s(), _own_s() - self._own
        if cores is not None and self._cores is not None:
            total, busy = (now - then for now, then in zip(cores, self._cores, strict=True))
            # The system counts in hundredths of a second: own work can seem to be more than all.
            others = min(1.0, max(0.0, busy - own) / total) if total > 0 else None
        return Load(self._average, _load_average(), others)


def _load_average() -> float | None:
    with suppress(OSError, AttributeError):  # not on every system
        return round(os.getloadavg()[0], 2)
    return None


def _own_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _cores_s() -> tuple[float, float] | None:
    """All and busy seconds since the start of the system, of the cores that this process may use.

    None where the system does not tell; Linux does.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    owned = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    total = busy = 0.0
    with suppress(OSError, ValueError):
        for line in Path("/proc/stat").read_text().splitlines():
            name, *counts = line.split()
            if name in owned:
                # user, nice, system, idle, iowait, irq, softirq, steal; the guests' are in user.
                ticks = [int(count) for count in counts[:8]]
                total += sum(ticks)
                busy += sum(ticks) - ticks[3] - ticks[4]
    if not total:
        return None
    second = os.sysconf("SC_CLK_TCK")
    return total / second, busy / second
