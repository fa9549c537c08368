"""Commands of `vision benchmark` that count, compare with what is stored, and write pages."""

from pathlib import Path

from vision.benchmarks.check import STORED, check_counts
from vision.benchmarks.counts import COUNTED
from vision.benchmarks.pages import write_page
from vision.cli.benchmarks.options import Add


def add_check(add: Add) -> None:
    """The command that continuous integration runs."""
    parser = add("check", check_counts, help="counts against stored ones; exit code 1 on a rise")
    parser.add_argument(
        "--names", nargs="+", default=(), metavar="NAME", help=f"of {', '.join(COUNTED)}"
    )
    parser.add_argument("--store", action="store_true", help="store the counts as the new ones")
    parser.add_argument("--file", type=Path, default=STORED, help="of the stored counts")


def add_tables(add: Add) -> None:
    """The command that writes results into a page."""
    parser = add("tables", write_page, help="results of --json as tables and plots of a page")
    parser.add_argument("--from", dest="files", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw plots into it")
