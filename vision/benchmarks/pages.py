"""Tables of results in a Markdown page, between marks that name their files.

<!-- results: backbones -->
(what `backbones.json` gives; written by `vision benchmark tables`)
<!-- end of results -->
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from vision.benchmarks.results import Row, Table, read_tables, shown, shown_ratio
from vision.errors import ConfigError
from vision.files import write_text

_PLACE = re.compile(
    r"^<!-- results: ([\w-]+) -->\n(.*?)^<!-- end of results -->\n", re.DOTALL | re.MULTILINE
)
# Packages whose versions are told with a table; all are in its file.
TOLD = (
    *("torch", "torchvision", "timm", "transformers", "albumentations", "mmsegmentation"),
    "pycocotools",
)

# Begins the units of processor times.
PROCESSOR = "CPU "


def table_markdown(table: Table) -> str:
    """A table with its command, its date and what it ran on.

    Of times, those by the clock are shown, or on a busy machine those of the processor.
    """
    found = table.environment
    gpus = found.hardware.get("gpus") or []
    on_gpu = gpus and found.device.startswith("cuda")
    place = gpus[0]["name"] if on_gpu else found.hardware.get("cpu", "a processor without a name")
    versions = ", ".join(f"{k} {found.versions[k]}" for k in TOLD if k in found.versions)
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    lines = [
        f"{table.title}: `{table.command}`, {found.date}, {place}, {threads}, {versions}; "
        f"{found.load.describe()}.",
        "",
    ]
    beside = any(row.theirs is not None for row in table.rows)
    if beside:
        lines += ["| | unit | ours | theirs | peer | ratio (95 % interval) |"]
        lines += ["|---|---|---:|---:|---|---:|"]
    else:
        lines += ["| | unit | |", "|---|---|---:|"]
    hidden = _hidden_units(table)
    lines += [_line(row, beside=beside) for row in table.rows if row.unit not in hidden]
    notes = [line for note in table.notes for line in ("", note)]
    return "\n".join([*lines, *notes]) + "\n"


def _hidden_units(table: Table) -> set[str]:
    """Units of the times that have another form beside them, which says more."""
    units = {row.unit for row in table.rows}
    both = [unit for unit in units if f"{PROCESSOR}{unit}" in units]
    if table.environment.load.is_busy:
        return set(both)
    return {f"{PROCESSOR}{unit}" for unit in both}


def _line(row: Row, *, beside: bool) -> str:
    cells = [row.label, row.unit, shown(row.ours)]
    if beside:
        cells += [shown(row.theirs), row.peer or "-", shown_ratio(row)]
    return f"| {' | '.join(cells)} |"


def fill_page(text: str, results: Mapping[str, Sequence[Table]]) -> str:
    """A page with the tables of some results at their places.

    Args:
        text: The page.
        results: Tables by the name that the page's marks have; other places stay as they are.

    Raises:
        ConfigError: The page has no place for one of them.
    """
    places = [found[1] for found in _PLACE.finditer(text)]
    for name in results:
        if name not in places:
            raise ConfigError(
                f"the page has no place for '{name}' ({', '.join(places) or 'none at all'}): "
                f"write '<!-- results: {name} -->' and '<!-- end of results -->' on two lines."
            )

    def fill(found: re.Match[str]) -> str:
        if found[1] not in results:
            return found[0]
        tables = "\n".join(map(table_markdown, results[found[1]]))
        return f"<!-- results: {found[1]} -->\n{tables}<!-- end of results -->\n"

    return _PLACE.sub(fill, text)


def write_page(*, files: Sequence[Path], page: Path, plots: Path | None) -> None:
    """Write the tables of files into a page, and draw what can be drawn of them.

    Args:
        files: What `--json` has written; the name of each is that of its place.
        page: The page.
        plots: A folder for plots; None for none.

    Raises:
        ConfigError: A file or the page is absent or not of that kind.
    """
    if not page.is_file():
        raise ConfigError(f"{page} is no page: --page takes a Markdown file such as README.md.")
    if absent := [file for file in files if not file.is_file()]:
        raise ConfigError(f"{absent[0]} is absent. `vision benchmark NAME --json FILE` writes it.")
    results = {file.stem: read_tables(file) for file in files}
    write_text(page, fill_page(page.read_text(encoding="utf-8"), results))
    print(f"{page}: tables of {', '.join(results)}")
    if plots is not None:
        from vision.benchmarks.plots import draw_plots

        for path in draw_plots([table for found in results.values() for table in found], plots):
            print(path)
