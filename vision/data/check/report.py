"""What a check of a dataset found, to read and as plain values."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vision.data.check.problems import SplitSummary
from vision.wording import counted

# Classes that the summary counts one by one; of more it names the rarest and the most frequent.
MAX_CLASSES = 20


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        unit: What a sample is called, in the plural.
        problems: A line each.
        remarks: Notes that are not problems.
        decoded: Number of samples that were decoded.
        splits: What each split holds.
    """

    unit: str
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    decoded: int = 0
    splits: Mapping[str, SplitSummary] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """What the splits hold, the remarks, and the number of problems."""
        yield from summary_lines(self.splits, self.unit)
        yield from (f"note: {remark}" for remark in self.remarks)
        found = counted(len(self.problems), "problems") if self.problems else "all is well"
        yield f"decoded {counted(self.decoded, self.unit)}: {found}."

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "problems": self.problems,
            "remarks": self.remarks,
            "images_decoded": self.decoded,
            "splits": self.splits,
        }


def check_dataset(
    data: Any, show: Callable[[str], None], progress: Callable[[int, int], None]
) -> CheckReport:
    """Check a dataset.

    Args:
        data: The datamodule.
        show: Takes each problem as soon as it is known.
        progress: Takes the number of samples that are decoded, and of all.

    Raises:
        ConfigError: An option of the datamodule is wrong.
    """
    report = CheckReport(data.unit)

    def count(done: int, total: int) -> None:
        report.decoded = done
        progress(done, total)

    for problem in data.problems(count, report.remarks):
        report.problems.append(" ".join(problem.splitlines()))
        show(report.problems[-1])
    report.splits = data.summary()
    return report


def summary_lines(splits: Mapping[str, Mapping[str, Any]], unit: str) -> Iterator[str]:
    """What each split holds, in lines to read; a sample is one of the `unit`."""
    for split, found in splits.items():
        parts = [counted(found["images"], unit)]
        for key in ("objects", "crowd_regions", "empty_images", "clipped_boxes"):
            if key in found:
                parts.append(counted(found[key], key.replace("_", " ")))
        parts += [f"{count:,} {why} dropped" for why, count in found.get("dropped", {}).items()]
        yield f"{split}: {', '.join(parts)}"
        counts = sorted(found.get("classes", {}).items(), key=lambda item: -item[1])
        if len(counts) > MAX_CLASSES:
            first, last = (f"{name} {count:,}" for name, count in (counts[0], counts[-1]))
            absent = sum(not count for _, count in counts)
            several = counted(len(counts), "classes")
            yield f"  {several}, {absent:,} of them absent; from {first} to {last}"
        elif counts:
            yield "  " + ", ".join(f"{name} {count:,}" for name, count in counts)
