"""The folder of a composed dataset: written atomically, never over other files."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vision.documents.json_text import read_json
from vision.errors import DataError
from vision.program import command

MARKER = "samples.json"


@contextmanager
def replace_folder(root: Path | str, options: dict[str, object]) -> Iterator[Path]:
    """Yield an empty folder, which becomes `root` when the block ends without an error.

    Until then it is a new folder beside `root`. An earlier `root` is replaced if it was made this
    way and nothing was added to it since.

    Args:
        root: The dataset's folder to make, with its parents.
        options: How the dataset is composed; kept in `samples.json`, which marks such a folder.

    Yields:
        The folder to write to.

    Raises:
        DataError: `root` is a file, or holds anything other than an earlier composed dataset.
    """
    root = Path(root).resolve()
    check_replaceable(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        fresh = work / "new"
        fresh.mkdir()
        yield fresh
        entries = sorted([*os.listdir(fresh), MARKER])
        (fresh / MARKER).write_text(json.dumps({**options, "entries": entries}) + "\n")
        if root.exists():
            root.rename(work / "old")
        fresh.rename(root)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_replaceable(root: Path) -> None:
    """Raise a `DataError` unless a folder is absent, empty, or a composed dataset of ours."""
    if not root.exists():
        return
    if not root.is_dir():
        raise DataError(f"'{root}' is a file: name a folder that does not exist yet.")
    found = sorted(os.listdir(root))
    if not found:
        return
    try:
        entries = read_json(root / MARKER)["entries"]
        others = sorted(set(found) - set(entries))
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"'{root}' is not a folder that was made by `{command('make-samples')}` (it has no "
            f"valid {MARKER}), so nothing is written there. Name another --root, or remove it."
        ) from None
    if others:
        raise DataError(
            f"'{root}' holds files that `{command('make-samples')}` has not made "
            f"({', '.join(others)}), and would lose them. Move them elsewhere, or name another "
            "--root."
        )
