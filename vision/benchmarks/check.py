"""Counts against stored ones: a rise fails, on any machine."""

import gc
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vision.benchmarks.counts import COUNTED, Counts, count_one
from vision.errors import ConfigError, suggest
from vision.files import write_text
from vision.machine import list_versions
from vision.workers import usable_cores

# Stored for the newest versions that the suite is tested with.
STORED = Path(__file__).with_name("counts.json")
# A count may be larger than the stored one by this share.
MAX_RISE = 0.02
# Other versions of these count otherwise.
PACKAGES = ("torch", "onnx")
AllCounts = dict[str, Counts]


@dataclass(frozen=True)
class Change:
    """A count that is not the stored one.

    Attributes:
        name: Of the backbone, or of the training step.
        what: What is counted.
        stored: The stored count; None where there is none.
        found: The count now.
    """

    name: str
    what: str
    stored: float | None
    found: float

    @property
    def is_rise(self) -> bool:
        """Whether it is larger than is allowed, or new."""
        return self.stored is None or self.found > self.stored * (1 + MAX_RISE)

    def describe(self) -> str:
        """One line."""
        line = f"{self.name}, {self.what}: {self.found:,.0f}"
        if self.stored is None:
            return f"{line}, where none is stored"
        share = f" ({self.found / self.stored - 1:+.1%})" if self.stored else ""
        return f"{line}, where {self.stored:,.0f} is stored{share}"


def compare_counts(
    stored: Mapping[str, Mapping[str, float]], found: Mapping[str, Mapping[str, float]]
) -> list[Change]:
    """The counts that differ from the stored ones; one that is no longer counted is none."""
    return [
        Change(name, what, stored.get(name, {}).get(what), count)
        for name, counts in found.items()
        for what, count in counts.items()
        if count != stored.get(name, {}).get(what)
    ]


def check_counts(
    *,
    names: Sequence[str] = (),
    store: bool = False,
    file: Path = STORED,
    count: Callable[[str], Counts] = count_one,
) -> int:
    """Count, print what has changed, and say whether anything has risen.

    Args:
        names: Of `COUNTED`; all by default.
        store: Whether to store the counts instead.
        file: Where they are stored.
        count: Counts one of them.

    Returns:
        The exit status: 1 if a count is more than 2 % above the stored one, or not stored.

    Raises:
        ConfigError: A name is unknown, or the file is absent or none of counts.
    """
    for name in names:
        if name not in COUNTED:
            raise ConfigError(
                f"'{name}' is not counted; {', '.join(COUNTED)} are.{suggest(name, COUNTED)}"
            )
    start = time.perf_counter()
    found = count_all(names or COUNTED, count)
    total = sum(map(len, found.values()))
    versions = list_versions(PACKAGES)
    if store:
        kept = _read(file)["counts"] if file.exists() else {}
        contents = {"versions": versions, "counts": {**kept, **found}}
        write_text(file, json.dumps(contents, indent=1) + "\n")
        print(f"{total} counts stored in {file}")
        return 0
    stored = _read(file)
    changes = compare_counts(stored["counts"], found)
    rises = [change for change in changes if change.is_rise]
    for change in changes:
        print(f"{'RISE' if change.is_rise else 'changed'}: {change.describe()}")
    seconds = time.perf_counter() - start
    print(f"{total} counts, {len(changes)} changed, {len(rises)} risen; {seconds:.0f} s")
    if rises:
        for package in PACKAGES:
            then, now = stored["versions"].get(package), versions.get(package)
            if then != now:
                print(f"stored with {package} {then}; this is {now}")
        print(f"more than {MAX_RISE:.0%} above what is stored: mend it, or if it is meant:")
        print("vision benchmark check --store")
    return int(bool(rises))


def count_all(names: Sequence[str], count: Callable[[str], Counts] = count_one) -> AllCounts:
    """Counts of names, in the same order, by this process and by a second one.

    Args:
        names: Of `COUNTED`.
        count: Counts one of them; a function of a module where there are several names.
    """
    waiting, found = deque(names), {}
    with _few_to_collect(), ExitStack() as stack:
        theirs: tuple[str, Future[Counts]] | None = None
        if len(names) > 1 and usable_cores() > 1:
            spawn = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
            # The second process counts from the end, one at a time, so that both end together.
            theirs = _next(pool, waiting, count)
        while waiting:
            name = waiting.popleft()
            found[name] = count(name)
            if theirs is not None and theirs[1].done():
                found[theirs[0]] = theirs[1].result()
                theirs = _next(pool, waiting, count)
        if theirs is not None:
            found[theirs[0]] = theirs[1].result()
    return {name: found[name] for name in names}


def _next(
    pool: ProcessPoolExecutor, waiting: deque[str], count: Callable[[str], Counts]
) -> tuple[str, Future[Counts]] | None:
    if not waiting:
        return None
    name = waiting.pop()
    return name, pool.submit(_count_elsewhere, count, name)


def _count_elsewhere(count: Callable[[str], Counts], name: str) -> Counts:
    gc.freeze()
    return count(name)


@contextmanager
def _few_to_collect() -> Iterator[None]:
    """Leave what is imported out of garbage collection, which else takes a fifth of the time."""
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _read(file: Path) -> dict[str, dict[str, dict[str, float]]]:
    try:
        contents: dict[str, dict[str, dict[str, float]]] = json.loads(file.read_text())
        if not {"versions", "counts"} <= contents.keys():
            raise KeyError("versions and counts")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{file} is absent. `vision benchmark check --store --file FILE` writes it."
        ) from error
    except (ValueError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{file} holds no counts ({error}). `vision benchmark check --store --file FILE` "
            "writes them."
        ) from error
    return contents
